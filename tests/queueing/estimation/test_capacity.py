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
from kpp.queueing.parameters import Situations
from kpp.queueing.system import solve
from kpp.schema import CPU_USAGE, TIMESTAMP, USER_COUNT
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
    plateau = Plateau(0, seen, seen, (len(found.levels) - 1,))
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


def test_a_lock_does_not_become_faster_as_requests_need_less_cpu() -> None:
    """The lock is held for 20 ms whatever the load; the CPU time of all services falls by a third."""
    web = Tier("web", 0.004, 0.004, limit_cores=None)
    store = Tier("store", 0.020, 0.002, limit_cores=None)
    chain = Chain((web, store), 1.0, noise=0.01)
    rows = chain.measure([5, 15, 25, 35, 45, 60, 75])
    rows[CPU_USAGE] *= np.exp(-0.4 * (rows[USER_COUNT] / 75))

    found = estimate(rows, chain.calls())

    assert found.parameters.fall.rate.value > 0.1
    users = np.array([60.0, 150.0, 300.0])
    limits = np.tile(found.capacity.cpu_limit[-1:], (3, 1))
    asked = Situations(users, np.full(3, np.nan), np.ones((3, 2)), limits)
    exact = [chain.solve(int(count))[0][1] for count in users]
    entry = found.parameters.entry
    assert solve(found.parameters, asked).throughput[:, entry] == pytest.approx(exact, rel=0.05)


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
