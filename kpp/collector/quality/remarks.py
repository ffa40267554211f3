"""What a person should know before they use an experiment; nothing where all is well."""

from collections.abc import Iterator

from kpp.collector.quality.experiment import ExperimentQuality
from kpp.collector.quality.load import AchievedLoad
from kpp.collector.quality.trend import Steadiness

SOME_THROTTLING = 0.25  # of the CFS periods: a service then waits for its limit more often than not
MUCH_SCATTER = 0.3  # of the mean: the standard error of ten samples is then a tenth of it
MOST_MISSING = 0.05  # of the values
MOST_ERRORS = 0.01  # of the requests


def find_remarks(quality: ExperimentQuality, achieved: AchievedLoad | None) -> Iterator[str]:
    """The remarks on one experiment."""
    yield from _of_load(quality, achieved)
    yield from _of_series(quality)
    yield from _of_application(quality)


def _of_load(quality: ExperimentQuality, achieved: AchievedLoad | None) -> Iterator[str]:
    if achieved is not None and not achieved.is_as_asked:
        yield f"the load was {achieved.share:.0%} of what was asked for (± {achieved.tolerance:.0%})"
    if quality.ready_share is not None and quality.ready_share < 1:
        yield f"the load generator was ready {quality.ready_share:.0%} of the time"


def _of_series(quality: ExperimentQuality) -> Iterator[str]:
    scatter = quality.response_time_variation
    if quality.steadiness is Steadiness.DRIFTING:
        yield "it drifts: " + ", ".join(_tell_drifts(quality))
    elif scatter is not None and scatter > MUCH_SCATTER:
        yield f"the response time scatters by {scatter:.0%} from sample to sample"
    if quality.missing_share > MOST_MISSING:
        yield f"{quality.missing_share:.0%} of the values are missing"


def _of_application(quality: ExperimentQuality) -> Iterator[str]:
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
