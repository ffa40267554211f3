"""A simulated cluster on a virtual clock in this process, and real campaigns against it over HTTP."""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from kpp.cli.campaigns.progress import CampaignProgress
from kpp.errors import ShortfallError

if TYPE_CHECKING:  # numba and the servers take a second to load
    from kpp.clock import Clock
    from kpp.simulator.application import Application
    from kpp.simulator.cluster import Simulation, SimulationSettings

VIRTUAL_START = datetime(2026, 1, 1, tzinfo=UTC).timestamp()  # the same each time: equal runs, equal files


@dataclass(frozen=True)
class VirtualCluster:
    """A cluster that is served: its clock, the settings with which the collector finds it, and the truth."""

    simulation: "Simulation"
    clock: "Clock"
    collector_settings: Mapping[str, object]


@dataclass(frozen=True)
class CampaignFiles:
    """What a campaign wrote."""

    measurements: Path
    calls: Path
    manifest: Path
    row_count: int


@contextmanager
def virtual_cluster(
    application: "Application", settings: "SimulationSettings", started_at: float = VIRTUAL_START
) -> Iterator[VirtualCluster]:
    """Serve a cluster whose time moves when its clock sleeps; nothing of it is left when the block ends.

    `KUBECONFIG` points to it meanwhile. The Kubernetes client reads that when it is loaded, so the block has
    to be entered first, and only one to each process.

    Args:
        application: what runs.
        settings: of the cluster.
        started_at: where its clock starts, Unix seconds.
    """
    from kpp.simulator.cluster import Simulation
    from kpp.simulator.pace import VirtualPace
    from kpp.simulator.serving import KUBECONFIG, serve

    simulation = Simulation(application, started_at, settings)
    pace = VirtualPace(simulation)
    with tempfile.TemporaryDirectory(prefix="kpp-cluster-") as name, serve(simulation, pace) as served:
        served.write_files(Path(name), simulation)
        found = {**collector_settings(application, settings), "prometheus_url": served.prometheus_url}
        with _environment("KUBECONFIG", str(Path(name) / KUBECONFIG)):
            yield VirtualCluster(simulation, pace, found)


def collector_settings(application: "Application", settings: "SimulationSettings") -> dict[str, str]:
    """What `kpp collect` has to know of an application, by the names of its settings."""
    tcp = [name for name, service in application.services.items() if service.protocol == "tcp"]
    return {
        "namespace": settings.namespace,
        "load_generator": application.users.service,
        "entry_service": application.entry_service,
        "excluded_services": ",".join(tcp),
    }


def run_campaign(
    cluster: VirtualCluster,
    settings: Mapping[str, object],
    console: Console,
    observer: Callable[[Console, "Clock", str], CampaignProgress] = CampaignProgress,
) -> CampaignFiles:
    """Run a campaign as `kpp collect` does, and show it on `console`.

    Args:
        cluster: against which.
        settings: of the collector, besides those that say where the cluster is.
        console: where to show it.
        observer: makes what shows it.

    Raises:
        ConfigError: a setting is wrong.
        ClusterError: the cluster refused.
        ShortfallError: nothing was measured.
    """
    from kpp.collector import collector
    from kpp.collector.campaign.manifest import manifest_path
    from kpp.collector.config import read_config
    from kpp.collector.kubernetes_client import KubernetesClient
    from kpp.collector.prometheus_client import PrometheusClient

    config = read_config({**cluster.collector_settings, **settings}, {}, None)
    progress = observer(console, cluster.clock, config.entry_service)
    try:
        with (
            KubernetesClient(config, cluster.clock) as kubernetes,
            PrometheusClient(config, cluster.clock) as prometheus,
        ):
            collector.run_campaign(config, kubernetes, prometheus, cluster.clock, progress)
    finally:
        progress.stop()
    files = progress.files
    if files is None or progress.row_count == 0:
        raise ShortfallError("the campaign measured nothing", mend="run the command again with --debug")
    return CampaignFiles(files.path, files.calls_path, manifest_path(files.path), progress.row_count)


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before
