from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpp.collector.cluster.services import (
    Resources,
    Service,
    find_pods,
    find_services,
    read_capacities,
    read_deployment_resources,
)
from kpp.collector.config import Config
from kpp.errors import KubernetesError
from tests.collector.fake_cluster import FakeCluster
from tests.collector.fake_pods import Object, read_recorded


def labeled(name: str, **labels: str) -> Object:
    return {"metadata": {"name": name, "uid": f"uid of {name}", **({"labels": labels} if labels else {})}}


def names(*deployments: Object, **settings: Any) -> list[tuple[str, str]]:
    services = find_services(deployments, Config(**settings)).services
    return [(service.name, service.deployment) for service in services]


def test_online_boutique_has_ten_services() -> None:
    discovery = find_services(read_recorded("deployments")["items"], Config())

    assert [service.name for service in discovery.services] == [
        *("adservice", "cartservice", "checkoutservice", "currencyservice", "emailservice", "frontend"),
        *("paymentservice", "productcatalogservice", "recommendationservice", "shippingservice"),
    ]
    assert discovery.warnings == ()


def test_the_configured_label_names_the_service() -> None:
    deployment = labeled("web-v2", app="no", **{"app.kubernetes.io/name": "web"})

    assert names(deployment, label_key="app.kubernetes.io/name") == [("web", "web-v2")]


def test_exclusion_goes_by_the_label_as_well_as_by_the_deployment() -> None:
    deployments = [
        *(labeled("cache", app="a"), labeled("b", app="cache"), labeled("locust", app="c")),
        *(labeled("d", app="locust"), labeled("web", app="web")),
    ]

    assert names(*deployments, excluded_services=("cache",), load_generator="locust") == [("web", "web")]


def test_deployments_without_the_label_are_left_out_with_one_warning() -> None:
    discovery = find_services([labeled("x"), labeled("web", app="web"), labeled("a", tier="1")], Config())

    assert discovery.services == (Service("web", "web"),)
    assert discovery.warnings == ("Left out, for want of the label app: a, x",)


def test_deployments_that_share_a_label_go_by_their_own_names_with_one_warning() -> None:
    canary = [labeled("web-1", app="web"), labeled("web-2", app="web"), labeled("cart", app="cart")]

    discovery = find_services(canary, Config())

    assert [service.name for service in discovery.services] == ["cart", "web-1", "web-2"]
    assert len(discovery.warnings) == 1
    assert discovery.warnings[0].endswith("share a label app: web-1, web-2")


@given(st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("abcdef"), min_size=1))
def test_every_deployment_is_one_service_and_no_two_share_a_name(labels: dict[str, str]) -> None:
    found = names(*(labeled(name, app=label) for name, label in labels.items()))

    assert sorted(deployment for _, deployment in found) == sorted(labels)
    assert len({name for name, _ in found}) == len(labels)


@pytest.mark.parametrize("label", ["Web", "we_b", "a.b", "..", "-web"])
def test_a_name_that_is_no_dns_label_is_refused(label: str) -> None:
    with pytest.raises(KubernetesError, match="no DNS-1123 label") as caught:
        names(labeled("web", app=label), labeled("cart", app="cart"))

    assert repr(label) in str(caught.value)


def test_a_namespace_without_services_is_an_error_that_names_the_settings() -> None:
    with pytest.raises(KubernetesError, match=r"namespace shop: .*label tier .*KPP_NAMESPACE, KPP_LABEL_KEY"):
        names(labeled("redis-cart", tier="redis-cart"), namespace="shop", label_key="tier")


def with_containers(*containers: Object, init_containers: tuple[Object, ...] = (), **status: int) -> Object:
    pod_spec = {"containers": list(containers), "initContainers": list(init_containers)}
    return {"spec": {"template": {"spec": pod_spec}}, "status": status}


def container(name: str, request: str | None = None, limit: str | None = None) -> Object:
    cpu = {"requests": request, "limits": limit}
    resources = {kind: {"memory": "64Mi", "cpu": quantity} for kind, quantity in cpu.items() if quantity}
    return {"name": name, "resources": resources}


@pytest.mark.parametrize(
    ("deployment", "resources"),
    [
        (with_containers(container("server", "100m", "200m"), readyReplicas=3), Resources(3, 0.1, 0.2)),
        (with_containers(container("server", "0.1", "1")), Resources(0, 0.1, 1.0)),
        (with_containers(container("server", "100u", "2e-1")), Resources(0, 0.0001, 0.2)),
        (
            with_containers(container("server", "250m", "500m"), container("istio-proxy", "10m", "2")),
            Resources(0, 0.25, 0.5),
        ),
        (
            with_containers(
                container("server", "250m", "500m"), init_containers=(container("istio-proxy", "1"),)
            ),
            Resources(0, 0.25, 0.5),
        ),
        (with_containers(container("a", "250m", "500m"), container("b", "250m")), Resources(0, 0.5, None)),
        (with_containers(container("a")), Resources(0, None, None)),
        (with_containers({"name": "a"}), Resources(0, None, None)),
        (with_containers(container("istio-proxy", "10m", "2")), Resources(0, None, None)),
    ],
)
def test_the_cpu_of_a_replica_is_that_of_all_its_containers_but_the_sidecar(
    deployment: Object, resources: Resources
) -> None:
    found = read_deployment_resources(deployment)

    assert found.replicas == resources.replicas
    assert found.cpu_request_cores == pytest.approx(resources.cpu_request_cores)
    assert found.cpu_limit_cores == pytest.approx(resources.cpu_limit_cores)


def test_pods_are_found_by_their_owners_not_by_their_names() -> None:
    cluster = FakeCluster()
    cluster.pods_of("frontend")[0]["metadata"]["labels"] = {}
    pod = cluster.pods_of("cartservice")[0]
    pod["metadata"]["name"] = "frontend-0123456789-abcde"
    services = [Service("front", "frontend"), Service("cart", "cartservice")]

    found = find_pods(cluster.pods.values(), cluster.replica_sets.values(), services)

    assert sorted(found.values()) == ["cart", "front"]
    assert found["frontend-0123456789-abcde"] == "cart"


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("status", {"phase": "Pending"}),
        ("status", {"phase": "Failed"}),
        ("metadata", {"deletionTimestamp": "2026-08-12T10:00:00Z"}),
        ("metadata", {"ownerReferences": []}),
        ("metadata", {"ownerReferences": [{"kind": "Job", "name": "x", "uid": "x", "controller": True}]}),
    ],
)
def test_pods_that_do_not_run_for_a_deployment_are_left_out(part: str, change: Object) -> None:
    cluster = FakeCluster()
    (pod,) = cluster.pods_of("frontend")
    pod[part] |= change

    found = find_pods(cluster.pods.values(), cluster.replica_sets.values(), [Service("frontend", "frontend")])

    assert found == {}


def test_capacity_is_in_cores() -> None:
    assert read_capacities(read_recorded("nodes")["items"]) == {"minikube": 8.0, "minikube-m02": 3.92}
