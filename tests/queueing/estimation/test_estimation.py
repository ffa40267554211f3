"""Planted parameters are recovered within their standard errors."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from kpp.errors import InputError
from kpp.queueing.estimation.capacity import estimate_capacity
from kpp.queueing.estimation.estimates import Estimates
from kpp.queueing.estimation.estimation import estimate
from kpp.queueing.estimation.limits import LimitSource
from kpp.queueing.estimation.robust import Estimate
from kpp.schema import (
    CPU_LIMIT,
    CPU_REQUEST,
    CPU_USAGE,
    RESPONSE_TIME,
    SERVICE,
    THROUGHPUT,
    TIMESTAMP,
    USER_COUNT,
)
from tests.queueing.closed_systems import ENVOY_CUTS_SECONDS, THREE_TIERS, Chain, Tier

SEEDS = range(5)
LIGHT = [1, 2, 3, 4, 5, 6, 8, 10]
ERRORS = 5.0  # standard errors; with eight levels they are themselves unsure


def near(found: Estimate, truth: float, slack: float = 0.0) -> bool:
    return abs(found.value - truth) <= ERRORS * found.standard_error + slack * truth


def index(found: Estimates, name: str) -> int:
    return found.levels.services.index(name)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("with_calls", [True, False])
def test_three_tiers_at_light_load(seed: int, with_calls: bool) -> None:
    chain = Chain(THREE_TIERS, think_time_seconds=2.0, noise=0.03, seed=seed)

    found = estimate(chain.measure(LIGHT), chain.calls() if with_calls else None)

    assert found.levels.services[found.parameters.entry] == "web"
    assert near(found.think_time, 2.0)
    for tier, ratio in zip(THREE_TIERS, chain.visits(), strict=True):
        at = index(found, tier.name)
        errors = np.sqrt(np.diag(found.cpu.covariance[at]))
        assert near(found.visit_ratios[at], ratio)
        assert near(Estimate(found.cpu.background[at], errors[0]), tier.background_cores)
        assert near(Estimate(found.cpu.demand[at], errors[1]), tier.demand_seconds)
        if with_calls:  # some waiting is left at these loads
            assert near(found.unloaded[at], tier.service_seconds, slack=0.08)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_monolith_of_one_service(seed: int) -> None:
    chain = Chain((Tier("shop", 0.02, 0.015, background_cores=0.05),), noise=0.03, seed=seed)

    found = estimate(chain.measure([2, 4, 6, 8, 10, 12]))

    errors = np.sqrt(np.diag(found.cpu.covariance[0]))
    assert near(found.think_time, 1.0)
    assert near(Estimate(found.cpu.background[0], errors[0]), 0.05)
    assert near(Estimate(found.cpu.demand[0], errors[1]), 0.015)
    assert found.capacity.source[0] is LimitSource.UNKNOWN
    assert np.isinf(found.bottleneck()[1])


def test_background_belongs_to_replicas_and_demand_to_requests() -> None:
    small = Chain((Tier("shop", 0.002, 0.001, background_cores=0.05, replicas=1),), noise=0.01)
    large = replace(small, tiers=(replace(small.tiers[0], replicas=4),), source="other.csv", seed=1)
    first, second = small.measure([10, 20, 30]), large.measure([10, 20, 30])
    second[TIMESTAMP] += 1e6

    found = estimate(pd.concat([first, second], ignore_index=True))

    assert found.cpu.background[0] == pytest.approx(0.05, rel=0.05)
    assert found.cpu.demand[0] == pytest.approx(0.001, rel=0.1)


@pytest.mark.parametrize("rate", [0.0, 0.25])
def test_the_fall_of_demand_with_load_is_found_where_there_is_one(rate: float) -> None:
    """Demand and own times of all services fall together; the machine has better and worse hours besides."""
    users = np.arange(20, 61, 4)
    frame = Chain(_many_tiers(), think_time_seconds=5.0, noise=0.02).measure([int(each) for each in users])
    factor = np.exp(-rate * (frame[USER_COUNT] / users.mean() - 1))
    hours = dict(zip(users, np.exp(0.05 * np.random.default_rng(1).standard_normal(len(users))), strict=True))
    background = frame[SERVICE].map({tier.name: tier.background_cores for tier in _many_tiers()})
    frame[CPU_USAGE] = (background + (frame[CPU_USAGE] - background) * factor) * frame[USER_COUNT].map(hours)
    frame[RESPONSE_TIME] = (frame[RESPONSE_TIME] + ENVOY_CUTS_SECONDS) * factor - ENVOY_CUTS_SECONDS

    found = estimate(frame).parameters.fall.rate

    assert found.value == pytest.approx(rate, abs=0.08)
    assert found.value == 0 or found.value > 2 * found.standard_error


def test_the_bottleneck_follows_from_limits_and_light_load() -> None:
    tiers = (THREE_TIERS[0], replace(THREE_TIERS[1], limit_cores=0.4), THREE_TIERS[2])
    chain = Chain(tiers, think_time_seconds=2.0)

    found = estimate(chain.measure(LIGHT), chain.calls())

    service, bound = found.bottleneck()
    truth = (0.4 - tiers[1].background_cores) / tiers[1].demand_seconds
    assert found.levels.services[service] == "app"
    assert bound == pytest.approx(truth, rel=5 * found.capacity.error[service] + 0.01)
    assert found.knee() == pytest.approx(truth * (2.0 + 0.026), rel=0.1)


@pytest.mark.parametrize("with_calls", [True, False])
def test_what_saturates_for_another_reason_is_found_where_it_was_seen(with_calls: bool) -> None:
    """The database holds a lock for 6 ms of each of two visits; its CPU is far from the limit."""
    chain = Chain(THREE_TIERS, think_time_seconds=1.0)

    found = estimate(chain.measure([10, 30, 60, 90, 120]), chain.calls() if with_calls else None)

    (plateau,) = found.capacity.plateaus
    assert found.levels.services[plateau.service] == "database"
    assert plateau.saturation_rps.value == pytest.approx(1 / 0.006, rel=0.06)
    assert found.bottleneck()[1] == pytest.approx(1 / 0.012, rel=0.06)


def test_a_limit_is_inferred_from_saturation_where_none_is_recorded() -> None:
    chain = Chain((Tier("shop", 0.02, 0.02, background_cores=0.05),))

    found = estimate(chain.measure([10, 30, 60, 90]))
    as_quota = estimate_capacity(found.levels, found.cpu, found.application, list(found.capacity.plateaus))

    assert as_quota.source[0] is LimitSource.INFERRED
    assert as_quota.cpu_limit[0, 0] == pytest.approx(0.05 + 1.0, rel=0.05)
    # the response times are those of a processor that is shared, and no quota
    assert found.capacity.ceiling_rps[0] == pytest.approx(1 / 0.02, rel=0.05)
    assert found.capacity.source[0] is LimitSource.SEEN
    assert np.isnan(found.capacity.cpu_limit[0, 0])


def test_a_limit_is_assumed_from_the_request_and_marked() -> None:
    frame = Chain((Tier("shop", 0.02, 0.002),)).measure([5, 10]).assign(**{CPU_REQUEST: 0.25})

    found = estimate(frame)

    assert found.capacity.source[0] is LimitSource.ASSUMED
    assert found.capacity.cpu_limit[0, 0] == 0.5


@pytest.mark.parametrize("names", [("a", "b", "c"), ("c", "b", "a"), ("b", "c", "a")])
def test_the_entry_service_is_found_whatever_its_name(names: tuple[str, ...]) -> None:
    tiers = tuple(replace(tier, name=name) for tier, name in zip(THREE_TIERS, names, strict=True))
    chain = Chain(tiers)

    by_structure = estimate(chain.measure([5, 10, 20]), chain.calls())
    by_concurrency = estimate(chain.measure([5, 10, 20]))

    for found in (by_structure, by_concurrency):
        assert found.levels.services[found.parameters.entry] == names[0]


def test_a_calls_table_that_misses_the_entry_service_makes_no_other_of_it() -> None:
    """Somebody wrote another name: what is inside the callee is inside the entry service as well."""
    chain = Chain(THREE_TIERS)

    found = estimate(chain.measure([5, 10, 20]), chain.calls().replace("web", "frontend"))

    assert found.levels.services[found.parameters.entry] == "web"
    assert "inside" in found.entry_reason


def test_a_service_whose_throughput_is_not_seen_still_has_a_demand() -> None:
    """As Istio shows a database that speaks TCP."""
    chain = Chain(THREE_TIERS, think_time_seconds=2.0)
    frame = chain.measure(LIGHT)
    frame.loc[frame[SERVICE] == "database", [THROUGHPUT, RESPONSE_TIME]] = np.nan

    found = estimate(frame, chain.calls())

    at = index(found, "database")
    assert np.isnan(found.visit_ratios[at].value)
    assert found.parameters.visit_ratio[at] == pytest.approx(2.0)
    assert found.cpu.demand[at] == pytest.approx(0.004, rel=0.2)


def test_without_throughput_nothing_can_be_learned() -> None:
    frame = Chain(THREE_TIERS).measure([5, 10])
    frame[THROUGHPUT] = np.nan

    with pytest.raises(InputError, match="no throughput"):
        estimate(frame)


def test_without_cpu_the_rest_is_estimated() -> None:
    frame = Chain(THREE_TIERS).measure([5, 10, 20]).drop(columns=[CPU_LIMIT])
    frame[CPU_USAGE] = np.nan

    found = estimate(frame)

    assert np.isnan(found.cpu.demand).all()
    assert near(found.think_time, 1.0)


def _many_tiers() -> tuple[Tier, ...]:
    """Six services far from saturation."""
    return tuple(Tier(f"tier-{number}", 0.004, 0.003, 0.004 + 0.001 * number, 4) for number in range(6))
