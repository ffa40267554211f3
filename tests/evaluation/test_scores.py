import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from kpp.evaluation.scores import ERRORS, best_constant, noise_floor, score_target
from kpp.schema import THROUGHPUT, USER_COUNT
from kpp.whatif.calibrated import lower_of, upper_of

VALUES = st.lists(st.floats(0.5, 50.0), min_size=1, max_size=25)


def predictions(points: list[float], lower: list[float], upper: list[float]) -> pd.DataFrame:
    return pd.DataFrame({THROUGHPUT: points, lower_of(THROUGHPUT): lower, upper_of(THROUGHPUT): upper})


@given(st.lists(st.tuples(st.floats(0.5, 50.0), st.floats(0.5, 50.0)), min_size=1, max_size=25))
def test_errors_are_those_of_scikit_learn(pairs: list[tuple[float, float]]) -> None:
    observed, points = (np.array(values) for values in zip(*pairs, strict=True))

    found = score_target(observed, predictions(points.tolist(), points.tolist(), points.tolist()), THROUGHPUT)

    assert found.mae == pytest.approx(metrics.mean_absolute_error(observed, points))
    assert found.rmse == pytest.approx(metrics.root_mean_squared_error(observed, points))
    large = observed > 0.01 * observed.mean()
    expected = metrics.mean_absolute_percentage_error(observed[large], points[large])
    assert found.mape == pytest.approx(expected)
    assert found.wape == pytest.approx(np.abs(observed - points).sum() / observed.sum())
    assert found.rows == len(pairs)


def test_coverage_is_the_share_within_the_bounds_and_width_is_relative() -> None:
    observed = np.array([1.0, 2.0, 3.0, np.nan, 4.0])
    answers = predictions([1.0] * 5, [0.5, 2.0, 3.5, 0.0, np.nan], [1.5, 2.0, 4.5, 9.0, np.nan])

    found = score_target(observed, answers, THROUGHPUT)

    assert found.coverage == pytest.approx(2 / 3)
    assert found.width == pytest.approx(((1.0 + 0.0 + 1.0) / 3) / 2.0)
    assert found.rows == 4


def test_what_cannot_be_scored_is_none() -> None:
    found = score_target(np.array([np.nan]), predictions([1.0], [0.0], [2.0]), THROUGHPUT)

    assert (found.rows, found.mae, found.rmse, found.mape, found.wape, found.coverage, found.width) == (
        (0, None, None, None, None, None, None)
    )


@pytest.mark.parametrize("score", list(ERRORS))
@given(values=VALUES)
def test_no_constant_beats_the_best_one(score: str, values: list[float]) -> None:
    """Of all candidates: these scores have their least value at an observation or, squared, at the mean."""
    observed = np.array(values)
    error = ERRORS[score]

    best = error(observed=observed, predicted=np.full(len(values), best_constant(score, observed)))

    assert best is not None
    grid = np.concatenate([observed, np.linspace(0.0, 60.0, 30), [observed.mean()]])
    others = [error(observed=observed, predicted=np.full(len(values), other)) for other in grid]
    assert all(best <= other + 1e-9 for other in others if other is not None)


def test_zeros_have_a_best_constant_too() -> None:
    assert best_constant("mape", np.zeros(3)) == 0.0
    assert best_constant("mape", np.array([0.0, 0.0, 2.0])) == 2.0


def test_the_floor_has_a_constant_for_each_load() -> None:
    rows = pd.DataFrame({USER_COUNT: [10, 10, 20, 20, 20], THROUGHPUT: [1.0, 3.0, 10.0, 10.0, np.nan]})

    floor = noise_floor(rows, THROUGHPUT)

    assert floor.rows == 4
    assert floor.mae == pytest.approx((1 + 1 + 0 + 0) / 4)
    assert floor.rmse == pytest.approx(np.sqrt(2 / 4))
    assert floor.mape == pytest.approx((2 / 3) / 4)  # the constant 1 is right once, and 2/3 off once
    assert floor.coverage is None
