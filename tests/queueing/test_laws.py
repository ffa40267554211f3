import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpp.queueing import laws
from kpp.queueing.networks import Station, exact_mva

DEMANDS = st.lists(st.floats(0.001, 1.0), min_size=1, max_size=5)


@given(users=st.integers(1, 1000), think=st.floats(0, 100), time=st.floats(0.001, 100))
def test_the_three_forms_of_the_response_time_law_are_one(users: int, think: float, time: float) -> None:
    rps = laws.throughput(users, think, time)

    assert laws.think_time(users, rps, time) == pytest.approx(think, abs=1e-9)
    assert laws.response_time(users, rps, think) == pytest.approx(time, abs=1e-9)


@given(demands=DEMANDS, users=st.integers(1, 60), think=st.floats(0, 10))
def test_the_exact_throughput_lies_within_all_bounds(demands: list[float], users: int, think: float) -> None:
    exact = exact_mva([Station(demand) for demand in demands], users, think).throughput_rps

    asymptotic = float(laws.throughput_bound(users, think, sum(demands), 1 / max(demands)))
    low, high = laws.balanced_job_bounds(demands, users, think)

    assert low * (1 - 1e-9) <= exact <= high * (1 + 1e-9)
    assert high <= asymptotic * (1 + 1e-9)


def test_the_bounds_of_a_balanced_network_meet() -> None:
    low, high = laws.balanced_job_bounds([0.1, 0.1, 0.1], 7, 0.0)

    assert low == pytest.approx(high) == pytest.approx(7 / (0.1 * (7 + 2)))


def test_at_the_knee_both_asymptotes_give_the_same_throughput() -> None:
    users = laws.knee(4.5, 0.5, 20.0)

    assert laws.throughput(users, 4.5, 0.5) == pytest.approx(20.0)


def test_utilization_is_shared_by_the_servers() -> None:
    np.testing.assert_allclose(laws.utilization([10.0, 20.0], 0.02, 4), [0.05, 0.1])
