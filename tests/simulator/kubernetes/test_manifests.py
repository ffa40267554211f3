from fractions import Fraction

import pytest

from kpp.simulator.kubernetes.manifests import (
    Workload,
    application_manifests,
    deployment_manifest,
    load_generator_manifest,
)
from kpp.simulator.kubernetes.objects.quantities import parse_quantity
from kpp.simulator.kubernetes.objects.resources import DEPLOYMENTS, SERVICES, Json
from kpp.simulator.kubernetes.online_boutique import LOAD_GENERATOR, WORKLOADS
from tests.simulator.kubernetes.clusters import make_cluster


def containers(manifest: Json) -> list[Json]:
    found: list[Json] = manifest["spec"]["template"]["spec"]["containers"]
    return found


def deployments() -> list[Json]:
    return [each for each in application_manifests(WORKLOADS, LOAD_GENERATOR) if each["kind"] == "Deployment"]


@pytest.mark.parametrize(("part", "cpu"), [("requests", "1570m"), ("limits", "2825m")])
def test_online_boutique_asks_for_what_the_real_one_asks_for(part: str, cpu: str) -> None:
    total = sum(parse_quantity(containers(each)[0]["resources"][part]["cpu"]) for each in deployments())
    assert total == parse_quantity(cpu)
    assert len(deployments()) == 12


def test_containers_ports_and_services_are_those_of_the_real_one() -> None:
    names = {each["metadata"]["name"]: containers(each)[0]["name"] for each in deployments()}
    assert names.pop("redis-cart") == "redis"
    assert names.pop("loadgenerator") == "main"
    assert set(names.values()) == {"server"}
    services = {
        each["metadata"]["name"]: each["spec"]
        for each in application_manifests(WORKLOADS, LOAD_GENERATOR)
        if each["kind"] == "Service"
    }
    assert "loadgenerator" not in services
    assert services["frontend-external"]["type"] == "LoadBalancer"
    (port,) = services["emailservice"]["ports"]
    assert (port["port"], port["targetPort"], port["name"]) == (5000, 8080, "grpc")


def test_the_load_generator_waits_for_the_frontend_and_has_its_variables() -> None:
    manifest = load_generator_manifest(LOAD_GENERATOR)
    pod_spec = manifest["spec"]["template"]["spec"]
    assert [each["name"] for each in pod_spec["initContainers"]] == ["frontend-check"]
    (main,) = pod_spec["containers"]
    assert main["env"] == [
        {"name": "FRONTEND_ADDR", "value": "frontend:80"},
        {"name": "USERS", "value": "10"},
        {"name": "RATE", "value": "1"},
    ]
    assert (manifest["spec"]["replicas"], pod_spec["terminationGracePeriodSeconds"]) == (1, 5)


def test_a_whole_application_can_be_installed_twice() -> None:
    cluster = make_cluster()
    for _ in range(2):
        cluster.install(application_manifests(WORKLOADS, LOAD_GENERATOR, namespace="shop"))
        cluster.step(cluster.now + 60)
    ready = [each["status"].get("readyReplicas") for each in cluster.store.list_all(DEPLOYMENTS, "shop")]
    assert ready == [1] * 12
    assert all(each["metadata"]["generation"] == 1 for each in cluster.store.list_all(DEPLOYMENTS))
    assert len(cluster.store.list_all(SERVICES, "shop")) == 12


def test_a_workload_may_leave_things_out() -> None:
    manifest = deployment_manifest(Workload("bare", "image:1", sidecar=False))
    (container,) = containers(manifest)
    assert container == {"name": "server", "image": "image:1", "resources": {}}
    assert manifest["spec"]["template"]["metadata"]["annotations"] == {"sidecar.istio.io/inject": "false"}
    assert "replicas" not in manifest["spec"]


def test_cores_become_quantities() -> None:
    workload = Workload("small", "image:1", cpu_request_cores=0.07, cpu_limit_cores=1.5)
    cluster = make_cluster()
    cluster.install(application_manifests([workload], entry_service=None))
    resources = containers(cluster.store.get(DEPLOYMENTS, "small", "default"))[0]["resources"]
    assert resources == {"requests": {"cpu": "70m"}, "limits": {"cpu": "1500m"}}
    assert parse_quantity(resources["limits"]["cpu"]) == Fraction(3, 2)
