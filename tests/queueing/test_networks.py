from math import comb, factorial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpp.queueing.approximate import approximate_mva
from kpp.queueing.networks import Station, exact_mva


def finite_source_throughput(users: int, think: float, service: float, servers: int) -> float:
    """M/M/m//N by its birth and death process (Kleinrock, Queueing Systems I, section 3.8)."""
    weights = []
    for inside in range(users + 1):
        ways = comb(users, inside)
        if inside > servers:
            ways = ways * factorial(inside) / (factorial(servers) * servers ** (inside - servers))
        weights.append(ways * (service / think) ** inside)
    busy = np.minimum(np.arange(users + 1), servers) @ np.array(weights) / sum(weights)
    return float(busy) / service


@pytest.mark.parametrize("servers", [1, 2, 5])
@pytest.mark.parametrize("users", [1, 4, 15, 40])
def test_a_repair_shop_has_the_throughput_of_its_birth_and_death_process(users: int, servers: int) -> None:
    found = exact_mva([Station(0.5, servers)], users, think_time_seconds=3.0)

    assert found.throughput_rps == pytest.approx(finite_source_throughput(users, 3.0, 0.5, servers), rel=1e-9)


@given(stations=st.integers(1, 6), users=st.integers(1, 50), demand=st.floats(0.01, 10))
def test_a_balanced_network_has_its_closed_form(stations: int, users: int, demand: float) -> None:
    found = exact_mva([Station(demand)] * stations, users)

    assert found.throughput_rps == pytest.approx(users / (demand * (users + stations - 1)))


@given(
    demands=st.lists(st.floats(0.01, 1), min_size=1, max_size=4),
    servers=st.lists(st.integers(1, 4), min_size=4, max_size=4),
    users=st.integers(1, 40),
    think=st.floats(0, 5),
)
def test_every_customer_is_somewhere(
    demands: list[float], servers: list[int], users: int, think: float
) -> None:
    stations = [Station(*pair) for pair in zip(demands, servers, strict=False)]

    found = exact_mva(stations, users, think)

    assert found.queue_lengths.sum() + found.throughput_rps * think == pytest.approx(users)
    capacity = min(each.server_count / each.service_demand_seconds for each in stations)
    assert found.throughput_rps <= capacity * (1 + 1e-9)


@given(
    demands=st.lists(st.floats(0.01, 1), min_size=1, max_size=4),
    servers=st.lists(st.integers(1, 4), min_size=4, max_size=4),
    users=st.integers(1, 60),
    think=st.floats(0, 20),
)
def test_the_approximation_is_near_the_exact_solution_and_below_the_bounds(
    demands: list[float], servers: list[int], users: int, think: float
) -> None:
    counts = servers[: len(demands)]
    stations = [Station(*pair) for pair in zip(demands, counts, strict=True)]
    exact = exact_mva(stations, users, think).throughput_rps

    found = float(approximate_mva(demands, counts, users, think)[0])

    assert found == pytest.approx(exact, rel=0.2)  # two users at two servers are the worst
    assert found <= min(count / demand for demand, count in zip(demands, counts, strict=True)) * (1 + 1e-9)
    assert found <= users / (think + sum(demands)) * (1 + 1e-9)


def test_alone_nobody_waits_whichever_way_it_is_solved() -> None:
    assert approximate_mva([0.1, 0.2], [1, 1], 1, 0.7)[0] == pytest.approx(1.0)
    assert exact_mva([Station(0.1), Station(0.2)], 1, 0.7).throughput_rps == pytest.approx(1.0)


def test_many_situations_are_solved_together() -> None:
    users = np.array([1.0, 10.0, 1e6])

    together = approximate_mva([0.1, 0.2], [1, 2], users, 0.7)

    apart = [float(approximate_mva([0.1, 0.2], [1, 2], each, 0.7)[0]) for each in users]
    np.testing.assert_allclose(together, apart, rtol=1e-12)
    assert together[2] == pytest.approx(10.0, rel=1e-4)
