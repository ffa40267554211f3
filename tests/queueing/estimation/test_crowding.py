"""How much of the crowds' wait is believed, against queues without crowds and a simulated crowd."""

import numpy as np
import pytest

from kpp.queueing.estimation.estimation import estimate
from kpp.queueing.estimation.robust import Estimate
from kpp.schema import RESPONSE_TIME, SERVICE, USER_COUNT
from tests.queueing.closed_systems import Chain, Tier
from tests.queueing.periods import Crowded

# the caller stops for its quota at 50 req/s, beyond 100 users; its callee is far from its own limit, and
# eight cores work on each of its requests
CALLER = Tier("caller", 0.020, 0.020, background_cores=0.0, limit_cores=1.0)
CALLEE = Tier("callee", 0.002, 0.016, background_cores=0.0, limit_cores=4.0)
CHAIN = Chain((CALLER, CALLEE), 2.0, noise=0.01)
CALM = [10, 20, 30, 40]
SATURATED = 180


def _learn(user_counts: list[int], crowd_seconds: float = 0.0, with_calls: bool = True) -> Estimate:
    """The callee's share, where it waits so much longer while the caller is saturated."""
    rows = CHAIN.measure(user_counts)
    crowded = (rows[SERVICE] == "callee") & (rows[USER_COUNT] >= SATURATED)
    rows[RESPONSE_TIME] += np.where(crowded, crowd_seconds, 0.0)
    found = estimate(rows, CHAIN.calls() if with_calls else None)
    return found.crowding[found.levels.services.index("callee")]


@pytest.mark.parametrize("with_calls", [True, False])
def test_queues_that_know_no_crowds_deny_them(with_calls: bool) -> None:
    found = _learn([*CALM, SATURATED, 250], with_calls=with_calls)

    assert found.value < 0.3
    assert found.standard_error < 0.3


def test_a_simulated_crowd_confirms_them() -> None:
    # five requests in a period; the caller works on two for 10 ms before they call
    crowd = Crowded(size=5, work_seconds=0.016, takes_seconds=0.025, quota_seconds=0.4, servers=2)
    there, _ = crowd.measure(100, seed=1)

    found = _learn([*CALM, SATURATED, 250], crowd_seconds=there - 0.016)

    assert found.value > 0.8


def test_where_nothing_was_saturated_they_are_believed_and_doubted() -> None:
    assert _learn(CALM) == Estimate(1.0, 1.0)


def test_a_level_at_which_saturation_only_begins_says_little() -> None:
    begins, saturated = _learn([*CALM, 72]), _learn([*CALM, SATURATED])

    assert begins.value > 0.5 > saturated.value
    assert begins.standard_error > 3 * saturated.standard_error


def test_a_service_that_nobody_calls_tells_nothing() -> None:
    found = estimate(CHAIN.measure([*CALM, SATURATED]), CHAIN.calls())

    assert found.crowding[found.levels.services.index("caller")] == Estimate(1.0, 1.0)


def test_saturated_loads_do_not_spoil_the_own_time_of_a_callee() -> None:
    """The wait that is not there is not taken off, even where most loads are saturated."""
    found = estimate(CHAIN.measure([20, 150, 180, 200, 250]), CHAIN.calls())

    assert found.unloaded[found.levels.services.index("callee")].value == pytest.approx(0.0021, rel=0.1)
