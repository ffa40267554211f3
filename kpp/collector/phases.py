"""The phases of an experiment: start the load, warm up, measure, cool down."""

import logging
from dataclasses import dataclass

from kpp.clock import Clock
from kpp.collector.config import Config
from kpp.collector.csv_writer import CsvWriter
from kpp.collector.journal import Journal
from kpp.collector.kubernetes_client import KubernetesClient
from kpp.collector.measurement import Measurement
from kpp.collector.observer import Observer
from kpp.collector.plan import Experiment, Phase
from kpp.collector.prometheus_client import PrometheusClient
from kpp.collector.survey import Survey
from kpp.errors import ClusterError

logger = logging.getLogger(__name__)

WAIT_SLICE_SECONDS = 1.0  # how often a wait tells the observer that time has passed


@dataclass(frozen=True)
class Phases:
    """What happens in each phase of an experiment; the journal hears of it first."""

    config: Config
    cluster: KubernetesClient
    prometheus: PrometheusClient
    clock: Clock
    observer: Observer
    found: Survey
    journal: Journal
    files: CsvWriter

    def start_load(self, experiment: Experiment) -> None:
        """Stop the load generator first: in a rolling update the old and the new one would overlap."""
        self._enter(experiment, Phase.STARTING)
        self.cluster.stop_load()
        self.cluster.scale(self._replicas(experiment))
        self.cluster.set_load(experiment.user_count, self.config.spawn_rate)
        self.cluster.start_load(experiment.user_count)

    def warm_up(self, experiment: Experiment) -> None:
        """Wait until all users have started and the rate window holds nothing but their load."""
        self._enter(experiment, Phase.WARMUP)
        self._wait_until(self.clock.now() + experiment.warmup_seconds)

    def measure(self, experiment: Experiment) -> None:
        """Sample on a fixed grid: each tick has its own evaluation time, so a slow one delays no other.

        A tick that fails is a gap in the table; an experiment in which all fail ends the campaign.
        """
        self._enter(experiment, Phase.MEASURING)
        started_at = self.clock.now()
        lost: ClusterError | None = None
        sampled_count = row_count = 0
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
            row_count += len(rows)
        if lost is not None and sampled_count == 0:
            raise lost
        self._measure_calls(experiment, started_at, evaluated_at)
        self.journal.completed(experiment, self.files.marks, row_count)

    def cool_down(self, experiment: Experiment) -> None:
        """Let the application come to rest without load before the next experiment."""
        if experiment.cooldown_seconds > 0:
            self._enter(experiment, Phase.COOLDOWN)
            self.cluster.stop_load()
            self._wait_until(self.clock.now() + experiment.cooldown_seconds)

    def _sample(self, experiment: Experiment, evaluated_at: float) -> list[Measurement]:
        pods = self.cluster.read_pods()
        signals = self.prometheus.sample(evaluated_at, pods, self.found.services, self.found.cpu_source)
        resources = self.cluster.read_resources()
        return [
            Measurement.join(evaluated_at, name, experiment.user_count, signals[name], resources[name])
            for name in (service.name for service in self.found.services)
        ]

    def _measure_calls(self, experiment: Experiment, started_at: float, ended_at: float) -> None:
        try:
            calls = self.prometheus.measure_calls(started_at, ended_at, self.found.services)
        except ClusterError as error:
            logger.warning("The calls of experiment %d are lost: %s", experiment.number, error)
        else:
            self.files.write_calls(calls, experiment.user_count)

    def _replicas(self, experiment: Experiment) -> dict[str, int]:
        """By Deployment: what the experiment asks for, else what was found."""
        deployments = self.found.deployments
        asked = {deployments[name]: count for name, count in experiment.replicas.items()}
        return {**self.found.state.replicas, **asked}

    def _enter(self, experiment: Experiment, phase: Phase) -> None:
        self.journal.entered(experiment, phase)
        self.observer.entered(experiment, phase)

    def _wait_until(self, instant: float) -> None:
        while (remaining_seconds := instant - self.clock.now()) > 0:
            self.clock.sleep(min(remaining_seconds, WAIT_SLICE_SECONDS))
            self.cluster.keep_lease()
            self.observer.waited()
