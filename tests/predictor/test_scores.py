import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics

from kpp.predictor.scores import compare, mae, mape, rmse, score, wape
from kpp.schema import CPU_USAGE, RESPONSE_TIME, TARGETS
from tests.predictor.datasets import autoregressive, make_dataset

POSITIVE = hnp.arrays(np.float64, 8, elements=st.floats(0.5, 1.5))
SCORES = [rmse, mae, mape, wape]


@given(observed=POSITIVE, predicted=POSITIVE)
def test_scores_are_those_of_scikit_learn(observed: np.ndarray, predicted: np.ndarray) -> None:
    found = score(observed=observed, predicted=predicted)

    expected_mae = metrics.mean_absolute_error(observed, predicted)
    assert found.mae == pytest.approx(expected_mae)
    assert found.rmse == pytest.approx(math.sqrt(metrics.mean_squared_error(observed, predicted)))
    assert found.mape == pytest.approx(metrics.mean_absolute_percentage_error(observed, predicted))
    assert found.wape == pytest.approx(expected_mae / np.mean(observed))


def test_scores_by_hand() -> None:
    found = score(observed=np.array([10.0, 20.0]), predicted=np.array([13.0, 16.0]))

    assert found.mae == pytest.approx(3.5)
    assert found.rmse == pytest.approx(math.sqrt((9 + 16) / 2))
    assert found.mape == pytest.approx((0.3 + 0.2) / 2)
    assert found.wape == pytest.approx(7 / 30)


def test_a_perfect_prediction_scores_0() -> None:
    values = np.array([0.001, 5.0, 700.0])

    found = score(observed=values, predicted=values)

    assert set(found.model_dump().values()) == {0.0}


@pytest.mark.parametrize("score_", SCORES)
def test_rows_with_nan_on_either_side_do_not_count(score_: object) -> None:
    assert callable(score_)
    observed, predicted = np.array([1.0, np.nan, 3.0, 4.0]), np.array([2.0, 1.0, np.nan, 4.0])

    found = score_(observed=observed, predicted=predicted)

    assert found == score_(observed=observed[[0, 3]], predicted=predicted[[0, 3]])


@pytest.mark.parametrize("score_", SCORES)
@pytest.mark.parametrize("values", [[], [np.nan, np.nan]])
def test_without_rows_there_is_no_score(score_: object, values: list[float]) -> None:
    assert callable(score_)
    assert score_(observed=np.array(values), predicted=np.array(values)) is None


@pytest.mark.parametrize(
    ("observed", "counted"),
    [
        ([100.0, 100.0, 0.5], 2),  # 0.5 is below 1 % of the mean of 66.8
        ([100.0, 100.0, 0.7], 3),  # 0.7 is above 1 % of the mean of 66.9
        ([2e-6, 2e-6, 1e-6], 2),  # 1e-6 and below is no size
        ([5e-7, 5e-7, 0.0], 0),
    ],
)
def test_mape_leaves_out_values_near_zero(observed: list[float], counted: int) -> None:
    predicted = 2 * np.array(observed)
    predicted[-1] = observed[-1] * 1001  # an error of 100000 %, were it counted

    found = mape(observed=np.array(observed), predicted=predicted)

    expected = {0: None, 2: 1.0, 3: (1 + 1 + 1000) / 3}[counted]
    assert found == (expected if expected is None else pytest.approx(expected))


def test_wape_of_nothing_but_zeros_is_undefined() -> None:
    assert wape(observed=np.zeros(3), predicted=np.ones(3)) is None


def test_arrays_of_different_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        rmse(observed=np.ones(2), predicted=np.ones(3))


def test_all_three_are_scored_on_the_rows_where_all_have_a_value() -> None:
    dataset = make_dataset(autoregressive(50, phi=0.5, mean=100, deviation=5, seed=1))
    test = dataset.test
    observed, last = test.observed.copy(), test.last_observed.copy()
    observed[2, 0], last[4, 0] = np.nan, np.nan
    dataset = dataclasses.replace(
        dataset, test=dataclasses.replace(test, observed=observed, last_observed=last)
    )
    kept = [row for row in range(10) if row not in (2, 4)]

    found, _ = compare(dataset, observed + 1)

    response_time = found[RESPONSE_TIME]
    assert response_time.rows == 8
    assert found[CPU_USAGE].rows == 10
    assert response_time.model.mae == pytest.approx(1)
    true = test.observed[kept, 0]
    assert response_time.last_observed.rmse == pytest.approx(
        metrics.root_mean_squared_error(true, last[kept, 0])
    )
    mean = np.full(8, dataset.train_means[10.0][0])
    assert response_time.training_mean.mape == pytest.approx(
        metrics.mean_absolute_percentage_error(true, mean)
    )


def test_normalized_rmse_divides_each_error_by_the_training_range() -> None:
    series = autoregressive(50, phi=0.5, mean=100, deviation=5, seed=1) * [0.001, 1, 10]
    dataset = make_dataset(series)
    ranges = np.ptp(series[:40], axis=0)
    errors = np.array([[0.1, 0.2, 0.4]])  # in ranges

    _, found = compare(dataset, dataset.test.observed + errors * ranges)

    assert found.model == pytest.approx(math.sqrt((0.01 + 0.04 + 0.16) / 3))


def test_a_user_count_without_training_rows_has_no_mean_to_compare_with() -> None:
    dataset = make_dataset(autoregressive(50, phi=0.5, mean=100, deviation=5, seed=1))

    found, normalized = compare(dataclasses.replace(dataset, train_means={}), dataset.test.observed)

    assert {found[target].rows for target in TARGETS} == {0}
    assert found[CPU_USAGE].model.rmse is None
    assert normalized.model is None
