"""`performance_quality_YYYYMMDD-HHMMSS.csv`: one row for each experiment, beside the measurements."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from kpp.collector.quality.experiment import ExperimentQuality
from kpp.collector.quality.load import AchievedLoad, find_achieved, lightest
from kpp.collector.quality.remarks import find_remarks
from kpp.collector.quality.trend import TEST_NAME, Trend
from kpp.files import write_whole

COLUMNS = (
    "Experiment",
    "Timestamp",
    "User Count",
    "Samples",
    "Extended (s)",
    "Throughput (req/s)",
    "Response Time (s)",
    "Think Time (s)",
    "Achieved Load",
    "Load Generator Ready",
    "Steadiness",
    "Trend Test",
    "Throughput Trend p",
    "Throughput Drift",
    "Response Time Trend p",
    "Response Time Drift",
    "Throughput Variation",
    "Response Time Variation",
    "Missing",
    "Errors",
    "Restarts",
    "Pods Replaced",
    "Throttled Service",
    "Throttled",
    "Remarks",
)


def quality_path(measurements: Path) -> Path:
    """`performance_quality_YYYYMMDD-HHMMSS.csv`, beside `performance_results_YYYYMMDD-HHMMSS.csv`."""
    return measurements.with_name(measurements.name.replace("performance_results", "performance_quality"))


def write_quality(path: Path, experiments: Sequence[ExperimentQuality]) -> None:
    """Write the file anew, as the achieved load of every experiment hangs on all of them.

    Raises:
        ConfigError: it cannot be written.
    """
    write_whole({path: render_quality(experiments).encode()})


def render_quality(experiments: Sequence[ExperimentQuality]) -> str:
    """The file's text: a header and a row for each experiment; what is not known is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for quality, achieved in zip(experiments, find_achieved_loads(experiments), strict=True):
        writer.writerow(_cells(quality, achieved))
    return text.getvalue()


def find_achieved_loads(experiments: Sequence[ExperimentQuality]) -> list[AchievedLoad | None]:
    """The achieved load of each experiment, by the think time of the lightest."""
    reference = lightest(each.load for each in experiments)
    return [find_achieved(each.load, reference) for each in experiments]


def _cells(quality: ExperimentQuality, achieved: AchievedLoad | None) -> list[object]:
    load, throttled = quality.load, quality.most_throttled or ("", None)
    return [
        quality.number,
        quality.started_at,
        load.user_count,
        quality.tick_count,
        quality.extended_seconds,
        load.throughput_rps,
        load.response_time_seconds,
        load.think_time_seconds,
        None if achieved is None else achieved.share,
        quality.ready_share,
        quality.steadiness,
        TEST_NAME,
        *_trend_cells(quality.throughput_trend),
        *_trend_cells(quality.response_time_trend),
        quality.throughput_variation,
        quality.response_time_variation,
        quality.missing_share,
        quality.error_share,
        None if quality.pods is None else quality.pods.restarts,
        None if quality.pods is None else quality.pods.replaced,
        *throttled,
        "; ".join(find_remarks(quality, achieved)),
    ]


def _trend_cells(trend: Trend | None) -> tuple[float | None, float | None]:
    return (None, None) if trend is None else (trend.p_value, trend.drift)
