"""Minutes, experiments and parts, on tables small enough to see them."""

import pandas as pd
import pytest

from kpp.predictor.preparation.experiments import (
    EXPERIMENT,
    PART,
    Part,
    aggregate_minutes,
    assign_parts,
    number_experiments,
)
from kpp.schema import SERVICE, TARGETS, TIMESTAMP, USER_COUNT
from kpp.table.minutes import MINUTE


def rows_at(minutes: list[float], user_counts: list[float], service: str = "a") -> pd.DataFrame:
    frame = pd.DataFrame({
        TIMESTAMP: [60 * minute for minute in minutes],
        SERVICE: service,
        USER_COUNT: user_counts,
        **{column: [float(minute) for minute in minutes] for column in TARGETS},
    })  # fmt: skip
    return aggregate_minutes(frame)


def test_timestamps_are_rounded_to_the_nearest_minute_and_averaged() -> None:
    rows = rows_at([1.4, 0.6, 1.6, 2.0], [10, 10, 10, 10])
    assert rows[MINUTE].tolist() == [60, 120]
    assert rows[TARGETS[0]].tolist() == pytest.approx([1.0, 1.8])


def test_missing_values_do_not_enter_the_mean() -> None:
    frame = pd.DataFrame({TIMESTAMP: [60.0, 61.0], SERVICE: "a", USER_COUNT: 10.0})
    frame[list(TARGETS)] = [[1.0, None, None], [3.0, 5.0, None]]
    rows = aggregate_minutes(frame.astype(dict.fromkeys(TARGETS, float)))
    assert rows[list(TARGETS)].iloc[0].tolist()[:2] == [2.0, 5.0]
    assert rows[TARGETS[2]].isna().all()


@pytest.mark.parametrize(
    ("minutes", "user_counts", "experiments"),
    [
        ([1, 2, 3, 4], [10, 10, 20, 20], [1, 1, 2, 2]),
        ([1, 2, 6, 7], [10, 10, 10, 10], [1, 1, 1, 1]),  # three minutes are missing
        ([1, 2, 7, 8], [10, 10, 10, 10], [1, 1, 2, 2]),  # four
        ([1, 2, 3, 4], [10, 20, 10, 10], [1, 2, 3, 3]),
    ],
)
def test_a_change_of_load_or_a_long_gap_begins_an_experiment(
    minutes: list[float], user_counts: list[float], experiments: list[int]
) -> None:
    rows = number_experiments(rows_at(minutes, user_counts), max_gap_steps=3)
    assert rows[EXPERIMENT].tolist() == experiments


def test_a_minute_in_which_the_load_changed_belongs_to_both() -> None:
    rows = number_experiments(rows_at([1, 2, 3, 3.2, 4, 5], [20, 20, 20, 10, 10, 10]), max_gap_steps=3)
    assert rows[MINUTE].tolist() == [60, 120, 180, 180, 240, 300]
    assert rows[EXPERIMENT].tolist() == [1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize(
    ("count", "fit", "validation", "test"),
    [(1, 1, 0, 0), (2, 1, 0, 1), (5, 3, 1, 1), (10, 6, 2, 2), (21, 12, 4, 5), (100, 64, 16, 20)],
)
def test_the_parts_of_a_user_count(count: int, fit: int, validation: int, test: int) -> None:
    parts = assign_parts(rows_at(list(range(count)), [10] * count), train_share=0.8)[PART].tolist()
    assert parts == [Part.FIT] * fit + [Part.VALIDATION] * validation + [Part.TEST] * test


def test_each_user_count_is_split_over_all_its_experiments() -> None:
    minutes = [*range(10), *range(20, 30), *range(40, 50)]
    rows = assign_parts(rows_at(minutes, [10.0] * 10 + [20.0] * 10 + [10.0] * 10), train_share=0.8)
    assert rows[rows[USER_COUNT] == 10][PART].tolist() == [0] * 12 + [1] * 4 + [2] * 4
    assert rows[rows[USER_COUNT] == 20][PART].tolist() == [0] * 6 + [1] * 2 + [2] * 2
