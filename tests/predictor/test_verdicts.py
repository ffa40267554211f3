"""What cannot be trained gets a verdict and a report; the rest goes on."""

import numpy as np
import pandas as pd
import pytest

from kpp.predictor.pipeline import PerformancesDataPipeline, PipelineResult
from kpp.schema import (
    CPU_USAGE,
    LINE,
    REASON,
    RESPONSE_TIME,
    SERVICE,
    SOURCE,
    TARGETS,
    THROUGHPUT,
    TIMESTAMP,
    USER_COUNT,
    Table,
)
from tests.measurements import as_table, make_measurements

COLUMNS = list(TARGETS)


def run(frame: pd.DataFrame) -> PipelineResult:
    return PerformancesDataPipeline().run(as_table(frame))


def test_too_few_rows_are_a_verdict_and_the_rest_goes_on() -> None:
    frame = pd.concat([make_measurements(["enough"]), make_measurements(["few"], samples=3)])
    result = run(frame)
    assert list(result.datasets) == ["enough"]
    assert list(result.verdicts) == ["few"]
    assert "9 minutes at 3 user counts are too few" in result.verdicts["few"]
    assert list(result.reports) == ["enough", "few"]


def test_rows_far_apart_are_named_as_the_reason() -> None:
    frame = make_measurements(samples=21)
    frame[TIMESTAMP] = frame.index * 300.0
    verdict = run(frame).verdicts["frontend"]
    assert "5 minutes apart" in verdict
    assert "sample once a minute" in verdict


def test_a_service_without_any_usable_row_is_named() -> None:
    table = as_table(make_measurements())
    left_out = pd.DataFrame({
        SERVICE: ["gone", "gone", "frontend", ""],
        SOURCE: "test.csv",
        LINE: [70, 71, 72, 73],
        REASON: "no user count",
    })  # fmt: skip
    result = PerformancesDataPipeline().run(Table(table.frame, left_out))
    assert result.verdicts == {"gone": "no usable row"}
    assert result.reports["gone"].left_out == ("test.csv: 2 rows left out, no user count: lines 70 to 71",)
    assert "line 72" in str(result.reports["frontend"])


def test_one_user_count_is_trained_with_a_remark() -> None:
    result = run(make_measurements(user_counts=(10,), samples=40))
    assert list(result.datasets) == ["frontend"]
    assert "User Count only" in str(result.reports["frontend"])


@pytest.mark.parametrize("value", [0.0, 0.25, 1e-300])
def test_a_constant_column_is_trained_with_a_remark(value: float) -> None:
    frame = make_measurements()
    frame[CPU_USAGE] = value
    pipeline = PerformancesDataPipeline()
    result = pipeline.run(as_table(frame))
    dataset = result.datasets["frontend"]
    assert result.reports["frontend"].remarks == ("CPU Usage is constant",)
    restored = pipeline.inverse_transform("frontend", dataset.test.targets)
    np.testing.assert_allclose(restored[:, 2], value, atol=1e-12)
    assert np.isfinite(dataset.fit.inputs).all()


def test_a_column_that_was_never_measured_leaves_the_others() -> None:
    frame = make_measurements()
    frame[CPU_USAGE] = np.nan
    result = run(frame)
    dataset = result.datasets["frontend"]
    for windows in (dataset.fit, dataset.validation, dataset.test):
        assert (windows.inputs[:, :, 3] == 0).all()
        for values in (windows.targets, windows.observed, windows.last_observed):
            assert np.isnan(values[:, 2]).all()
            assert np.isfinite(values[:, :2]).all()
    assert "CPU Usage was never measured" in str(result.reports["frontend"])
    assert result.reports["frontend"].filled[CPU_USAGE] == 0


def test_a_column_that_only_test_rows_have_counts_as_never_measured() -> None:
    frame = make_measurements(user_counts=(10,))
    frame.loc[:15, CPU_USAGE] = np.nan
    dataset = PerformancesDataPipeline().run(as_table(frame)).datasets["frontend"]
    assert np.isnan(dataset.test.observed[:, 2]).all()


def test_what_was_filled_and_clipped_is_counted() -> None:
    frame = make_measurements(user_counts=(10, 20))
    frame.loc[[2, 6, 7], THROUGHPUT] = np.nan
    frame.loc[4, RESPONSE_TIME] = 6.8
    frame = frame.drop(index=9)
    report = run(frame).reports["frontend"]
    assert report.filled == {RESPONSE_TIME: 1, THROUGHPUT: 4, CPU_USAGE: 1}
    assert report.clipped == {RESPONSE_TIME: 1, THROUGHPUT: 0, CPU_USAGE: 0}
    assert (report.minutes, report.experiments, report.user_counts) == (41, 2, 2)
    assert "outliers clipped: 1 Response Time (s)" in str(report)


def test_minutes_in_long_gaps_are_counted() -> None:
    frame = make_measurements(user_counts=(10,), samples=40)
    frame.loc[5:9, CPU_USAGE] = np.nan
    report = run(frame).reports["frontend"]
    assert report.unusable_minutes == 5
    assert "5 minutes in long gaps" in str(report)


def test_five_hundred_services_are_prepared() -> None:
    result = run(make_measurements([f"service-{number}" for number in range(500)], [10, 20], samples=11))
    assert len(result.datasets) == 500


def test_every_service_of_the_table_is_trained_or_judged() -> None:
    frame = make_measurements(["a", "b"], samples=7)
    frame = frame[(frame[SERVICE] == "a") | (frame[USER_COUNT] == 10)]
    result = run(frame)
    assert result.datasets.keys() | result.verdicts.keys() == {"a", "b"} == result.reports.keys()
    assert not result.datasets.keys() & result.verdicts.keys()
