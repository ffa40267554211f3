"""What one saturated step makes of a capacity that light loads told."""

from dataclasses import replace

import pytest

from kpp.queueing.estimation.capacity import estimate_capacity
from kpp.queueing.estimation.estimates import Estimates
from kpp.queueing.estimation.estimation import estimate
from kpp.queueing.estimation.plateau import Plateau
from kpp.queueing.estimation.robust import Estimate
from tests.queueing.closed_systems import Chain, Tier

SHOP = Tier("shop", 0.02, 0.02, background_cores=0.05, limit_cores=1.0)
HIGHER = 1.1  # times what light loads say: within what still counts as the CPU limit


@pytest.fixture(scope="module")
def found() -> Estimates:
    return estimate(Chain((SHOP,), noise=0.01).measure([2, 4, 6, 8, 10, 12]))


def _demand(found: Estimates, error: float) -> tuple[float, float]:
    """The demand after a plateau with that error, relative to the fit's, and the capacity's error."""
    usual = (1.0 - found.cpu.background[0]) / found.cpu.demand[0]
    seen = Estimate(HIGHER * usual, error * HIGHER * usual)
    plateau = Plateau(0, seen, (len(found.levels) - 1,))
    # the sidecar's CPU is not apart in the CPU that the limit holds back
    recorded = replace(found.application, share=found.application.share * 0 + 1.0)
    capacity = estimate_capacity(found.levels, found.cpu, recorded, [plateau])
    return float(capacity.demand[0] / found.cpu.demand[0]), float(capacity.error[0])


def test_far_into_saturation_the_plateau_is_believed(found: Estimates) -> None:
    demand, error = _demand(found, 0.005)

    assert demand == pytest.approx(1 / HIGHER, rel=0.01)
    assert error == pytest.approx(0.005, rel=0.05)


def test_a_step_near_the_knee_is_weighed(found: Estimates) -> None:
    roughly, _ = _demand(found, 0.07)
    hardly, error = _demand(found, 0.5)

    assert 0.93 < roughly < 0.99
    assert hardly == pytest.approx(1.0, abs=0.005)
    assert error < 0.06
