"""The scaling against scikit-learn's `MinMaxScaler`, bit by bit."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.preprocessing import MinMaxScaler

from kpp.predictor.preparation.scaling import Scaling

VALUES = st.sampled_from([0.0, 0.1, 7.0, 7.0 + 1e-15, 1e-17, 1e12]) | st.floats(0, 1e6)
ROWS = arrays(np.float64, st.tuples(st.integers(1, 8), st.just(4)), elements=VALUES)


@given(fitted=ROWS, asked=ROWS)
def test_it_scales_as_scikit_learn_does(fitted: np.ndarray, asked: np.ndarray) -> None:
    theirs = MinMaxScaler().fit(fitted)
    asked[0, 1] = np.nan

    ours = Scaling(fitted.min(axis=0), fitted.max(axis=0))

    assert ours.scale.tobytes() == theirs.scale_.tobytes()
    assert ours.offset.tobytes() == theirs.min_.tobytes()
    np.testing.assert_array_equal(ours.transform(asked), theirs.transform(asked))
    np.testing.assert_array_equal(ours.inverse_transform(asked), theirs.inverse_transform(asked))


@given(fitted=ROWS)
def test_it_gives_the_scaler_of_scikit_learn(fitted: np.ndarray) -> None:
    theirs = MinMaxScaler().fit(fitted)

    given_out = Scaling(fitted.min(axis=0), fitted.max(axis=0)).as_scaler()

    assert isinstance(given_out, MinMaxScaler)
    assert given_out.scale_.tobytes() == theirs.scale_.tobytes()
    assert given_out.min_.tobytes() == theirs.min_.tobytes()
    np.testing.assert_array_equal(given_out.data_max_, theirs.data_max_)


def test_it_scales_windows_of_any_shape_and_none() -> None:
    scaling = Scaling(np.array([10.0, 0.0]), np.array([30.0, 4.0]))
    np.testing.assert_array_equal(
        scaling.transform(np.full((2, 3, 2), [20.0, 1.0])), np.full((2, 3, 2), [0.5, 0.25])
    )
    assert scaling.transform(np.empty((0, 2))).shape == (0, 2)
