"""Quantiles from buckets, against distributions whose quantiles are known."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpp.simulator.promql.quantiles import bucket_quantile

BOUNDS = [5.0, 10.0, 25.0, 50.0, math.inf]


@given(quantile=st.floats(0, 1), count=st.integers(1, 10**9))
def test_a_uniform_distribution_keeps_its_quantiles(quantile: float, count: int) -> None:
    counts = [count * min(bound, 50.0) / 50 for bound in BOUNDS]
    assert bucket_quantile(quantile, BOUNDS, counts) == pytest.approx(50 * quantile)


increments = st.lists(st.integers(0, 1000), min_size=len(BOUNDS), max_size=len(BOUNDS)).filter(any)


@given(quantile=st.floats(0.001, 1), increments=increments)
def test_a_quantile_lies_in_the_bucket_that_holds_its_rank(quantile: float, increments: list[int]) -> None:
    counts = [float(sum(increments[: place + 1])) for place in range(len(increments))]
    bucket = next(place for place, count in enumerate(counts) if count >= quantile * counts[-1])
    lower, upper = ([0.0, *BOUNDS][bucket], BOUNDS[bucket]) if bucket < len(BOUNDS) - 1 else (50.0, 50.0)
    assert lower * (1 - 1e-12) <= bucket_quantile(quantile, BOUNDS, counts) <= upper * (1 + 1e-12)


def test_what_has_no_quantile() -> None:
    assert math.isnan(bucket_quantile(0.5, BOUNDS, [0.0] * 5))  # nothing was observed
    assert math.isnan(bucket_quantile(0.5, [1.0, 2.0], [1.0, 2.0]))  # no bucket up to +Inf
    assert math.isnan(bucket_quantile(0.5, [math.inf], [1.0]))
    assert bucket_quantile(-0.1, BOUNDS, [1.0] * 5) == -math.inf
    assert bucket_quantile(1.1, BOUNDS, [1.0] * 5) == math.inf
