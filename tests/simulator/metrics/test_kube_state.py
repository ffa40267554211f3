import pytest

from kpp.simulator.kubernetes.objects.resources import DEPLOYMENTS, NODES, PODS
from kpp.simulator.metrics.kube_state import expose_objects
from tests.simulator.simulations import patch_deployment, run_for, simulate, three_tier


@pytest.fixture(scope="module")
def values() -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample of a cluster in which a roll-out of `web` from 2 to 3 replicas is under way."""
    simulation = simulate(three_tier())
    patch_deployment(simulation, "web", lambda spec: spec.update(replicas=3))
    run_for(simulation, 2)
    store = simulation.kubernetes.store
    blocks = expose_objects(store.list_all(DEPLOYMENTS), store.list_all(PODS), store.list_all(NODES))
    return {
        (labels.pop("__name__"), frozenset(labels.items())): float(value)
        for each in blocks
        for labels, value in zip(each.label_sets(), each.values, strict=True)
    }


def of(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


def test_deployments_show_what_is_wanted_and_what_is_there(
    values: dict[tuple[str, frozenset[tuple[str, str]]], float],
) -> None:
    web = {"namespace": "default", "deployment": "web"}
    assert {
        name: values[of(f"kube_deployment_{name}", **web)]
        for name in (
            "spec_replicas",
            "status_replicas",
            "status_replicas_ready",
            "status_replicas_available",
            "status_replicas_unavailable",
            "status_replicas_updated",
            "status_observed_generation",
            "metadata_generation",
        )
    } == {
        "spec_replicas": 3,
        "status_replicas": 3,
        "status_replicas_ready": 2,
        "status_replicas_available": 2,
        "status_replicas_unavailable": 1,
        "status_replicas_updated": 3,
        "status_observed_generation": 2,
        "metadata_generation": 2,
    }


def test_containers_show_requests_and_limits_in_cores_and_bytes(
    values: dict[tuple[str, frozenset[tuple[str, str]]], float],
) -> None:
    found = {
        (name, labels["container"], labels["resource"], labels["unit"], value)
        for (name, pairs), value in values.items()
        if name.startswith("kube_pod_container_resource")
        for labels in [dict(pairs)]
        if labels["pod"].startswith("api-")
    }
    assert found == {
        ("kube_pod_container_resource_requests", "server", "cpu", "core", 0.2),
        ("kube_pod_container_resource_limits", "server", "cpu", "core", 0.5),
        ("kube_pod_container_resource_requests", "istio-proxy", "cpu", "core", 0.1),
        ("kube_pod_container_resource_limits", "istio-proxy", "cpu", "core", 2.0),
        ("kube_pod_container_resource_requests", "istio-proxy", "memory", "byte", 128 * 2**20),
        ("kube_pod_container_resource_limits", "istio-proxy", "memory", "byte", 2**30),
    }


def test_a_pod_is_in_one_phase_and_has_an_owner(
    values: dict[tuple[str, frozenset[tuple[str, str]]], float],
) -> None:
    phases = [
        value for (name, pairs), value in values.items() if name == "kube_pod_status_phase" and _is_web(pairs)
    ]
    assert sorted(phases) == [0] * 12 + [1] * 3
    owners = {
        (labels["owner_kind"], labels["owner_is_controller"])
        for (name, pairs), _ in values.items()
        if name == "kube_pod_owner"
        for labels in [dict(pairs)]
    }
    assert owners == {("ReplicaSet", "true")}


def test_a_node_shows_its_capacity(values: dict[tuple[str, frozenset[tuple[str, str]]], float]) -> None:
    assert values[of("kube_node_status_capacity", node="minikube", resource="cpu", unit="core")] == 8
    assert (
        values[of("kube_node_status_capacity", node="minikube", resource="memory", unit="byte")] == 16 * 2**30
    )


def _is_web(pairs: frozenset[tuple[str, str]]) -> bool:
    return dict(pairs)["pod"].startswith("web-")
