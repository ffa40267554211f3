"""The quality of one experiment, from what was measured in it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from kpp.collector.measurement import Measurement
from kpp.collector.quality.errors import error_share
from kpp.collector.quality.load import OfferedLoad, ready_share
from kpp.collector.quality.pods import PodChanges, PodRestarts, compare_pods
from kpp.collector.quality.trend import (
    Steadiness,
    Trend,
    coefficient_of_variation,
    find_trend,
    judge_steadiness,
)

REQUIRED = ("response_time_seconds", "throughput_rps", "cpu_cores")  # the columns that every model needs


@dataclass
class ExperimentRecord:
    """What an experiment leaves behind, tick by tick."""

    number: int
    user_count: int
    entry_service: str
    service_count: int
    interval_seconds: float  # between two ticks
    started_at: float  # Unix seconds, as all instants
    ticks: list[Sequence[Measurement]] = field(default_factory=list)
    lost_tick_count: int = 0
    readiness: list[tuple[int, int]] = field(default_factory=list)  # of the load generator: ready, wanted
    pods_before: PodRestarts | None = None  # None: could not be read
    pods_after: PodRestarts | None = None
    extended_seconds: float = 0.0  # beyond the planned time, until it was steady

    def add(self, rows: Sequence[Measurement], readiness: tuple[int, int] | None) -> None:
        """Note one tick: what was measured, and the load generator's replicas, ready and wanted, if known."""
        self.ticks.append(rows)
        if readiness is not None:
            self.readiness.append(readiness)

    @property
    def rows(self) -> list[Measurement]:
        """All rows."""
        return [row for tick in self.ticks for row in tick]

    @property
    def entry_rows(self) -> list[Measurement]:
        """The rows of the service that the users call."""
        return [row for row in self.rows if row.service == self.entry_service]

    def steadiness(self, last: int | None = None) -> Steadiness:
        """Whether the users' throughput and response time are steady, over the last ticks or all."""
        return judge_steadiness(*self.trends(last))

    def trends(self, last: int | None = None) -> tuple[Trend | None, Trend | None]:
        """Of throughput and response time at the entry service."""
        rows = self.entry_rows[-last:] if last else self.entry_rows
        times = [row.timestamp for row in rows]
        return (
            find_trend(times, [row.throughput_rps for row in rows]),
            find_trend(times, [row.response_time_seconds for row in rows]),
        )


@dataclass(frozen=True)
class ExperimentQuality:
    """The judgment. None is not known; shares lie in 0 to 1."""

    number: int
    started_at: float
    load: OfferedLoad
    tick_count: int
    ready_share: float | None  # of the load generator's replicas
    steadiness: Steadiness
    throughput_trend: Trend | None
    response_time_trend: Trend | None
    throughput_variation: float | None  # coefficient of variation
    response_time_variation: float | None
    missing_share: float  # of the required values
    error_share: float | None  # of the users' requests
    pods: PodChanges | None
    most_throttled: tuple[str, float] | None  # service and share of its CFS periods
    extended_seconds: float


def judge_experiment(record: ExperimentRecord, steady_over: int | None = None) -> ExperimentQuality:
    """Judge an experiment that has ended; one that was extended by its last `steady_over` ticks."""
    entry = record.entry_rows
    throughput = [row.throughput_rps for row in entry]
    response_time = [row.response_time_seconds for row in entry]
    trends = record.trends(steady_over)
    return ExperimentQuality(
        number=record.number,
        started_at=record.started_at,
        load=OfferedLoad(
            record.user_count,
            _mean(throughput),
            _mean(response_time),
            record.interval_seconds * sum(value is not None for value in throughput),
        ),
        tick_count=len(record.ticks),
        ready_share=ready_share(record.readiness),
        steadiness=judge_steadiness(*trends),
        throughput_trend=trends[0],
        response_time_trend=trends[1],
        throughput_variation=coefficient_of_variation(throughput),
        response_time_variation=coefficient_of_variation(response_time),
        missing_share=_missing_share(record),
        error_share=error_share(entry or record.rows),
        pods=compare_pods(record.pods_before, record.pods_after),
        most_throttled=_most_throttled(record.rows),
        extended_seconds=record.extended_seconds,
    )


def _mean(values: Iterable[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return fmean(present) if present else None


def _missing_share(record: ExperimentRecord) -> float:
    """A tick that was lost lacks all its values."""
    expected = (len(record.ticks) + record.lost_tick_count) * record.service_count * len(REQUIRED)
    present = sum(getattr(row, name) is not None for row in record.rows for name in REQUIRED)
    return 1 - present / expected if expected else 0.0


def _most_throttled(rows: Sequence[Measurement]) -> tuple[str, float] | None:
    shares: dict[str, list[float]] = {}
    for row in rows:
        if row.throttled is not None:
            shares.setdefault(row.service, []).append(row.throttled)
    means = {service: fmean(values) for service, values in shares.items()}
    return max(means.items(), key=lambda item: item[1], default=None)
