"""Phase 1, the experiment loop: drive every load, sample every service, leave the cluster as it was found."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from kpp.clock import Clock
from kpp.collector.config import Config
from kpp.collector.csv_writer import CsvWriter
from kpp.collector.kubernetes_client import KubernetesClient, LoadState, Service
from kpp.collector.manifest import manifest_path, write_manifest
from kpp.collector.measurement import Measurement
from kpp.collector.plan import Experiment, Phase, Plan, plan_campaign
from kpp.collector.prometheus_client import CpuSource, PrometheusClient
from kpp.errors import ClusterError

logger = logging.getLogger(__name__)

WAIT_SLICE_SECONDS = 1.0  # how often a wait tells the observer that time has passed


class Observer(Protocol):
    """Watches a campaign, to show it; nothing that it does changes the campaign."""

    def started(self, plan: Plan, files: CsvWriter) -> None:
        """The campaign begins; `files` are being written."""

    def entered(self, experiment: Experiment, phase: Phase) -> None:
        """A phase of an experiment begins."""

    def waited(self) -> None:
        """Time has passed: called about once a second while a phase lasts."""

    def sampled(self, rows: Sequence[Measurement]) -> None:
        """One tick's rows are on disk."""


def run_campaign(
    config: Config, cluster: KubernetesClient, prometheus: PrometheusClient, clock: Clock, observer: Observer
) -> None:
    """Run every experiment of the configuration and write what is measured as it comes.

    Whatever happens, the load generator's replicas and variables are put back as they were found.

    Raises:
        ClusterError: the cluster or Prometheus cannot be reached or refuses; or an experiment has no sample.
        ConfigError: the output folder cannot be written.
    """
    prometheus.check_ready()
    services = cluster.discover_services()
    cpu_source = prometheus.detect_cpu_source(clock.now() - config.evaluation_lag_seconds)
    load_found = cluster.read_load()
    with CsvWriter(config.output_directory, clock.now()) as files, load_restored(cluster, load_found):
        write_manifest(
            manifest_path(files.path),
            config,
            started_at=clock.now(),
            cpu_source=cpu_source,
            services=services,
            resources=cluster.read_resources(),
            node_cores=cluster.read_node_cores(),
            load_found=load_found,
        )
        campaign = _Campaign(config, cluster, prometheus, clock, observer, services, cpu_source, files)
        plan = plan_campaign(config)
        observer.started(plan, files)
        for experiment in plan.experiments:
            campaign.start_load(experiment)
            campaign.warm_up(experiment)
            campaign.measure(experiment)
            campaign.cool_down(experiment)


@contextmanager
def load_restored(cluster: KubernetesClient, found: LoadState) -> Iterator[None]:
    """Put the load generator back as it was found when the block ends, however it ends."""
    try:
        yield
    finally:
        cluster.restore_load(found)


@dataclass(frozen=True)
class _Campaign:
    """The parts of a running campaign, and the phases of its experiments."""

    config: Config
    cluster: KubernetesClient
    prometheus: PrometheusClient
    clock: Clock
    observer: Observer
    services: Sequence[Service]
    cpu_source: CpuSource
    files: CsvWriter

    def start_load(self, experiment: Experiment) -> None:
        """Stop the load generator first: in a rolling update the old and the new one would overlap."""
        self.observer.entered(experiment, Phase.STARTING)
        self.cluster.stop_load()
        self.cluster.set_load(experiment.user_count, self.config.spawn_rate)
        self.cluster.start_load()

    def warm_up(self, experiment: Experiment) -> None:
        """Wait until all users have started and the rate window holds nothing but their load."""
        self.observer.entered(experiment, Phase.WARMUP)
        self._wait_until(self.clock.now() + experiment.warmup_seconds)

    def measure(self, experiment: Experiment) -> None:
        """Sample on a fixed grid: each tick has its own evaluation time, so a slow one delays no other.

        A tick that fails is a gap in the table; an experiment in which all fail ends the campaign.
        """
        self.observer.entered(experiment, Phase.MEASURING)
        started_at = self.clock.now()
        lost: ClusterError | None = None
        sampled_count = 0
        for tick in range(1, self.config.samples_per_experiment + 1):
            evaluated_at = started_at + tick * self.config.sampling_interval_seconds
            self._wait_until(evaluated_at + self.config.evaluation_lag_seconds)
            try:
                rows = self._sample(experiment, evaluated_at)
            except ClusterError as error:
                lost = error
                logger.warning("Tick %d of experiment %d is lost: %s", tick, experiment.number, error)
                continue
            self.files.write_batch(rows)
            self.observer.sampled(rows)
            sampled_count += 1
        if lost is not None and sampled_count == 0:
            raise lost
        self._measure_calls(experiment, started_at, evaluated_at)

    def cool_down(self, experiment: Experiment) -> None:
        """Let the application come to rest without load before the next experiment."""
        if experiment.cooldown_seconds > 0:
            self.observer.entered(experiment, Phase.COOLDOWN)
            self.cluster.stop_load()
            self._wait_until(self.clock.now() + experiment.cooldown_seconds)

    def _sample(self, experiment: Experiment, evaluated_at: float) -> list[Measurement]:
        pods = self.cluster.read_pods()
        signals = self.prometheus.sample(evaluated_at, pods, self.services, self.cpu_source)
        resources = self.cluster.read_resources()
        return [
            Measurement.join(evaluated_at, name, experiment.user_count, signals[name], resources[name])
            for name in (service.name for service in self.services)
        ]

    def _measure_calls(self, experiment: Experiment, started_at: float, ended_at: float) -> None:
        try:
            calls = self.prometheus.measure_calls(started_at, ended_at, self.services)
        except ClusterError as error:
            logger.warning("The calls of experiment %d are lost: %s", experiment.number, error)
        else:
            self.files.write_calls(calls, experiment.user_count)

    def _wait_until(self, instant: float) -> None:
        while (remaining_seconds := instant - self.clock.now()) > 0:
            self.clock.sleep(min(remaining_seconds, WAIT_SLICE_SECONDS))
            self.observer.waited()


if __name__ == "__main__":
    from kpp.cli.main import main

    main(["collect", *sys.argv[1:]])
