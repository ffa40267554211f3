"""The trend test against the exact distribution of its statistic, worked out another way."""

import math
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpp.collector.quality.trend import (
    FEWEST_VALUES,
    NEGLIGIBLE_DRIFT,
    SIGNIFICANCE,
    Steadiness,
    Trend,
    coefficient_of_variation,
    find_trend,
    judge_steadiness,
)


def inversion_counts(length: int) -> list[int]:
    """How many orders of `length` values have 0, 1, 2, … inversions: the product of all (1 + x + … + x^k)."""
    counts = [1]
    for most in range(1, length):
        counts = np.convolve(counts, np.ones(most + 1, dtype=int)).tolist()
    return counts


def exact_p_value(values: list[float]) -> float:
    """Two-sided, of Mann's S: the share of orders that are at least as far from having no trend."""
    inversions = sum(first > second for first, second in combinations(values, 2))
    counts = inversion_counts(len(values))
    pairs = len(counts) - 1
    farther = sum(
        count
        for each, count in enumerate(counts)
        if min(each, pairs - each) <= min(inversions, pairs - inversions)
    )
    return float(min(Fraction(farther, math.factorial(len(values))), Fraction(1)))


@given(st.lists(st.floats(1, 100), min_size=FEWEST_VALUES, max_size=12, unique=True))
def test_the_p_value_is_that_of_counting_all_orders(values: list[float]) -> None:
    trend = find_trend(range(len(values)), values)
    assert trend is not None
    assert trend.p_value == pytest.approx(exact_p_value(values), rel=1e-9)


def test_the_p_values_of_a_published_table() -> None:
    """Gilbert (1987), Statistical methods for environmental pollution monitoring, table A18, n = 8."""
    table = {0: 0.548, 4: 0.360, 8: 0.199, 12: 0.089, 16: 0.031, 20: 0.0071, 24: 0.00087, 28: 0.000025}
    counts = inversion_counts(8)
    for statistic, one_sided in table.items():
        inversions = (28 - statistic) // 2
        assert sum(counts[: inversions + 1]) / math.factorial(8) == pytest.approx(one_sided, rel=0.02)


def test_noise_is_found_to_drift_as_seldom_as_stated() -> None:
    random = np.random.default_rng(7)
    found = [find_trend(range(10), random.normal(100, 30, 10).tolist()) for _ in range(1000)]
    share = sum(trend is not None and trend.p_value < SIGNIFICANCE for trend in found) / len(found)
    assert 0.02 < share < SIGNIFICANCE + 3 * math.sqrt(SIGNIFICANCE / len(found))


@given(slope=st.floats(-5, 5), start=st.floats(100, 1000), count=st.integers(5, 40))
def test_the_drift_of_a_line_is_its_rise_from_third_to_third(slope: float, start: float, count: int) -> None:
    values = [start + slope * place for place in range(count)]
    trend = find_trend(range(count), values)
    assert trend is not None
    rise = slope * (count - count // 3)  # between the middles of the thirds
    assert trend.drift == pytest.approx(rise / float(np.mean(values)), rel=1e-6, abs=1e-9)


def test_a_wild_value_does_not_make_a_drift() -> None:
    trend = find_trend(range(10), [10, 10.1, 9.9, 10.2, 10, 9.8, 10.1, 10, 9.9, 90])
    assert trend is not None
    assert trend.drift > NEGLIGIBLE_DRIFT
    assert not trend.is_drifting


def test_a_start_that_settles_in_the_first_third_is_a_drift() -> None:
    trend = find_trend(range(15), [5.0, 4.0, 3.0, 2.0, *[1.0, 1.01, 0.99] * 3, 1.0, 0.98])
    assert trend is not None
    assert trend.is_drifting


def test_a_small_drift_does_not_matter_however_sure_it_is() -> None:
    trend = find_trend(range(20), [1000 + place for place in range(20)])
    assert trend is not None
    assert trend.p_value < 1e-9
    assert not trend.is_drifting


def test_missing_values_are_left_out_and_too_few_say_nothing() -> None:
    values: list[float | None] = [1.0, None, 3.0, math.nan, 5.0, 7.0]
    assert find_trend(range(6), values) is None
    assert find_trend(range(7), [*values, 9.0]) == find_trend([0, 2, 4, 5, 6], [1.0, 3.0, 5.0, 7.0, 9.0])


def test_a_constant_has_no_trend() -> None:
    assert find_trend(range(10), [0.0] * 10) == Trend(1.0, 0.0)


STEADY, DRIFTING = Trend(0.5, 0.2), Trend(0.01, -0.2)


@pytest.mark.parametrize(
    ("trends", "steadiness"),
    [
        ((STEADY, STEADY), Steadiness.STEADY),
        ((STEADY, DRIFTING), Steadiness.DRIFTING),
        ((STEADY, None), Steadiness.TOO_SHORT),
        ((None, DRIFTING), Steadiness.DRIFTING),
        ((None, None), Steadiness.TOO_SHORT),
        ((Trend(0.01, 0.04), STEADY), Steadiness.STEADY),
    ],
)
def test_all_series_have_to_be_steady(trends: tuple[Trend | None, ...], steadiness: Steadiness) -> None:
    assert judge_steadiness(*trends) is steadiness


@given(st.lists(st.floats(0.1, 1e6), min_size=2, max_size=30))
def test_the_coefficient_of_variation_is_numpys(values: list[float]) -> None:
    assert coefficient_of_variation(values) == pytest.approx(
        np.std(values, ddof=1) / np.mean(values), rel=1e-6, abs=1e-9
    )


@pytest.mark.parametrize("values", [[], [1.0], [0.0, 0.0], [None, 2.0]])
def test_no_variation_without_two_values_and_a_mean(values: list[float | None]) -> None:
    assert coefficient_of_variation(values) is None
