"""A cluster and a Prometheus over HTTP, and an environment in which `kpp collect` finds them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.processes import Place, environment_with
from tests.collector.boutique_load import SERVICES
from tests.collector.fake_kubernetes import FakeKubernetes
from tests.collector.fake_prometheus import FakePrometheus

QUICK = {  # a campaign of some seconds
    "KPP_USER_COUNTS": "20",
    "KPP_SPAWN_RATE": "100",
    "KPP_RATE_WINDOW_SECONDS": "1",
    "KPP_CPU_RATE_WINDOW_SECONDS": "2",
    "KPP_WARMUP_SECONDS": "1",
    "KPP_SAMPLING_INTERVAL_SECONDS": "1",
    "KPP_MEASURED_SECONDS": "2",
    "KPP_COOLDOWN_SECONDS": "0",
    "KPP_EVALUATION_LAG_SECONDS": "0",
}


@dataclass
class World(Place):
    """Both servers, and where processes find them."""

    kubernetes: FakeKubernetes
    prometheus: FakePrometheus


@contextmanager
def open_world(folder: Path) -> Iterator[World]:
    """Serve both."""
    with FakeKubernetes(polls_per_step=0) as kubernetes, FakePrometheus() as prometheus:
        prometheus.pods = {
            pod["metadata"]["name"]: service
            for service in SERVICES
            for pod in kubernetes.cluster.pods_of(service)
        }
        kubeconfig = kubernetes.write_kubeconfig(folder / "kubeconfig")
        found = {"PROMETHEUS_URL": prometheus.url, "KUBECONFIG": str(kubeconfig)}
        yield World(folder, environment_with(**QUICK, **found), kubernetes, prometheus)


def load_generator(world: World) -> Any:
    return world.kubernetes.cluster.specs()["loadgenerator"]


def wait_for_rows(folder: Path) -> None:
    """Wait for rows of a second tick: an interruption takes back those that are just being written."""
    deadline = time.monotonic() + 60  # of a machine that has much else to do
    while time.monotonic() < deadline:
        lines = [len(path.read_text().splitlines()) for path in folder.glob("performance_results_*.csv")]
        if max(lines, default=0) > 1 + len(SERVICES):
            return
        time.sleep(0.1)
    raise AssertionError("no row was written")
