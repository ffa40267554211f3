"""What callees of a stopped caller wait, against a simulation, and the laws that crowds keep."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpp.queueing.crowds import AT_ONCE, SEND_SECONDS, Crowds, crowds_of
from kpp.queueing.layered import CallGraph
from kpp.queueing.stations import CFS_PERIOD_SECONDS, WORK_VARIABILITY, crowded_share
from tests.queueing.periods import Crowded

CALLER, CALLEE, OTHER = 0, 1, 2
PERIODS = 800


def _crowds(
    stopped: float,
    flow: float,
    calls: float,
    work: float = 0.001,
    others: float = 0.0,
    callers_work: float = 0.0,
) -> Crowds:
    graph = CallGraph.of([CALLER, CALLER], [CALLEE, OTHER], [calls, others], 3)
    flows = np.array([[flow, flow * calls, flow * others]])
    there = np.array([[stopped, 0.0, 0.0]])
    return crowds_of(graph, there, flows, np.ones((1, 3)), np.array([[callers_work, work, 0.0]]))


@pytest.mark.parametrize(
    ("size", "work_ms", "quota_ms"), [(4.65, 2.4, 19.4), (19.3, 0.85, 19.3), (16, 0.85, 19.3), (7.2, 4.7, 39)]
)
def test_what_a_crowd_waits_for_quotas_is_that_of_a_simulation(
    size: float, work_ms: float, quota_ms: float
) -> None:
    crowd = Crowded(size, work_ms / 1e3, 0.005, quota_ms / 1e3, servers=2)
    _, stopped = crowd.measure(PERIODS, seed=1)

    busy, limit = size * work_ms / quota_ms, quota_ms / 1e3 / CFS_PERIOD_SECONDS
    work = work_ms / 1e3 * WORK_VARIABILITY
    share = float(crowded_share(work_ms / 1e3, limit, busy))

    # a process of long memory: PERIODS of it scatter by a fifth
    assert work / limit * busy / (1 - busy) * share == pytest.approx(stopped, rel=0.4)


def test_a_crowd_that_is_far_below_the_quota_does_not_wait_for_it() -> None:
    assert crowded_share(0.0003, 0.2, 0.3) < 1e-4


def test_a_crowd_queues_like_a_fluid() -> None:
    """Without chance in its size: 100 calls of 10 ms, two at once, sent within a few of these."""
    found = _crowds(1e6, 1000 / 1.0, 1.0, work=0.010).wait[0, CALLEE]

    sent_in = 100 * SEND_SECONDS / AT_ONCE
    assert found == pytest.approx((100 * 0.010 / AT_ONCE - sent_in) / 2, rel=0.01)


def test_a_crowd_comes_no_faster_than_its_caller_works() -> None:
    """Half of a request's work is before its only call; what is served faster than that does not queue."""
    size, between = 100, 0.010 / 2 / AT_ONCE
    slower = _crowds(1e6, 1000, 1.0, work=0.020, callers_work=0.010).wait[0, CALLEE]
    faster = _crowds(1e6, 1000, 1.0, work=0.001, callers_work=0.010).wait[0, CALLEE]

    assert slower == pytest.approx(size * (0.020 / AT_ONCE - between) / 2, rel=0.01)
    assert faster < 0.0002


def test_calls_that_are_sent_more_slowly_than_they_are_served_do_not_wait() -> None:
    alone = _crowds(1e6, 50, 1.0, work=0.0002).wait[0, CALLEE]
    among_others = _crowds(1e6, 50, 1.0, work=0.0002, others=20.0).wait[0, CALLEE]

    assert among_others < alone < 0.001
    assert among_others < 1e-5


@given(stopped=st.floats(0, 1e9), flow=st.floats(0.1, 1e4), calls=st.floats(0.01, 20))
def test_no_more_comes_in_crowds_than_the_caller_sends(stopped: float, flow: float, calls: float) -> None:
    found = _crowds(stopped, flow, calls)

    assert 0 <= found.share[0, CALLEE] <= 1
    assert found.wait[0, CALLEE] >= 0
    assert found.wait[0, CALLEE] <= flow * calls * CFS_PERIOD_SECONDS * 0.001 + 0.01


@given(
    stopped=st.lists(st.floats(0, 1e6), min_size=2, max_size=2),
    flow=st.floats(0.1, 1e3),
    calls=st.floats(0.01, 20),
)
def test_more_stopped_requests_make_larger_crowds(stopped: list[float], flow: float, calls: float) -> None:
    few, many = (_crowds(each, flow, calls) for each in sorted(stopped))

    assert few.share[0, CALLEE] <= many.share[0, CALLEE] * (1 + 1e-9) + 1e-12


@given(
    stopped=st.lists(st.floats(0, 1e6), min_size=2, max_size=2),
    flow=st.floats(0.1, 1e3),
    work=st.floats(1e-5, 0.1),
    others=st.floats(0, 20),
    callers_work=st.floats(0, 0.1),
)
def test_nobody_waits_less_in_a_larger_crowd(
    stopped: list[float], flow: float, work: float, others: float, callers_work: float
) -> None:
    few, many = (
        _crowds(each, flow, 1.0, work, others, callers_work).wait[0, CALLEE] for each in sorted(stopped)
    )

    assert few <= many * (1 + 1e-6) + 1e-9


def test_a_few_stopped_requests_send_one_call_each() -> None:
    found = _crowds(2.0, 1000, 3.0)

    # two requests, of which three quarters are before a call and not before the answer
    assert found.share[0, CALLEE] * 1000 * 3 * CFS_PERIOD_SECONDS == pytest.approx(2 * 3 / 4, rel=0.01)
