"""Real campaigns against simulated clusters, over HTTP, and the truth beside what they measured."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from kubernetes.config import new_client_from_config

from kpp.clock import Clock
from kpp.collector.campaign.plan import Experiment, Phase, Plan
from kpp.collector.collector import run_campaign
from kpp.collector.config import Config
from kpp.collector.csv_writer import CsvWriter
from kpp.collector.kubernetes_client import KubernetesClient
from kpp.collector.measurement import Measurement
from kpp.collector.prometheus_client import PrometheusClient
from kpp.simulator.cluster import Simulation
from kpp.simulator.engine import EngineSnapshot, RequestReport
from kpp.simulator.pace import Pace, VirtualPace
from kpp.simulator.serving import KUBECONFIG, ServedCluster, serve
from tests.simulator.simulations import true_count


@dataclass(frozen=True)
class Truth:
    """What happened to one service between two instants, by the engine's own counters."""

    throughput_rps: float
    response_time_seconds: float  # inside the application, callees included
    reported_milliseconds: float  # mean of what its sidecars reported
    cpu_cores: float
    sidecar_cpu_cores: float
    throttled: float


def true_signals(before: EngineSnapshot, after: EngineSnapshot, service: str) -> Truth:
    """The difference between two snapshots; its pods have to be the same in both."""
    seconds = after.at_seconds - before.at_seconds
    pods = [(before.pod(pod.name), pod) for pod in after.pods_of(service)]
    key = f"{service}/"
    ended = true_count(after, service) - true_count(before, service)
    spent = _sum_seconds(after, key) - _sum_seconds(before, key)
    reports = [_served(each, service) for each in (before, after)]
    count = sum(each.count for each in reports[1]) - sum(each.count for each in reports[0])
    milliseconds = sum(each.duration_ms_sum for each in reports[1]) - sum(
        each.duration_ms_sum for each in reports[0]
    )
    periods = sum((last.cfs_periods or 0) - (first.cfs_periods or 0) for first, last in pods)
    throttled = sum(
        (last.cfs_throttled_periods or 0) - (first.cfs_throttled_periods or 0) for first, last in pods
    )
    return Truth(
        throughput_rps=ended / seconds,
        response_time_seconds=spent / ended,
        reported_milliseconds=milliseconds / count,
        cpu_cores=sum(last.cpu_seconds - first.cpu_seconds for first, last in pods) / seconds,
        sidecar_cpu_cores=sum(
            (last.sidecar_cpu_seconds or 0) - (first.sidecar_cpu_seconds or 0) for first, last in pods
        )
        / seconds,
        throttled=throttled / periods,
    )


@dataclass
class Witness:
    """Observes a campaign, and notes the truth at every edge of a sampling interval."""

    simulation: Simulation
    clock: Clock
    config: Config
    rows: list[Measurement] = field(default_factory=list)
    files: CsvWriter | None = None
    grid: dict[float, int] = field(default_factory=dict)  # instant of each tick -> user count
    snapshots: dict[float, EngineSnapshot] = field(default_factory=dict)
    phases: list[tuple[int, Phase, float]] = field(default_factory=list)

    def started(self, plan: Plan, files: CsvWriter) -> None:
        self.files = files

    def entered(self, experiment: Experiment, phase: Phase) -> None:
        self.phases.append((experiment.number, phase, self.clock.now()))
        if phase is Phase.WARMUP:
            starts_at = self.clock.now() + experiment.warmup_seconds
            # from one interval before the first on, because the window of CPU is longer
            for tick in range(-1, self.config.samples_per_experiment + 1):
                at = starts_at + tick * self.config.sampling_interval_seconds
                self.simulation.call_at(at, partial(self._note, at))
                if tick > 0:
                    self.grid[round(at, 3)] = experiment.user_count

    def restored(self, changes: Sequence[str]) -> None:
        """Nothing: no campaign here was dead."""

    def waited(self) -> None:
        """Nothing."""

    def sampled(self, rows: Sequence[Measurement]) -> None:
        self.rows += rows

    def truth_of(self, row: Measurement, intervals: int = 1) -> Truth:
        """What happened in a row's window, which is so many sampling intervals long."""
        started_at = row.timestamp - intervals * self.config.sampling_interval_seconds
        return true_signals(self._noted(started_at), self._noted(row.timestamp), row.service)

    def _noted(self, at: float) -> EngineSnapshot:
        """What was noted at an instant; a real clock sleeps some milliseconds longer than it should."""
        nearest = min(self.snapshots, key=lambda noted_at: abs(noted_at - at))
        assert nearest == pytest.approx(at, abs=0.2, rel=0)
        return self.snapshots[nearest]

    def _note(self, at: float) -> None:
        self.snapshots[round(at, 3)] = self.simulation.snapshot()


@dataclass(frozen=True)
class World:
    """A served cluster on a virtual clock."""

    simulation: Simulation
    pace: Pace
    served: ServedCluster
    folder: Path

    def collect(self, clock: Clock | None = None, **settings: object) -> Witness:
        """Run a campaign."""
        witness = self.witness(clock, **settings)
        self.run(witness)
        return witness

    def witness(self, clock: Clock | None = None, **settings: object) -> Witness:
        """Prepare a campaign, whose witness is of use although it should fail."""
        application = self.simulation.application
        tcp = tuple(name for name, each in application.services.items() if each.protocol == "tcp")
        found: dict[str, object] = {
            "prometheus_url": self.served.prometheus_url,
            "entry_service": application.entry_service,
            "excluded_services": tcp,
            "output_directory": self.folder / "out",
        }
        config = Config(**{**found, **settings})  # type: ignore[arg-type]  # any settings
        return Witness(self.simulation, clock or self.pace, config)

    def run(self, witness: Witness) -> None:
        """Run what `witness` prepared."""
        config, clock = witness.config, witness.clock
        api_client = new_client_from_config(config_file=str(self.folder / KUBECONFIG))
        with (
            KubernetesClient(config, clock, api_client) as cluster,
            PrometheusClient(config, clock) as prometheus,
        ):
            run_campaign(config, cluster, prometheus, clock, witness)


@contextmanager
def serve_world(simulation: Simulation, folder: Path, pace: Pace | None = None) -> Iterator[World]:
    """Serve a cluster, on a virtual clock unless another is given."""
    pace = pace or VirtualPace(simulation)
    with serve(simulation, pace) as served:
        served.write_files(folder, simulation)
        yield World(simulation, pace, served, folder)


def _sum_seconds(snapshot: EngineSnapshot, key: str) -> float:
    return sum(truth.seconds_sum for truth in snapshot.operations if truth.operation.startswith(key))


def _served(snapshot: EngineSnapshot, service: str) -> list[RequestReport]:
    return [
        each
        for each in snapshot.reports
        if each.reporter == "destination" and each.destination_service == service
    ]
