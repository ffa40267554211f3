import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kpp.predictor.preparation.scaling import Scaling
from kpp.predictor.preparation.windows import Windows
from kpp.predictor.stacked.relative_loss import relative_weights, usual_sizes

SCALING = Scaling(np.array([10.0, 0.010, 5.0, 0.0]), np.array([50.0, 0.030, 25.0, 2.0]))
UNKNOWN = np.full((1, 3), np.nan)


def _windows(observed: list[list[float]], user_counts: list[float]) -> Windows:
    count = len(observed)
    values = np.array(observed)
    return Windows(
        history=np.zeros((5, 4), dtype=np.float32),
        starts=np.zeros(count, dtype=np.int64),
        lookback_steps=5,
        targets=np.zeros((count, 3), dtype=np.float32),
        observed=values,
        last_observed=values,
        timestamps=np.arange(count, dtype=np.int64),
        user_counts=np.array(user_counts),
    )


@given(
    observed=st.tuples(*[st.floats(0.001, 1000)] * 3),
    predicted=st.tuples(*[st.floats(0, 1000)] * 3),
    usual=st.tuples(*[st.floats(0.001, 100)] * 3),
)
def test_a_weighted_normalized_error_is_the_error_relative_to_the_larger_of_value_and_usual_size(
    observed: tuple[float, ...], predicted: tuple[float, ...], usual: tuple[float, ...]
) -> None:
    targets = SCALING.transform(np.array([[10.0, *observed]]))[:, 1:].astype(np.float32)
    weights = relative_weights(targets, np.array([usual]), SCALING)

    normalized = weights * np.abs(SCALING.transform(np.array([[10.0, *predicted]]))[:, 1:] - targets)

    expected = [abs(p - y) / max(y, m) for p, y, m in zip(predicted, observed, usual, strict=True)]
    np.testing.assert_allclose(normalized[0], expected, rtol=1e-3, atol=1e-3)


def test_what_was_not_measured_weighs_nothing() -> None:
    targets = np.array([[0.5, np.nan, 0.5]], dtype=np.float32)

    weights = relative_weights(targets, np.ones((1, 3)), SCALING)

    assert weights[0, 1] == 0
    assert (weights[0, [0, 2]] > 0).all()


def test_a_zero_of_unknown_usual_size_is_taken_relative_to_the_range() -> None:
    zero = SCALING.transform(np.array([[10.0, 0.0, 0.0, 0.0]]))[:, 1:].astype(np.float32)

    weights = relative_weights(zero, UNKNOWN, SCALING)

    np.testing.assert_allclose(weights[0, 2], 1.0)  # an error of one range counts 1
    assert np.isfinite(weights).all()


def test_the_usual_size_is_the_median_of_the_fitted_rows_of_the_same_user_count() -> None:
    fit = _windows([[1, 10, 0], [3, 30, 0], [900, 20, 0], [7, np.nan, 5]], [10, 10, 10, 20])

    usual = usual_sizes(fit, np.array([20.0, 10.0, 30.0]))

    assert usual[1].tolist() == [3, 20, 0]  # the outlier 900 does not move it
    assert usual[0].tolist() == [7, 20, 5]  # 20: unknown at 20 users, so the median of all
    assert usual[2].tolist() == [5, 20, 0]  # no fitted row at 30 users: the medians of all


def test_a_target_that_was_never_measured_has_no_usual_size() -> None:
    fit = _windows([[1, np.nan, 1], [2, np.nan, 1]], [10, 10])

    assert np.isnan(usual_sizes(fit, np.array([10.0]))[0, 1])
