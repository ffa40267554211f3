"""The backlog of a closed loop, against exact mean value analysis."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpp.queueing.approximate import approximate_mva, solve_saturating
from kpp.queueing.backlog import closed_backlog, room_of
from kpp.queueing.networks import Station, exact_mva

THINK_SECONDS = 3.7


def _response_time(demand: float, users: int) -> float:
    """Of a station with exponential service, by the formula: every other user is one that may be met."""
    one, others = np.array([float(users)]), (users - 1) / users

    def respond(throughput: np.ndarray, log_idle: np.ndarray) -> np.ndarray:
        room = room_of(1 / demand, THINK_SECONDS, 1.0)
        waits = demand * closed_backlog(throughput * demand, log_idle, room)
        return np.asarray(demand + others * waits)

    think = np.array([THINK_SECONDS])
    throughput, _ = solve_saturating(one, think, respond, np.array([1 / demand]))
    return float(users / throughput[0] - THINK_SECONDS)


@pytest.mark.parametrize("share_of_knee", [0.3, 0.7, 0.9, 0.97, 1.0, 1.03, 1.1, 1.5, 4])
@pytest.mark.parametrize("demand", [0.002, 0.02, 0.1])
def test_around_the_knee_it_is_nearly_exact(share_of_knee: float, demand: float) -> None:
    users = round(share_of_knee * (THINK_SECONDS + demand) / demand)
    exact = exact_mva([Station(demand)], users, THINK_SECONDS).response_time_seconds

    assert _response_time(demand, users) == pytest.approx(exact, rel=0.05)


def test_what_it_replaces_errs_by_a_fifth_at_the_knee() -> None:
    demand, users = 0.02, 186
    exact = exact_mva([Station(demand)], users, THINK_SECONDS).response_time_seconds
    schweitzer = users / float(approximate_mva([demand], [1], users, THINK_SECONDS)[0]) - THINK_SECONDS

    assert schweitzer > 1.2 * exact
    assert _response_time(demand, users) == pytest.approx(exact, rel=0.03)


@given(busy=st.floats(0.001, 0.95))
def test_without_an_end_of_customers_it_is_the_open_queue(busy: float) -> None:
    assert closed_backlog(busy, np.log1p(-busy), 1e8) == pytest.approx(busy / (1 - busy), rel=1e-3)


@given(room=st.floats(1, 1e4), busy=st.lists(st.floats(0, 0.999999), min_size=2, max_size=2))
def test_it_grows_with_the_load_and_stays_below_the_open_queue(room: float, busy: list[float]) -> None:
    loads = np.sort(busy)

    light, heavy = closed_backlog(loads, np.log1p(-loads), room)

    assert 0 <= light <= heavy * (1 + 1e-9)
    assert heavy <= loads[1] / (1 - loads[1]) * (1 + 1e-6)


@given(room=st.floats(1, 1e3), nearness=st.floats(1, 1e9))
def test_however_near_to_saturation_it_is_finite_and_grows(room: float, nearness: float) -> None:
    near, nearer = closed_backlog(1.0, np.array([-nearness, -2 * nearness - 1]), room)

    assert 0 < near < nearer < np.inf


def test_far_into_saturation_all_wait_but_those_that_the_capacity_lets_think() -> None:
    users, demand = 100_000, 0.02

    waiting = users - THINK_SECONDS / demand

    assert _response_time(demand, users) == pytest.approx(waiting * demand, rel=1e-3)
