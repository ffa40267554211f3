"""The phases of an experiment: start the load, warm up, measure, cool down."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from kpp.clock import Clock
from kpp.collector.campaign.journal import Journal
from kpp.collector.campaign.plan import Experiment, Phase
from kpp.collector.campaign.survey import Survey
from kpp.collector.config import Config
from kpp.collector.csv_writer import CsvWriter
from kpp.collector.kubernetes_client import KubernetesClient
from kpp.collector.measurement import Measurement
from kpp.collector.observer import Observer
from kpp.collector.prometheus_client import PrometheusClient
from kpp.collector.quality.book import QualityBook
from kpp.collector.quality.errors import keep_to_budget
from kpp.collector.quality.experiment import ExperimentRecord, judge_experiment
from kpp.collector.quality.trend import FEWEST_VALUES, Steadiness
from kpp.errors import ClusterError, LeaseLostError, ShortfallError

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

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
    book: QualityBook

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

        A tick that fails is a gap in the table; an experiment in which all fail ends the campaign. So does
        one in which more requests fail than the settings allow.
        """
        self._enter(experiment, Phase.MEASURING)
        record = self._begin_record(experiment)
        lost: ClusterError | None = None
        tick = 0
        while self._goes_on(record, tick):
            tick += 1
            evaluated_at = record.started_at + tick * self.config.sampling_interval_seconds
            self._wait_until(evaluated_at + self.config.evaluation_lag_seconds)
            try:
                rows = self._sample(experiment, evaluated_at)
            except ClusterError as error:
                lost = error
                record.lost_tick_count += 1
                logger.warning("Tick %d of experiment %d is lost: %s", tick, experiment.number, error)
                continue
            self.files.write_batch(rows)
            self.observer.sampled(rows)
            record.add(rows, self._try(self.cluster.read_load_readiness, "load generator's replicas"))
            self._keep_to_budget(record)
        if lost is not None and not record.ticks:
            raise lost
        self._measure_calls(experiment, record.started_at, evaluated_at)
        self._judge(record)
        self.journal.completed(experiment, self.files.marks, len(record.rows))

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

    def _begin_record(self, experiment: Experiment) -> ExperimentRecord:
        return ExperimentRecord(
            number=experiment.number,
            user_count=experiment.user_count,
            entry_service=self.config.entry_service,
            service_count=len(self.found.services),
            interval_seconds=self.config.sampling_interval_seconds,
            started_at=self.clock.now(),
            pods_before=self._try(self.cluster.read_restarts, "pods' restarts"),
        )

    def _goes_on(self, record: ExperimentRecord, tick_count: int) -> bool:
        """Whether another tick follows: those that were planned, then more until the last are steady."""
        planned = self.config.samples_per_experiment
        if tick_count < planned or not self.config.until_steady:
            return tick_count < planned
        most = int(self.config.max_measured_seconds // self.config.sampling_interval_seconds)
        return tick_count < most and record.steadiness(self._steady_over) is not Steadiness.STEADY

    @property
    def _steady_over(self) -> int | None:
        """The ticks that have to be steady; all, where no experiment is extended."""
        return max(self.config.samples_per_experiment, FEWEST_VALUES) if self.config.until_steady else None

    def _keep_to_budget(self, record: ExperimentRecord) -> None:
        """Judge an experiment that ends here, too: its rows are kept."""
        try:
            keep_to_budget(
                record.rows,
                self.config.entry_service,
                self.config.error_budget,
                self.config.sampling_interval_seconds,
            )
        except ShortfallError:
            self._judge(record)
            raise

    def _judge(self, record: ExperimentRecord) -> None:
        extra = len(record.ticks) + record.lost_tick_count - self.config.samples_per_experiment
        record.extended_seconds = max(extra, 0) * self.config.sampling_interval_seconds
        record.pods_after = self._try(self.cluster.read_restarts, "pods' restarts")
        self.journal.judged(record.number, self.book.add(judge_experiment(record, self._steady_over)))

    def _try(self, read: Callable[[], Answer], what: str) -> Answer | None:
        """What is good to know and no reason to lose a sample, or a campaign."""
        try:
            return read()
        except LeaseLostError:
            raise
        except ClusterError as error:
            logger.warning("The %s are not known: %s", what, error)
            return None

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
