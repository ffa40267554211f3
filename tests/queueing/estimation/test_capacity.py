"""What one saturated step makes of a capacity that light loads told."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from kpp.queueing.estimation.capacity import estimate_capacity
from kpp.queueing.estimation.estimates import Estimates
from kpp.queueing.estimation.estimation import estimate
from kpp.queueing.estimation.plateau import Plateau
from kpp.queueing.estimation.robust import Estimate
from kpp.schema import TIMESTAMP
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
    steady = replace(found.cpu, drift=np.zeros(1))
    capacity = estimate_capacity(found.levels, steady, recorded, [plateau])
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


DRIFTING = replace(SHOP, background_cores=0.0)
DRIFT = 0.06  # standard deviation of an hour's work
CAMPAIGNS = 50


def _drifting(levels: list[int], rng: np.random.Generator) -> pd.DataFrame:
    """A campaign each level of which has an hour of its own."""
    parts = []
    for number, users in enumerate(levels):
        seconds = DRIFTING.service_seconds * float(np.exp(DRIFT * rng.standard_normal()))
        tier = replace(DRIFTING, service_seconds=seconds, demand_seconds=seconds)
        rows = Chain((tier,), noise=0.01, seed=number).measure([users])
        parts.append(rows.assign(**{TIMESTAMP: rows[TIMESTAMP] + 3600.0 * number}))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("seen", [[], [120]], ids=["light loads alone", "one saturated level"])
def test_the_error_of_a_capacity_holds_that_of_another_hour(seen: list[int]) -> None:
    """Many campaigns, and one hour more for each: 90 % intervals hold 90 %, less what chance makes of it."""
    rng, held = np.random.default_rng(1), []
    for _ in range(CAMPAIGNS):
        found = estimate(_drifting([4, 8, 12, 16, 20, 24, *seen], rng))
        true = 1 / (DRIFTING.service_seconds * np.exp(DRIFT * rng.standard_normal()))
        apart = np.log(true / found.saturation_of_replica()[0])
        held.append(abs(apart) <= 1.645 * found.capacity.error[0])

    assert np.mean(held) >= 0.9 - 1.645 * np.sqrt(0.9 * 0.1 / CAMPAIGNS)
