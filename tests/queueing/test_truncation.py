import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpp.queueing.truncation import DURATION_CV, true_mean, truncated_mean


@pytest.mark.parametrize("mean_seconds", [0.0004, 0.0008, 0.002, 0.01, 0.05, 0.3])
def test_the_mean_of_durations_cut_to_milliseconds(mean_seconds: float) -> None:
    sigma = np.sqrt(np.log(1 + DURATION_CV**2))
    drawn = np.random.default_rng(1).lognormal(np.log(mean_seconds) - sigma**2 / 2, sigma, 400_000)

    cut = np.floor(drawn * 1000).mean() / 1000

    assert truncated_mean(mean_seconds) == pytest.approx(cut, abs=0.005 * mean_seconds + 2e-6)


@given(mean_seconds=st.floats(0.0003, 100))
def test_what_was_cut_is_found_again(mean_seconds: float) -> None:
    assert true_mean(truncated_mean(mean_seconds)) == pytest.approx(mean_seconds, rel=1e-3)


def test_a_measured_zero_is_a_short_time() -> None:
    assert 0 < true_mean(0.0) < 0.001


def test_many_at_once_keep_their_shape() -> None:
    assert truncated_mean(np.full((2, 3), 0.01)).shape == (2, 3)
