"""A served cluster on the machine's clock, whose pods are quick."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kpp.clock import SystemClock
from kpp.simulator.faults import FaultScript, FaultyApp
from kpp.simulator.kubernetes.api.access import AccessControl
from kpp.simulator.kubernetes.api.app import KubernetesApi
from kpp.simulator.kubernetes.api.fault_bodies import status_body
from kpp.simulator.kubernetes.cluster import ClusterSettings, SimulatedCluster
from kpp.simulator.kubernetes.controllers.pod_run import PodTimes, StartupTimes
from kpp.simulator.kubernetes.kubeconfig import write_kubeconfig
from kpp.simulator.kubernetes.manifests import application_manifests
from kpp.simulator.kubernetes.objects.resources import EVENTS
from kpp.simulator.kubernetes.online_boutique import LOAD_GENERATOR, WORKLOADS
from kpp.simulator.loopback import LoopbackServer
from tests.simulator.kubernetes.kubectl import Kubectl

QUICK = PodTimes(creating_seconds=0.05, init_seconds=0.05, startup_seconds=0.25, stopping_seconds=0.2)
HISTORY_LENGTH = 2000


@dataclass(frozen=True)
class Served:
    """A cluster with Online Boutique on it, and where to find it."""

    cluster: SimulatedCluster
    faults: FaultScript
    url: str
    kubeconfig: Path
    access: AccessControl

    def settle(self) -> None:
        """Let what is under way come to its end at once, ahead of the clock."""
        self.cluster.step(self.cluster.now + 30)

    def outlive_history(self) -> None:
        """Change an object that concerns nobody, until everything before that is forgotten."""
        store = self.cluster.store
        event = store.list_all(EVENTS)[0]
        for count in range(HISTORY_LENGTH + 1):
            event = store.replace(EVENTS, {**event, "message": str(count)})


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[Served]:
    clock = SystemClock()
    settings = ClusterSettings(startup_times=StartupTimes(QUICK), history_length=HISTORY_LENGTH)
    cluster = SimulatedCluster(clock.now() - 300, settings)
    cluster.install(application_manifests(WORKLOADS, LOAD_GENERATOR))
    cluster.step(clock.now() - 200)
    access = AccessControl()
    api = KubernetesApi(cluster, lambda: cluster.step(clock.now()), access=access)
    faults = FaultScript()
    app = FaultyApp(api.app, faults, clock, status_body)
    with LoopbackServer(app, before_stop=api.close) as server:
        kubeconfig = folder / "kubeconfig"
        write_kubeconfig(kubeconfig, server.url)
        yield Served(cluster, faults, server.url, kubeconfig, access)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serve(tmp_path) as serving:
        yield serving


@pytest.fixture(scope="package")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One for all tests that change nothing."""
    with serve(tmp_path_factory.mktemp("untouched")) as serving:
        yield serving


@pytest.fixture
def kubectl(served: Served, tmp_path: Path) -> Kubectl:
    return Kubectl(served.kubeconfig, tmp_path)
