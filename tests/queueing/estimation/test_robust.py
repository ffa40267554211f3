import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpp.queueing.estimation.robust import Estimate, robust_linear, robust_location, robust_locations


def test_without_outliers_it_is_nearly_least_squares() -> None:
    rng = np.random.default_rng(1)
    terms = np.column_stack([np.ones(400), np.linspace(0, 1, 400)])
    target = terms @ [2.0, 3.0] + 0.1 * rng.standard_normal(400)

    fit = robust_linear(terms, target)

    plain, *_ = np.linalg.lstsq(terms, target, rcond=None)
    np.testing.assert_allclose(fit.coefficients, plain, atol=0.01)
    assert fit.scale == pytest.approx(0.1, rel=0.15)


def test_the_standard_error_is_the_scatter_of_repeated_estimates() -> None:
    rng = np.random.default_rng(2)
    found = [robust_location(rng.normal(5.0, 1.0, 40)) for _ in range(400)]

    scatter = np.std([each.value for each in found])
    assert np.mean([each.standard_error for each in found]) == pytest.approx(scatter, rel=0.15)


@given(far=st.floats(1e3, 1e9))
def test_a_minority_of_outliers_does_not_move_it(far: float) -> None:
    rng = np.random.default_rng(3)
    values = np.concatenate([rng.normal(1.0, 0.1, 30), np.full(4, far)])

    assert robust_location(values).value == pytest.approx(1.0, abs=0.1)


def test_weights_count_like_repetitions() -> None:
    values = np.linspace(1.0, 2.0, 11)
    weights = np.where(values > 1.5, 2.0, 1.0)

    weighted = robust_location(values, weights)

    repeated = robust_location(np.repeat(values, weights.astype(int)))
    assert weighted.value == pytest.approx(repeated.value, rel=0.01)


@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 25))
def test_columns_are_located_as_the_linear_fit_of_a_constant_does(seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(2.0, 0.1, (rows, 6)) * np.where(rng.random((rows, 6)) < 0.1, 50.0, 1.0)
    values[rng.random((rows, 6)) < 0.2] = np.nan
    values[:, 5] = 3.0  # without scatter
    weights = rng.uniform(0.5, 2.0, (rows, 6))

    found = robust_locations(values, weights)

    for column, each in enumerate(found):
        known = np.isfinite(values[:, column])
        if not known.any():
            assert np.isnan(each.value)
            continue
        ones = np.ones((int(known.sum()), 1))
        fit = robust_linear(ones, values[known, column], weights[known, column])
        assert each.value == pytest.approx(fit.coefficients[0], rel=1e-9)
        error = np.sqrt(fit.covariance[0, 0])
        assert each.standard_error == pytest.approx(error, rel=1e-6, abs=1e-12, nan_ok=True)


def test_no_rows_at_all_give_nothing() -> None:
    assert np.isnan(robust_location(np.empty(0)).value)


def test_nothing_known_gives_nothing_and_one_value_no_error() -> None:
    nothing, one = robust_location(np.array([np.nan])), robust_location(np.array([4.0, np.nan]))

    assert np.isnan(nothing.value)
    assert one.value == 4.0
    assert np.isnan(one.standard_error)


def test_a_relative_error_of_zero_is_not_known() -> None:
    assert np.isnan(Estimate(0.0, 1.0).relative_error)
    assert Estimate(-4.0, 1.0).relative_error == 0.25
