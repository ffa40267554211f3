"""The quality of one experiment, from what was measured in it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from kpp.collector.measurement import Measurement
from kpp.collector.quality.errors import error_share
from kpp.collector.quality.load import AchievedLoad, OfferedLoad, ready_share
from kpp.collector.quality.pods import PodChanges, PodRestarts, compare_pods
from kpp.collector.quality.trend import (
    Steadiness,
    Trend,
    coefficient_of_variation,
    find_trend,
    judge_steadiness,
)

REQUIRED = ("response_time_seconds", "throughput_rps", "cpu_cores")  # the columns that every model needs
SOME_THROTTLING = 0.25  # of the CFS periods: a service then waits for its limit more often than not
MOST_MISSING = 0.05  # of the values
MOST_ERRORS = 0.01  # of the requests


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

    def add(self, rows: Sequence[Measurement], readiness: tuple[int, int]) -> None:
        """Note one tick: what was measured, and the load generator's replicas, ready and wanted."""
        self.ticks.append(rows)
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


def find_remarks(quality: ExperimentQuality, achieved: AchievedLoad | None) -> Iterator[str]:
    """What a person should know before they use an experiment; nothing where all is well."""
    if achieved is not None and not achieved.is_as_asked:
        yield f"the load was {achieved.share:.0%} of what was asked for (± {achieved.tolerance:.0%})"
    if quality.ready_share is not None and quality.ready_share < 1:
        yield f"the load generator was ready {quality.ready_share:.0%} of the time"
    if quality.steadiness is Steadiness.DRIFTING:
        yield "it drifts: " + ", ".join(_tell_drifts(quality))
    if quality.missing_share > MOST_MISSING:
        yield f"{quality.missing_share:.0%} of the values are missing"
    if quality.error_share is not None and quality.error_share > MOST_ERRORS:
        yield f"{quality.error_share:.1%} of the requests failed"
    if quality.pods is not None and (quality.pods.restarts or quality.pods.replaced):
        yield f"{quality.pods.restarts} restarts, {quality.pods.replaced} pods replaced"
    if quality.most_throttled is not None and quality.most_throttled[1] > SOME_THROTTLING:
        yield f"{quality.most_throttled[0]} was throttled in {quality.most_throttled[1]:.0%} of its periods"


def _tell_drifts(quality: ExperimentQuality) -> Iterator[str]:
    for name, trend in (
        ("throughput", quality.throughput_trend),
        ("response time", quality.response_time_trend),
    ):
        if trend is not None and trend.is_drifting:
            yield f"{name} by {trend.drift:+.0%} (p = {trend.p_value:.2g})"


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
