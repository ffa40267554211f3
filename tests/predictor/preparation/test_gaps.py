"""Gaps are filled as pandas does it, inside one segment, and for a window only with what it could know."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from kpp.predictor.pipeline import PerformancesDataPipeline, PipelineSettings
from kpp.predictor.preparation.experiments import EXPERIMENT, PART
from kpp.predictor.preparation.gaps import Grid, lay_on_minutes
from kpp.schema import CPU_USAGE, RESPONSE_TIME, TARGETS, USER_COUNT
from kpp.table.minutes import MINUTE
from tests.measurements import as_table, make_measurements

MAX_GAP = 3
CELLS = st.one_of(st.just(np.nan), st.floats(0, 1e6))


def lay(values: NDArray[np.float64], minutes: list[int], segments: list[int]) -> Grid:
    rows = pd.DataFrame({
        MINUTE: np.array(minutes) * 60,
        USER_COUNT: 10.0,
        EXPERIMENT: segments,
        PART: 0,
    })  # fmt: skip
    return lay_on_minutes(rows, np.zeros(len(rows), dtype=np.int64), values, values, MAX_GAP)


def one_column(values: list[float]) -> NDArray[np.float64]:
    filled = np.ones((len(values), 3))
    filled[:, 0] = values
    return filled


@settings(max_examples=100, deadline=None)
@given(
    arrays(np.float64, (30, 3), elements=CELLS),
    st.lists(st.integers(1, MAX_GAP + 1), min_size=30, max_size=30),
)
def test_filling_is_that_of_pandas(values: NDArray[np.float64], steps: list[int]) -> None:
    """Against `DataFrame.interpolate` of all gaps, of which the long ones are opened again."""
    minutes = np.cumsum(steps).tolist()
    grid = lay(values, minutes, [0] * 30)
    table = pd.DataFrame(values, index=minutes).reindex(range(minutes[0], minutes[-1] + 1))
    expected = table.interpolate(method="index", limit_area="inside").bfill().ffill()
    for column in table:
        missing = table[column].isna()
        run_length = missing.groupby((~missing).cumsum()).transform("sum")
        expected[column] = expected[column].mask(missing & (run_length > MAX_GAP))
    np.testing.assert_array_equal(grid.minutes, table.index * 60)
    np.testing.assert_allclose(grid.interpolated, expected.to_numpy(), rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(grid.observed, table.to_numpy())
    np.testing.assert_array_equal(grid.stretch_starts >= 0, expected.notna().all(axis=1))


def test_nothing_is_filled_across_segments() -> None:
    values = one_column([1.0, np.nan, np.nan, 4.0])
    grid = lay(values, [1, 2, 3, 4], [0, 0, 1, 1])
    np.testing.assert_array_equal(grid.interpolated[:, 0], [1, 1, 4, 4])
    np.testing.assert_array_equal(grid.held[:, 0], [1, 1, np.nan, 4])
    np.testing.assert_array_equal(grid.stretch_starts, [0, 0, 2, 2])


def test_minutes_missing_between_segments_stay_missing() -> None:
    grid = lay(one_column([1.0, 2.0, 3.0, 4.0]), [1, 3, 5, 6], [0, 0, 1, 1])
    np.testing.assert_array_equal(grid.minutes // 60, [1, 2, 3, 5, 6])
    np.testing.assert_array_equal(grid.interpolated[:, 0], [1, 1.5, 2, 3, 4])
    np.testing.assert_array_equal(grid.filled[:, 0], [False, True, False, False, False])


def test_a_long_gap_of_one_column_cuts_the_segment() -> None:
    grid = lay(one_column([1.0, *[np.nan] * 4, 2.0, 3.0]), list(range(7)), [0] * 7)
    np.testing.assert_array_equal(grid.stretch_starts, [0, -1, -1, -1, -1, 5, 5])


def test_a_filled_minute_is_no_target_and_holds_nothing_of_the_next() -> None:
    """Minute 5 is missing: to predict minute 6, minute 4 stands in for it; later, the line from 4 to 6."""
    frame = make_measurements(user_counts=(10,), samples=40)
    pipeline = PerformancesDataPipeline(PipelineSettings(lookback_steps=2))
    dataset = pipeline.run(as_table(frame.drop(index=5))).datasets["frontend"]
    minutes = ((dataset.fit.timestamps - dataset.fit.timestamps[0]) // 60 + 1).tolist()
    assert minutes[:7] == [1, 2, 3, 4, 6, 7, 8]
    measured = frame[RESPONSE_TIME]
    inputs = pipeline.inverse_transform("frontend", dataset.fit.inputs[4:6, :, 1:].reshape(-1, 3))[:, 0]
    line = (measured[4] + measured[6]) / 2
    np.testing.assert_allclose(inputs, [measured[4], measured[4], line, measured[6]], rtol=1e-5)
    np.testing.assert_array_equal(dataset.fit.last_observed[4:6, 0], measured[[4, 6]])


def test_a_value_not_known_yet_makes_no_window() -> None:
    """CPU is first measured in the third minute: until then nothing can stand in for it."""
    frame = make_measurements(user_counts=(10,), samples=40)
    frame.loc[:1, CPU_USAGE] = np.nan
    dataset = PerformancesDataPipeline().run(as_table(frame)).datasets["frontend"]
    assert (dataset.fit.timestamps[0] - frame.iloc[0, 0]) // 60 == 3


def test_a_missing_cell_is_no_target_but_its_neighbors_are() -> None:
    frame = make_measurements(user_counts=(10,), samples=40)
    frame.loc[5, CPU_USAGE] = np.nan
    dataset = PerformancesDataPipeline().run(as_table(frame)).datasets["frontend"]
    at = list(TARGETS).index(CPU_USAGE)
    missing = np.isnan(dataset.fit.targets)
    assert np.argwhere(missing).tolist() == [[4, at]] == np.argwhere(np.isnan(dataset.fit.observed)).tolist()
    np.testing.assert_array_equal(dataset.fit.last_observed[5, at], frame[CPU_USAGE][4])


def test_the_last_observed_value_lies_within_the_lookback() -> None:
    frame = make_measurements(user_counts=(10,), samples=40).drop(index=[5, 6, 7])
    for lookback_steps, expected in ((3, np.nan), (4, frame[RESPONSE_TIME][4])):
        settings_of_one = PipelineSettings(lookback_steps=lookback_steps)
        fit = PerformancesDataPipeline(settings_of_one).run(as_table(frame)).datasets["frontend"].fit
        assert fit.timestamps[4] - fit.timestamps[3] == 4 * 60
        np.testing.assert_array_equal(fit.last_observed[4, 0], expected)
