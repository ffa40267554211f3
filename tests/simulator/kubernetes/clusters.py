"""Simulated clusters for tests: on a clock that stands still, and served over HTTP."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kpp.clock import ManualClock
from kpp.simulator.kubernetes.cluster import ClusterSettings, SimulatedCluster
from kpp.simulator.kubernetes.controllers.pod_run import PodTimes, StartupTimes
from kpp.simulator.kubernetes.manifests import Workload, application_manifests, deployment_manifest
from kpp.simulator.kubernetes.nodes import NodeSize
from kpp.simulator.kubernetes.objects.resources import DEPLOYMENTS, PODS, Json

STARTED_AT = 1_770_000_000.0
TIMES = PodTimes(creating_seconds=1, init_seconds=1, startup_seconds=5, stopping_seconds=2)


def make_cluster(**changes: Any) -> SimulatedCluster:
    """An empty cluster whose pods take whole seconds for everything."""
    settings = ClusterSettings(**{"startup_times": StartupTimes(TIMES), **changes})
    return SimulatedCluster(STARTED_AT, settings)


def make_shop(replicas: int = 1, **changes: Any) -> Workload:
    """A small workload."""
    return Workload(
        "shop",
        "example.org/shop:1",
        port=8080,
        replicas=replicas,
        cpu_request_cores=0.1,
        cpu_limit_cores=0.2,
        **changes,
    )


def install_shop(cluster: SimulatedCluster, replicas: int = 1, **spec: Any) -> None:
    """Deploy the workload, with further fields of its Deployment's spec, and let it settle."""
    manifests = application_manifests([make_shop(replicas)], entry_service=None)
    for manifest in manifests:
        if manifest["kind"] == "Deployment":
            manifest["spec"] |= spec
    cluster.install(manifests)
    cluster.step(cluster.now + 60)


def shop(cluster: SimulatedCluster) -> Json:
    """The Deployment as it is."""
    return cluster.store.get(DEPLOYMENTS, "shop", "default")


def shop_pods(cluster: SimulatedCluster) -> list[Json]:
    """The pods of the Deployment, terminating ones too."""
    return [
        pod for pod in cluster.store.list_all(PODS, "default") if pod["metadata"]["labels"]["app"] == "shop"
    ]


def change_spec(cluster: SimulatedCluster, change: Callable[[Json], None]) -> None:
    """Change the Deployment's spec as a client does."""

    def edit(present: Json) -> Json:
        manifest = deployment_manifest(make_shop())
        spec = {**present["spec"]}
        change(spec)
        return {**present, "kind": manifest["kind"], "spec": spec}

    cluster.registry.patch(DEPLOYMENTS, "shop", "default", edit)


def set_image(cluster: SimulatedCluster, tag: str) -> None:
    """Roll out another image."""

    def change(spec: Json) -> None:
        container = {**spec["template"]["spec"]["containers"][0], "image": f"example.org/shop:{tag}"}
        pod_spec = {**spec["template"]["spec"], "containers": [container]}
        spec["template"] = {**spec["template"], "spec": pod_spec}

    change_spec(cluster, change)


def scale(cluster: SimulatedCluster, replicas: int) -> None:
    """Ask for another number of replicas."""
    change_spec(cluster, lambda spec: spec.update(replicas=replicas))


@dataclass
class Seen:
    """What the Deployment looked like at one moment of a roll-out."""

    at: float
    status: Json
    conditions: dict[str, tuple[str, str]]
    live_pods: int
    ready_pods: int


def record(cluster: SimulatedCluster, seconds: float) -> list[Seen]:
    """Let time pass, and look after every single thing that happens."""
    seen = []
    ends_at = cluster.now + seconds
    while (at := cluster.next_transition_at) is not None and at <= ends_at:
        cluster.step(at)
        deployment = shop(cluster)
        pods = [pod for pod in shop_pods(cluster) if "deletionTimestamp" not in pod["metadata"]]
        status = deployment["status"]
        conditions = {each["type"]: (each["status"], each["reason"]) for each in status["conditions"]}
        ready = sum(
            any(
                each["type"] == "Ready" and each["status"] == "True"
                for each in pod["status"].get("conditions", [])
            )
            for pod in pods
        )
        seen.append(Seen(cluster.now - STARTED_AT, status, conditions, len(pods), ready))
    cluster.step(ends_at)
    return seen


def small_node(cpu_cores: float) -> tuple[NodeSize, ...]:
    """One node with little on it."""
    return (NodeSize(cpu_cores=cpu_cores),)


def clock_of(cluster: SimulatedCluster) -> ManualClock:
    """A clock that shows the cluster's time."""
    return ManualClock(cluster.now)
