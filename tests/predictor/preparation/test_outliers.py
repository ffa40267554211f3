"""Outliers are clipped, and what only looks like one is not."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import median_abs_deviation

from kpp.predictor.pipeline import PerformancesDataPipeline
from kpp.predictor.preparation.experiments import aggregate_minutes, assign_parts, number_experiments
from kpp.predictor.preparation.outliers import OutlierRule, clip_outliers
from kpp.schema import RESPONSE_TIME, SERVICE, TARGETS, TIMESTAMP, USER_COUNT
from tests.measurements import STARTED_AT, as_table, make_measurements

COLUMNS = list(TARGETS)


def clip(response_times: NDArray[np.float64], rule: OutlierRule | None = None) -> NDArray[np.float64]:
    """Clip (experiments, minutes) values of one service, each experiment at a user count of its own."""
    experiments, minutes = np.indices(response_times.shape)
    frame = pd.DataFrame({
        SERVICE: "a",
        TIMESTAMP: STARTED_AT + 60.0 * (experiments * 1000 + minutes).ravel(),
        USER_COUNT: 10.0 + experiments.ravel(),
        **{column: response_times.ravel() for column in COLUMNS},
    })  # fmt: skip
    rows = assign_parts(number_experiments(aggregate_minutes(frame), 3), 0.8)
    clipped = clip_outliers(rows, rule or OutlierRule())
    np.testing.assert_array_equal(clipped[:, 1], clipped[:, 0])
    return clipped[:, 0].reshape(response_times.shape)


def quiet(experiments: int, minutes: int, level: float = 0.001) -> NDArray[np.float64]:
    return level * np.random.default_rng(0).lognormal(0, 0.05, (experiments, minutes))


def test_a_lone_spike_becomes_the_largest_other_value_of_its_user_count() -> None:
    values = quiet(5, 21)
    values[2, 7] = 6.8
    clipped = clip(values)
    assert clipped[2, 7] == np.sort(values[2, :16])[-2]
    values[2, 7] = clipped[2, 7]
    np.testing.assert_array_equal(clipped, values)


def test_one_spike_may_enter_two_samples() -> None:
    values = quiet(5, 21)
    values[2, 7:9] = 6.8, 3.1
    assert clip(values).max() < 0.002


def test_a_spike_among_the_test_rows_is_clipped_to_what_training_rows_had() -> None:
    values = quiet(5, 21)
    values[2, 18] = 6.8
    assert clip(values)[2, 18] == values[2, :16].max()


def test_test_rows_clip_nothing() -> None:
    values = quiet(5, 21)
    values[2, 3] = 0.5
    expected = clip(values)
    values[:, 16:] = np.random.default_rng(1).lognormal(0, 5, (5, 5))
    np.testing.assert_array_equal(clip(values)[:, :16], expected[:, :16])


@pytest.mark.parametrize(
    "genuine",
    [
        [0.001] * 13 + [1.0, 2.0, 3.0],  # the knee: it goes on
        [0.001, 0.03] * 8,  # bursts, half of the time
        [*[0.001, 0.03, 0.001] * 5, 0.001],  # and a third of it
        list(np.geomspace(0.001, 3.0, 16)),  # a queue that builds up
        [3.0] * 16,
        [0.001] * 15 + [0.0025],  # not far
    ],
)
def test_genuine_behavior_is_not_clipped(genuine: list[float]) -> None:
    values = quiet(5, 20)
    values[2, :16] = genuine
    np.testing.assert_array_equal(clip(values)[:, :16], values[:, :16])


def test_a_campaign_into_overload_is_not_clipped() -> None:
    """Response times of 10 to 700 users by N = X (Z + R) with X bounded at 100 req/s, noise of 30 %."""
    user_counts = np.arange(10, 710, 10)
    response_times = np.maximum(0.02, user_counts / 100 - 3.7)
    noise = np.random.default_rng(3).lognormal(0, 0.3, (len(user_counts), 21))
    values = response_times[:, None] * noise
    np.testing.assert_array_equal(clip(values), values)


def test_few_rows_say_nothing() -> None:
    values = quiet(5, 5)  # 4 of them train
    values[2, 1] = 6.8
    np.testing.assert_array_equal(clip(values), values)


def test_a_column_that_is_0_but_for_once_is_left_alone() -> None:
    values = np.zeros((3, 20))
    values[1, 4] = 5.0
    np.testing.assert_array_equal(clip(values), values)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1000), st.floats(0.05, 1.0), st.floats(3, 12))
def test_the_bound_is_that_of_hampel(seed: int, sigma: float, deviations: float) -> None:
    """One user count, no floor: median + k x scipy's median absolute deviation of the training rows."""
    values = np.random.default_rng(seed).lognormal(0, sigma, (1, 50))
    training = values[0, :40]
    bound = np.median(training) + deviations * median_abs_deviation(training, scale="normal")
    rule = OutlierRule(deviations=deviations, floor=0.0, max_share=1.0, max_run=50)
    largest = training[training <= bound].max()
    expected = np.where(values > bound * (1 + 1e-4), largest, values)  # scipy has more digits of 1.4826
    near = np.abs(values / bound - 1) < 1e-3
    np.testing.assert_array_equal(clip(values, rule)[~near], expected[~near])


def test_one_outlier_leaves_the_scaler_and_the_other_windows_as_they_were() -> None:
    frame = make_measurements()
    spiked = frame.assign(**{RESPONSE_TIME: frame[RESPONSE_TIME].mask(frame.index == 30, 6.8)})
    clean, ruined = (
        PerformancesDataPipeline().run(as_table(table)).datasets["frontend"] for table in (frame, spiked)
    )
    np.testing.assert_array_equal(ruined.scaling.maxima, clean.scaling.maxima)
    np.testing.assert_array_equal(ruined.scaling.minima, clean.scaling.minima)
    spike_at = int(frame[TIMESTAMP][30])
    apart = (clean.fit.timestamps < spike_at) | (clean.fit.timestamps > spike_at + 5 * 60)
    np.testing.assert_array_equal(ruined.fit.inputs[apart], clean.fit.inputs[apart])
    np.testing.assert_array_equal(ruined.fit.targets[apart], clean.fit.targets[apart])
    assert ruined.fit.targets.max() <= 1.0
    assert ruined.fit.inputs.max() <= 1.0
    assert (ruined.fit.observed[:, 0] == 6.8).sum() == 1  # what is scored is what was measured


def test_an_outlier_among_the_test_rows_is_scored_as_it_was_measured() -> None:
    frame = make_measurements()
    frame[RESPONSE_TIME] = frame[RESPONSE_TIME].mask(frame.index == 18, 6.8)
    pipeline = PerformancesDataPipeline()
    test = pipeline.run(as_table(frame)).datasets["frontend"].test
    assert test.observed[1, 0] == 6.8
    assert test.last_observed[2, 0] == 6.8
    assert pipeline.inverse_transform("frontend", test.targets)[1, 0] == pytest.approx(6.8, rel=1e-5)
    assert test.inputs[2, -1, 1] <= 1.0
