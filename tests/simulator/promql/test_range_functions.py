"""`rate` and its like, against what was put in."""

import itertools
import math
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpp.simulator.promql import STALE, SampleStore, query_instant, query_range


def ask(query: str, samples: Iterable[tuple[float, float]], at: float) -> float | None:
    """Evaluate a query over one series `x`, given as (seconds, value)."""
    store = SampleStore()
    number = store.series_number({"__name__": "x"})
    for second, value in samples:
        store.append(number, round(second * 1000), value)
    result = query_instant(store, query, round(at * 1000))["result"]
    return float(result[0]["value"][1]) if result else None


@given(
    per_second=st.floats(0.01, 1e4),
    window=st.integers(45, 600),
    at=st.floats(700, 1000).map(lambda seconds: round(seconds, 3)),
)
def test_the_rate_of_an_even_counter_is_its_slope(per_second: float, window: int, at: float) -> None:
    evenly = [(second, 1e5 + per_second * second) for second in range(0, 1006, 15)]
    assert ask(f"rate(x[{window}s])", evenly, at) == pytest.approx(per_second)
    assert ask(f"increase(x[{window}s])", evenly, at) == pytest.approx(per_second * window)


def test_a_fall_is_a_reset() -> None:
    samples = [(0, 100.0), (15, 130.0), (30, 6.0), (45, 9.0), (60, 12.0)]
    assert ask("increase(x[1m])", samples, 60) == pytest.approx(30 + 6 + 3 + 3)
    assert ask("resets(x[1m])", samples, 60) == 1
    assert ask("delta(x[1m])", samples, 60) == pytest.approx(12 - 100)


def test_both_ends_of_a_range_are_inside() -> None:
    samples = [(0, 1.0), (60, 2.0), (120, 4.0)]
    assert ask("count_over_time(x[1m])", samples, 60) == 2
    assert ask("count_over_time(x[1m])", samples, 60.001) == 1
    assert ask("sum_over_time(x[1m])", samples, 120) == 6


def test_one_sample_has_no_rate() -> None:
    assert ask("rate(x[1m])", [(30, 5.0)], 60) is None
    assert ask("rate(x[1m])", [(30, 5.0), (45, 6.0)], 60) is not None


def test_extrapolates_to_a_near_boundary_and_half_a_distance_to_a_far_one() -> None:
    samples = [(30, 1030.0), (40, 1040.0), (50, 1050.0)]  # 10 s apart: a boundary is near within 11 s
    assert ask("increase(x[40s])", samples, 60) == pytest.approx(20 + 10 + 10)
    assert ask("increase(x[45s])", samples, 65) == pytest.approx(20 + 10 + 5)
    assert ask("increase(x[60s])", samples, 60) == pytest.approx(20 + 5 + 10)


def test_a_counter_is_not_extrapolated_below_zero() -> None:
    samples = [(30, 4.0), (40, 14.0), (50, 24.0)]  # was 0 at 26 s
    assert ask("increase(x[30s])", samples, 50) == pytest.approx(24.0)
    assert ask("delta(x[30s])", samples, 50) == pytest.approx(20 + 10)  # a gauge may have been below 0


def test_irate_takes_the_last_two() -> None:
    samples = [(0, 0.0), (10, 100.0), (20, 130.0), (40, 190.0)]
    assert ask("irate(x[1m])", samples, 50) == pytest.approx(3.0)
    assert ask("idelta(x[1m])", samples, 50) == pytest.approx(60.0)
    assert ask("irate(x[1m])", [(0, 50.0), (10, 7.0)], 20) == pytest.approx(0.7)  # a reset


def test_stale_markers_are_no_samples() -> None:
    samples = [(0, 1.0), (15, STALE), (30, 3.0), (45, STALE)]
    assert ask("count_over_time(x[1m])", samples, 45) == 2
    assert ask("last_over_time(x[1m])", samples, 45) == 3
    assert ask("x", samples, 44) == 3
    assert ask("x", samples, 45) is None


def test_looks_back_five_minutes() -> None:
    assert ask("x", [(0, 7.0)], 300) == 7
    assert ask("x", [(0, 7.0)], 300.001) is None
    assert ask("x", [(1, 7.0)], 0.999) is None


values = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20)


@given(values=values)
def test_over_time_agrees_with_python(values: list[float]) -> None:
    samples = list(enumerate(values))
    assert ask("sum_over_time(x[1m])", samples, 20) == pytest.approx(math.fsum(values), rel=1e-12, abs=1e-9)
    assert ask("avg_over_time(x[1m])", samples, 20) == pytest.approx(
        math.fsum(values) / len(values), rel=1e-12, abs=1e-9
    )
    assert ask("max_over_time(x[1m])", samples, 20) == max(values)
    assert ask("min_over_time(x[1m])", samples, 20) == min(values)
    assert ask("count_over_time(x[1m])", samples, 20) == len(values)
    assert ask("last_over_time(x[1m])", samples, 20) == values[-1]
    assert ask("changes(x[1m])", samples, 20) == sum(a != b for a, b in itertools.pairwise(values))


def test_a_sum_does_not_lose_what_is_small() -> None:
    assert ask("sum_over_time(x[1m])", [(0, 1e16), (1, 1.0), (2, -1e16)], 10) == 1.0


@given(step=st.integers(1, 40), start=st.integers(0, 200))
def test_a_range_query_is_its_instant_queries_in_a_row(step: int, start: int) -> None:
    store = SampleStore()
    number = store.series_number({"__name__": "x"})
    for second in range(0, 400, 15):
        store.append(number, second * 1000, float(second % 100))
    query = "rate(x[40s]) or x > 50"
    end = start + 10 * step
    series = query_range(store, query, start * 1000, end * 1000, step * 1000)["result"]
    in_a_row = {
        (tuple(found["metric"].items()), found["value"][0]): found["value"][1]
        for instant in range(start, end + 1, step)
        for found in query_instant(store, query, instant * 1000)["result"]
    }
    assert {
        (tuple(found["metric"].items()), instant): value
        for found in series
        for instant, value in found["values"]
    } == in_a_row
