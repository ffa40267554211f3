"""Crowds, replicas and background: what the network makes of more than single stations."""

from dataclasses import replace

import numpy as np
import pytest

from kpp.queueing.estimation.demand_fall import DemandFall
from kpp.queueing.estimation.estimates import Estimates
from kpp.queueing.estimation.estimation import estimate
from kpp.queueing.estimation.robust import Estimate
from kpp.queueing.parameters import Situations
from kpp.queueing.system import solve
from tests.queueing.closed_systems import Chain, Tier

# the caller stops for its quota at some 100 req/s, its callee is far from its own
CALLER = Tier("caller", 0.010, 0.010, background_cores=0.0, limit_cores=1.0)
CALLEE = Tier("callee", 0.004, 0.004, background_cores=0.0, limit_cores=4.0)
BOTH = Chain((CALLER, CALLEE), 1.0, noise=0.0)


def _ask(found: Estimates, users: float, replicas: float = 1.0) -> tuple[float, float]:
    """The callee's waiting time, and the caller's."""
    limits = found.capacity.cpu_limit[-1:]
    asked = Situations(np.array([users]), np.array([np.nan]), np.full((1, 2), replicas), limits)
    wait = solve(found.parameters, asked).wait[0]
    callee, caller = (found.levels.services.index(name) for name in ("callee", "caller"))
    return float(wait[callee]), float(wait[caller])


@pytest.mark.parametrize("with_calls", [True, False])
def test_a_callee_meets_crowds_once_its_caller_is_stopped(with_calls: bool) -> None:
    chain = replace(BOTH, tiers=(replace(CALLER, calls=4.0), CALLEE))
    found = estimate(chain.measure([2, 4, 6, 8]), chain.calls() if with_calls else None)

    calm, _ = _ask(found, 20)
    crowded, _ = _ask(found, 1000)

    # ten requests are resumed in a period of 100 ms, two of them at once; each works a fifth before it calls
    assert calm < 0.0005
    assert crowded == pytest.approx(40 / 2 * (0.004 - 0.010 / 5) / 2, rel=0.15)


def test_without_a_limit_nobody_is_stopped() -> None:
    chain = replace(BOTH, tiers=(replace(CALLER, limit_cores=None), CALLEE))
    found = estimate(chain.measure([2, 4, 6, 8]), chain.calls())

    assert _ask(found, 400)[0] < 0.0005


def test_a_callee_does_not_answer_faster_once_its_caller_is_saturated() -> None:
    """CPU time that falls with the offered load is capacity there, and no relief for those who wait."""
    chain = replace(BOTH, tiers=(CALLER, replace(CALLEE, limit_cores=0.5)))
    found = estimate(chain.measure([2, 4, 6, 8]), None)
    fall = DemandFall(Estimate(0.05, 0.0), reference_rps=50.0, largest_load=1.0)
    parameters = replace(found.parameters, fall=fall)
    users = np.array([150.0, 200.0, 300.0, 450.0])
    limits = np.tile(found.capacity.cpu_limit[-1:], (4, 1))

    solution = solve(parameters, Situations(users, np.full(4, np.nan), np.ones((4, 2)), limits))

    callee = found.levels.services.index("callee")
    assert (np.diff(solution.bound) > 0).all()
    assert (np.diff(solution.wait[:, callee]) >= -1e-9).all()


def test_replicas_share_a_backlog() -> None:
    found = estimate(BOTH.measure([2, 4, 6, 8]), BOTH.calls())

    assert _ask(found, 180, replicas=2)[1] < _ask(found, 90)[1]


@pytest.mark.parametrize("seed", range(3))
def test_a_service_that_idles_at_many_times_the_others_cpu_keeps_its_background(seed: int) -> None:
    small = [Tier(f"small-{number}", 0.002, 0.001, background_cores=0.003) for number in range(5)]
    large = Tier("large", 0.004, 0.003, background_cores=0.08)
    chain = Chain((large, *small), 2.0, noise=0.03, seed=seed)

    found = estimate(chain.measure([20, 40, 60, 80, 100]), chain.calls())

    at = found.levels.services.index("large")
    assert found.cpu.background[at] == pytest.approx(0.08, rel=0.15)
    assert found.cpu.demand[at] == pytest.approx(0.003, rel=0.15)
