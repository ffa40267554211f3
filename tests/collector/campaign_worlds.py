"""A campaign of two short experiments in this process, on a clock that is turned by hand."""

import copy
import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kpp.clock import ManualClock
from kpp.collector.campaign.plan import Experiment, Phase, Plan
from kpp.collector.collector import run_campaign
from kpp.collector.config import Config
from kpp.collector.csv_writer import CsvWriter
from kpp.collector.kubernetes_client import KubernetesClient
from kpp.collector.measurement import Measurement
from kpp.collector.prometheus_client import PrometheusClient
from tests.collector.boutique_load import SERVICES
from tests.collector.fake_kubernetes import FakeKubernetes
from tests.collector.fake_prometheus import FakePrometheus

STARTED_AT = 1_772_569_512.0


@dataclass
class Watcher:
    """Notes what it is told, with the time; may break in at a phase."""

    clock: ManualClock
    break_at: tuple[int, Phase] | None = None
    error: BaseException | None = None
    files: CsvWriter | None = None
    phases: list[tuple[int, Phase, float]] = field(default_factory=list)
    batches: list[Sequence[Measurement]] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)

    def started(self, plan: Plan, files: CsvWriter) -> None:
        self.files = files

    def restored(self, changes: Sequence[str]) -> None:
        self.changes += changes

    def entered(self, experiment: Experiment, phase: Phase) -> None:
        self.phases.append((experiment.number, phase, self.clock.now()))

    def waited(self) -> None:
        number, phase, entered_at = self.phases[-1]
        if self.break_at == (number, phase) and self.clock.now() > entered_at + 90 and self.error:
            raise self.error

    def sampled(self, rows: Sequence[Measurement]) -> None:
        self.batches.append(rows)


@dataclass
class World:
    """A cluster, a Prometheus, and a campaign of two short experiments on them."""

    kubernetes: FakeKubernetes
    prometheus: FakePrometheus
    config: Config
    clock: ManualClock
    watcher: Watcher

    def run(self) -> None:
        api_client = self.kubernetes.api_client()
        with (
            KubernetesClient(self.config, self.clock, api_client) as cluster,
            PrometheusClient(self.config, self.clock) as prometheus,
        ):
            run_campaign(self.config, cluster, prometheus, self.clock, self.watcher)

    def load_generator(self) -> Any:
        return copy.deepcopy(self.kubernetes.deployments["loadgenerator"]["spec"])

    def rows(self) -> list[dict[str, str]]:
        assert self.watcher.files is not None
        with self.watcher.files.path.open(newline="") as file:
            return list(csv.DictReader(file))


@contextmanager
def open_world(folder: Path) -> Iterator[World]:
    """Serve both; the campaign's files come into the folder."""
    clock = ManualClock(STARTED_AT)
    with FakeKubernetes() as kubernetes:
        pods = {
            pod["metadata"]["name"]: service
            for service in SERVICES
            for pod in kubernetes.cluster.pods_of(service)
        }
        with FakePrometheus(pods) as prometheus:
            config = Config(
                prometheus_url=prometheus.url,
                user_counts=(10, 30),
                spawn_rate=5,
                measured_seconds=180,
                output_directory=folder,
                request_timeout_seconds=2,
            )
            yield World(kubernetes, prometheus, config, clock, Watcher(clock))
