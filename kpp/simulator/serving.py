"""The servers of a simulated cluster on 127.0.0.1: Kubernetes API, Prometheus, metrics and clock."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kpp.simulator.clock_api import CLOCK_PATH, clock_routes
from kpp.simulator.cluster import Simulation
from kpp.simulator.dated import DatedApp
from kpp.simulator.fault_file import Server
from kpp.simulator.faults import FaultScript, FaultyApp
from kpp.simulator.kubernetes.api.access import AccessControl
from kpp.simulator.kubernetes.api.app import KubernetesApi
from kpp.simulator.kubernetes.api.fault_bodies import status_body
from kpp.simulator.kubernetes.kubeconfig import write_kubeconfig
from kpp.simulator.loopback import LoopbackServer
from kpp.simulator.metrics_api import create_metrics_app
from kpp.simulator.pace import Pace
from kpp.simulator.prometheus_api import create_prometheus_app
from kpp.simulator.scrape_configuration import render_scrape_configuration

KUBECONFIG, SCRAPE_CONFIGURATION = "kubeconfig", "prometheus.yml"


@dataclass(frozen=True)
class Ports:
    """Where to listen; 0 takes a free port."""

    kubernetes: int = 0
    prometheus: int = 0
    metrics: int = 0


@dataclass(frozen=True)
class ServedCluster:
    """Where a cluster is found, the faults that its servers play, and who may do what."""

    kubernetes_url: str
    prometheus_url: str
    metrics_url: str
    scripts: dict[Server, FaultScript] = field(repr=False)
    access: AccessControl = field(repr=False, default_factory=AccessControl)

    @property
    def clock_url(self) -> str:
        """The cluster's clock."""
        return self.metrics_url + CLOCK_PATH

    def write_files(self, folder: Path, simulation: Simulation) -> None:
        """Write the kubeconfig and a configuration for a real Prometheus."""
        settings = simulation.settings
        write_kubeconfig(folder / KUBECONFIG, self.kubernetes_url, settings.namespace)
        text = render_scrape_configuration(self.metrics_url, settings.scrape_seconds)
        (folder / SCRAPE_CONFIGURATION).write_text(text, encoding="utf-8")


@contextmanager
def serve(simulation: Simulation, pace: Pace, ports: Ports | None = None) -> Iterator[ServedCluster]:
    """Serve a cluster and let its time move, until the block ends.

    Raises:
        ConfigError: a port is taken.
    """
    ports = ports or Ports()
    access = AccessControl()
    kubernetes = KubernetesApi(simulation.kubernetes, access=access)
    prometheus = create_prometheus_app(simulation.samples, pace)
    scripts: dict[Server, FaultScript] = {"kubernetes": FaultScript(), "prometheus": FaultScript()}
    with ExitStack() as stack:
        kubernetes_server = stack.enter_context(
            LoopbackServer(
                DatedApp(FaultyApp(kubernetes.app, scripts["kubernetes"], pace, status_body), pace),
                ports.kubernetes,
                before_stop=kubernetes.close,
                dates=False,
            )
        )
        prometheus_server = stack.enter_context(
            LoopbackServer(
                FaultyApp(prometheus, scripts["prometheus"], pace, _prometheus_body), ports.prometheus
            )
        )
        metrics_server = stack.enter_context(
            LoopbackServer(create_metrics_app(simulation, clock_routes(pace)), ports.metrics)
        )
        stack.enter_context(pace)
        urls = kubernetes_server.url, prometheus_server.url, metrics_server.url
        yield ServedCluster(*urls, scripts, access)


def _prometheus_body(code: int, _method: str, _path: str, _retry_after_seconds: int | None) -> bytes:
    """What a Prometheus says that cannot answer now."""
    kind = "unavailable" if code == 503 else "internal"
    return json.dumps({"status": "error", "errorType": kind, "error": "a scripted fault"}).encode()
