"""What the API server refuses, in the words of k8s.io/kubernetes `pkg/apis/{core,apps}/validation`."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from kpp.simulator.kubernetes.manifests import deployment_manifest, service_manifest
from kpp.simulator.kubernetes.objects.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    LEASES,
    PODS,
    SERVICES,
    Json,
)
from kpp.simulator.kubernetes.objects.status_errors import StatusError
from tests.simulator.kubernetes.clusters import install_shop, make_cluster, make_shop, shop, shop_pods


def template_container(deployment: Json) -> Json:
    container: Json = deployment["spec"]["template"]["spec"]["containers"][0]
    return container


def changed(change: Callable[[Json], Any]) -> Json:
    manifest = copy.deepcopy(deployment_manifest(make_shop()))
    change(manifest)
    return manifest


INVALID: list[tuple[Callable[[Json], Any], str]] = [
    (
        lambda each: each["spec"].update(replicas=-1),
        "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
    ),
    (
        lambda each: each["spec"]["selector"]["matchLabels"].update(app="bank"),
        'spec.template.metadata.labels: Invalid value: {"app":"shop"}: '
        "`selector` does not match template `labels`",
    ),
    (lambda each: each["spec"].pop("selector"), "spec.selector: Required value"),
    (
        lambda each: each["spec"]["template"]["spec"].pop("containers"),
        "spec.template.spec.containers: Required value",
    ),
    (
        lambda each: template_container(each).pop("image"),
        "spec.template.spec.containers[0].image: Required value",
    ),
    (
        lambda each: template_container(each)["resources"]["requests"].update(cpu="3"),
        'spec.template.spec.containers[0].resources.requests: Invalid value: "3": '
        "must be less than or equal to cpu limit of 200m",
    ),
    (
        lambda each: template_container(each)["resources"]["limits"].update(cpu="-1"),
        'spec.template.spec.containers[0].resources.limits[cpu]: Invalid value: "-1": '
        "must be greater than or equal to 0",
    ),
    (
        lambda each: template_container(each)["env"].append(
            {"name": "A", "value": "1", "valueFrom": {"x": {}}}
        ),
        'spec.template.spec.containers[0].env[1].valueFrom: Invalid value: "": '
        "may not be specified when `value` is not empty",
    ),
    (
        lambda each: each["spec"]["template"]["spec"].update(restartPolicy="Never"),
        'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
    ),
    (
        lambda each: each["spec"]["template"]["spec"]["containers"].append(template_container(each)),
        'spec.template.spec.containers[1].name: Duplicate value: "server"',
    ),
    (
        lambda each: each["spec"].update(strategy={"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}),
        "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
    ),
    (
        lambda each: each["metadata"].update(name="Shop!"),
        'metadata.name: Invalid value: "Shop!": a lowercase RFC',
    ),
    (
        lambda each: each["metadata"].pop("name"),
        "metadata.name: Required value: name or generateName is required",
    ),
]


@pytest.mark.parametrize(("change", "message"), INVALID, ids=[message[:40] for _, message in INVALID])
def test_objects_that_break_a_rule(change: Callable[[Json], Any], message: str) -> None:
    with pytest.raises(StatusError) as refused:
        make_cluster().registry.create(DEPLOYMENTS, changed(change), "default")
    error = refused.value
    assert (error.code, error.reason) == (422, "Invalid")
    assert error.message.startswith("Deployment.apps ")
    assert message in error.message
    assert error.details is not None
    field = message.partition(": ")[0]
    assert field in [cause["field"] for cause in error.details["causes"]]
    assert error.details["kind"] == "Deployment"


MALFORMED: list[tuple[Callable[[Json], Any], str]] = [
    (
        lambda each: each["spec"].update(replicas="3"),
        'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal string into Go '
        "struct field Deployment.spec.replicas of type int32",
    ),
    (lambda each: each["spec"].update(replicas=True), "cannot unmarshal bool"),
    (
        lambda each: template_container(each)["resources"]["limits"].update(cpu="lots"),
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ),
    (
        lambda each: template_container(each)["env"].append({"name": "A", "value": 1}),
        "cannot unmarshal number",
    ),
    (lambda each: each["spec"]["template"]["spec"].update(containers={}), "cannot unmarshal object"),
    (lambda each: each.update(kind="Pod"), 'Pod in version "v1" cannot be handled as a Deployment'),
    (lambda each: each.update(apiVersion="apps/v2"), "does not match the expected API version (apps/v1)"),
    (
        lambda each: each["metadata"].update(namespace="bank"),
        "the namespace of the provided object does not match",
    ),
    (
        lambda each: each["metadata"].update(resourceVersion="7"),
        "resourceVersion should not be set on objects to be",
    ),
]


@pytest.mark.parametrize(("change", "message"), MALFORMED, ids=[message[:40] for _, message in MALFORMED])
def test_objects_that_are_none(change: Callable[[Json], Any], message: str) -> None:
    with pytest.raises(StatusError) as refused:
        make_cluster().registry.create(DEPLOYMENTS, changed(change), "default")
    assert (refused.value.code, refused.value.reason) == (400, "BadRequest")
    assert message in refused.value.message


def test_defaults_are_filled_in_and_quantities_get_their_one_form() -> None:
    manifest = changed(
        lambda each: template_container(each)["resources"].update(limits={"cpu": 0.5, "memory": "1024Mi"})
    )
    created = make_cluster().registry.create(DEPLOYMENTS, manifest, "default")
    spec = created["spec"]
    assert (spec["replicas"], spec["progressDeadlineSeconds"], spec["revisionHistoryLimit"]) == (1, 600, 10)
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": "25%", "maxUnavailable": "25%"}
    container = template_container(created)
    assert container["resources"]["limits"] == {"cpu": "500m", "memory": "1Gi"}
    assert container["imagePullPolicy"] == "IfNotPresent"
    assert container["ports"][0]["protocol"] == "TCP"


def test_a_put_back_object_changes_nothing() -> None:
    cluster = make_cluster()
    install_shop(cluster)
    for resource, name in (
        (DEPLOYMENTS, "shop"),
        (SERVICES, "shop"),
        (PODS, shop_pods(cluster)[0]["metadata"]["name"]),
    ):
        present = cluster.store.get(resource, name, "default")
        assert cluster.registry.replace(resource, name, "default", present) is present


def test_status_is_not_the_clients_to_write() -> None:
    cluster = make_cluster()
    install_shop(cluster)
    forged = {**shop(cluster), "status": {"replicas": 99}}
    assert cluster.registry.replace(DEPLOYMENTS, "shop", "default", forged)["status"]["replicas"] == 1


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (lambda each: each["metadata"].update(name="bank"), 400, "does not match the name on the URL"),
        (lambda each: each["metadata"].update(uid="1"), 409, "Precondition failed: UID in precondition: 1"),
        (lambda each: each["metadata"].update(resourceVersion="1"), 409, "the object has been modified"),
        (
            lambda each: each["spec"]["selector"]["matchLabels"].update({"pod": "x"}),
            422,
            "field is immutable",
        ),
    ],
)
def test_updates_that_are_refused(change: Callable[[Json], Any], code: int, message: str) -> None:
    cluster = make_cluster()
    install_shop(cluster)
    update = copy.deepcopy(shop(cluster))
    update["spec"]["template"]["metadata"]["labels"]["pod"] = "x"
    change(update)
    with pytest.raises(StatusError, match=message) as refused:
        cluster.registry.replace(DEPLOYMENTS, "shop", "default", update)
    assert refused.value.code == code


def test_a_pods_spec_stays_as_it_is() -> None:
    cluster = make_cluster()
    install_shop(cluster)
    pod = copy.deepcopy(shop_pods(cluster)[0])
    pod["spec"]["containers"][0]["env"][0]["value"] = "1"
    with pytest.raises(StatusError, match="spec: Forbidden: pod updates may not change fields other than"):
        cluster.registry.replace(PODS, pod["metadata"]["name"], "default", pod)


def test_leases_are_updated_with_a_version_only() -> None:
    cluster = make_cluster()
    lease: Json = {"metadata": {"name": "lock"}, "spec": {"holderIdentity": "me"}}
    cluster.registry.create(LEASES, lease, "default")
    with pytest.raises(StatusError, match="must be specified for an update"):
        cluster.registry.replace(LEASES, "lock", "default", lease)


@pytest.mark.parametrize("time", ["2026-03-01T23:59:59Z", "2026-03-01T23:59:59+00:00", "soon", 5])
def test_times_of_leases_have_microseconds(time: object) -> None:
    cluster = make_cluster()
    lease: Json = {"metadata": {"name": "lock"}, "spec": {"renewTime": time}}
    with pytest.raises(StatusError, match=r"parsing time|MicroTime"):
        cluster.registry.create(LEASES, lease, "default")
    lease["spec"]["renewTime"] = "2026-03-01T23:59:59.000000Z"
    cluster.registry.create(LEASES, lease, "default")


def test_services_keep_their_address() -> None:
    cluster = make_cluster()
    service = cluster.registry.create(SERVICES, service_manifest(make_shop()), "default")
    other = copy.deepcopy(service_manifest(make_shop()))
    other["metadata"]["name"] = "other"
    assert (
        cluster.registry.create(SERVICES, other, "default")["spec"]["clusterIP"]
        != service["spec"]["clusterIP"]
    )
    replaced = service_manifest(make_shop())
    replaced["spec"]["type"] = "NodePort"
    updated = cluster.registry.replace(SERVICES, "shop", "default", replaced)
    assert updated["spec"]["clusterIP"] == service["spec"]["clusterIP"]
    assert updated["spec"]["ports"][0]["nodePort"] >= 30000


def test_names_are_made_up_when_asked_for() -> None:
    created = make_cluster().registry.create(
        CONFIG_MAPS, {"metadata": {"generateName": "settings-"}}, "default"
    )
    assert created["metadata"]["name"].startswith("settings-")
    assert len(created["metadata"]["name"]) == len("settings-") + 5
