import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from kpp.queueing.stations import (
    CFS_PERIOD_SECONDS,
    WORK_VARIABILITY,
    erlang_c,
    multi_server_wait,
    processor_sharing_wait,
    throttled_wait,
)


@pytest.mark.parametrize(
    ("servers", "offered", "printed"),
    [(1, 0.5, 0.5), (2, 1.0, 0.3333), (5, 4.0, 0.5541), (10, 8.0, 0.4092), (50, 40.0, 0.0870)],
)
def test_the_probability_of_waiting_is_that_of_erlangs_tables(
    servers: int, offered: float, printed: float
) -> None:
    assert erlang_c(servers, offered / servers) == pytest.approx(printed, abs=6e-5)


@given(servers=st.integers(1, 200), busy=st.floats(0.01, 0.99))
def test_the_probability_of_waiting_is_that_of_the_birth_and_death_process(servers: int, busy: float) -> None:
    offered = servers * busy
    below = stats.poisson.cdf(servers - 1, offered)
    full = stats.poisson.pmf(servers, offered) / (1 - busy)

    assert erlang_c(servers, busy) == pytest.approx(full / (below + full), rel=1e-9)


def test_one_server_is_an_m_m_1() -> None:
    assert multi_server_wait(0.1, 1, 0.8) == pytest.approx(0.1 * 0.8 / 0.2)
    assert processor_sharing_wait(0.1, 0.8) == pytest.approx(0.1 * 0.8 / 0.2)


@pytest.mark.parametrize("wait", [multi_server_wait(0.1, 2, 1.0), processor_sharing_wait(0.1, 1.2)])
def test_a_queue_at_its_capacity_has_no_limit(wait: np.ndarray) -> None:
    assert np.isinf(wait)


@given(
    cpu=st.floats(1e-4, 0.1),
    limit=st.floats(0.05, 8.0),
    burst=st.floats(1, 20),
    busy=st.lists(st.floats(0, 0.999), min_size=2, max_size=2),
)
def test_throttling_grows_with_the_utilization_up_to_processor_sharing(
    cpu: float, limit: float, burst: float, busy: list[float]
) -> None:
    light, heavy = throttled_wait(cpu, limit, np.sort(busy), burst)

    assert 0 <= light <= heavy
    assert heavy <= processor_sharing_wait(cpu * WORK_VARIABILITY / limit, max(busy)) * (1 + 1e-9)


def test_a_request_far_below_the_quota_is_not_throttled() -> None:
    quota = 2.0 * CFS_PERIOD_SECONDS

    assert throttled_wait(quota / 1000, 2.0, 0.2) < 1e-9


def test_near_the_limit_throttling_is_processor_sharing_at_the_limit() -> None:
    shared = processor_sharing_wait(0.01 * WORK_VARIABILITY / 0.5, 0.999)

    assert throttled_wait(0.01, 0.5, 0.999) == pytest.approx(shared, rel=0.01)


def test_a_service_without_demand_does_not_wait() -> None:
    assert throttled_wait(0.0, 0.2, 0.9) == 0
