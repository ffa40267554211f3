"""Joins pods as objects with pods as physics: what becomes of one becomes of the other."""

import logging
import math
from collections.abc import Mapping

from kpp.simulator.engine import Engine, EngineSnapshot, PodSnapshot
from kpp.simulator.kubernetes.cluster import SimulatedCluster
from kpp.simulator.kubernetes.pod_observer import PodView
from kpp.simulator.workloads import startup_seconds

logger = logging.getLogger(__name__)

KILLED = 137  # exit code of a container that the kubelet ended, with SIGKILL


class PodPhysics:
    """Follows the cluster's pods (`PodObserver`) and runs them in the engine.

    Pods of Deployments that the application does not know run nowhere.

    Args:
        engine: its clock is brought up to each event before the event takes effect.
        origin: Unix seconds at the engine's instant 0.
    """

    def __init__(self, engine: Engine, origin: float) -> None:
        self._engine = engine
        self._origin = origin
        self._restarts: dict[str, int] = {}  # of the container, as far as both sides know
        self._reported_unready: set[str] = set()
        self._is_reporting = False  # the engine tells the cluster: what comes back is no order

    def pod_started(self, pod: PodView, at: float) -> None:
        """Its containers run, and begin to use CPU; it gets no requests before `pod_ready`."""
        service = self._engine.application.services.get(pod.deployment)
        container = pod.container(service.container) if service is not None else None
        if service is None or container is None:
            logger.warning("The pod %s runs nothing that is simulated.", pod.name)
            return
        self._catch_up(at)
        limit = math.inf if container.cpu_limit_cores is None else container.cpu_limit_cores
        self._engine.add_pod(
            pod.deployment,
            pod.name,
            node=pod.node,
            ready_after_seconds=startup_seconds(service),
            cpu_limit_cores=limit,
        )
        self._engine.set_ready(pod.name, False)
        self._restarts[pod.name] = 0

    def pod_ready(self, pod: PodView, at: float) -> None:
        """It gets requests; a load generator's users start."""
        if pod.name not in self._restarts:
            return
        self._catch_up(at)
        self._reported_unready.discard(pod.name)
        self._engine.set_ready(pod.name, True)
        if pod.deployment == self._engine.application.users.service:
            user_count, spawn_rate = self._read_load(pod)
            self._engine.set_users(user_count, spawn_rate, pod=pod.name)

    def pod_unready(self, pod: PodView, at: float) -> None:
        """It gets no new requests; a load generator's users stop, as Locust ends them on SIGTERM."""
        if pod.name not in self._restarts:
            return
        self._catch_up(at)
        if pod.deployment == self._engine.application.users.service:
            self._engine.stop_users(pod=pod.name)
        if not self._is_reporting:
            self._engine.set_ready(pod.name, False)

    def pod_restarted(self, pod: PodView, container: str, at: float) -> None:
        """Someone ended its container, unless the engine did so itself."""
        service = self._engine.application.services.get(pod.deployment)
        if self._is_reporting or pod.name not in self._restarts or service is None:
            return
        if container == service.container:
            self._catch_up(at)
            if self._engine_runs(pod.name):
                self._engine.restart_container(pod.name)
            self._restarts[pod.name] = self._snapshot_of(pod.name).restarts

    def pod_stopped(self, pod: PodView, at: float) -> None:
        """It is gone; requests that it still had have failed."""
        if self._restarts.pop(pod.name, None) is None:
            return
        self._catch_up(at)
        self._reported_unready.discard(pod.name)
        self._engine.remove_pod(pod.name)

    def report(self, snapshot: EngineSnapshot, cluster: SimulatedCluster, namespace: str) -> None:
        """Tell the cluster which containers the engine has found dead and restarted, and which are back."""
        self._is_reporting = True
        try:
            for pod in snapshot.pods:
                if pod.name in self._restarts:
                    self._report(pod, cluster, namespace)
        finally:
            self._is_reporting = False

    def _report(self, pod: PodSnapshot, cluster: SimulatedCluster, namespace: str) -> None:
        for _ in range(pod.restarts - self._restarts[pod.name]):
            cluster.restart_pod(pod.name, namespace, exit_code=KILLED)
        self._restarts[pod.name] = pod.restarts
        if pod.phase == "crashed":
            cluster.set_ready(pod.name, namespace, is_ready=False)
            self._reported_unready.add(pod.name)
        elif pod.phase == "running" and pod.name in self._reported_unready:
            self._reported_unready.discard(pod.name)
            cluster.set_ready(pod.name, namespace, is_ready=True)

    def _catch_up(self, at: float) -> None:
        self._engine.advance(max(at - self._origin, self._engine.now_seconds))

    def _engine_runs(self, name: str) -> bool:
        return self._snapshot_of(name).phase == "running"

    def _snapshot_of(self, name: str) -> PodSnapshot:
        return self._engine.snapshot().pod(name)

    def _read_load(self, pod: PodView) -> tuple[int, float]:
        service = self._engine.application.services[pod.deployment]
        container = pod.container(service.container)
        return read_load(container.environment if container is not None else {})


def read_load(environment: Mapping[str, str]) -> tuple[int, float]:
    """The users and how many of them start per second, as the load generator's command line has them.

    What Locust would refuse means no users.

    >>> read_load({"USERS": "80"})
    (80, 1.0)
    >>> read_load({"USERS": "many", "RATE": "2"})
    (0, 2.0)
    """
    try:
        user_count = int(environment.get("USERS") or 10)
    except ValueError:
        logger.warning("USERS=%s is no number: no users", environment["USERS"])
        user_count = 0
    try:
        spawn_rate = float(environment.get("RATE") or 1)
    except ValueError:
        spawn_rate = 0.0
    if user_count < 0 or not 0 < spawn_rate < math.inf:
        return 0, 1.0
    return user_count, spawn_rate
