"""Planted faults are found with their factors, and clean campaigns have none."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from kpp.queueing.checks.checks import check_quality
from kpp.queueing.checks.cpu import FILE_CHECK, LIMIT_CHECK, TIME_CHECK
from kpp.queueing.checks.findings import Finding, Grade
from kpp.queueing.checks.flow import CALLS_CHECK, VISITS_CHECK
from kpp.queueing.checks.users import THINK_TIME_CHECK, THROUGHPUT_CHECK, USERS_CHECK
from kpp.queueing.estimation.estimation import estimate
from kpp.schema import CPU_USAGE, RESPONSE_TIME, SERVICE, THROUGHPUT, TIMESTAMP, USER_COUNT
from tests.queueing.closed_systems import THREE_TIERS, Chain, Tier

CHAIN = Chain(THREE_TIERS, think_time_seconds=2.0)
LIGHT = [4, 8, 12, 16, 20, 24]
HEAVY = [20, 60, 120, 180, 240, 300]


def faults(findings: list[Finding]) -> set[str]:
    return {finding.check for finding in findings if finding.grade is Grade.FAULT}


def one(findings: list[Finding], check: str) -> Finding:
    (found,) = [finding for finding in findings if finding.check == check]
    return found


@pytest.mark.parametrize("users", [LIGHT, HEAVY])
@pytest.mark.parametrize("think_time", [None, 2.0])
def test_a_clean_campaign_has_no_fault(users: list[int], think_time: float | None) -> None:
    findings = check_quality(estimate(CHAIN.measure(users), CHAIN.calls()), think_time)

    assert faults(findings) == set()
    assert one(findings, USERS_CHECK).grade is Grade.OK


@pytest.mark.parametrize("factor", [0.5, 2.0, 3.0])
def test_with_the_think_time_a_factor_of_throughput_is_found(factor: float) -> None:
    chain = replace(CHAIN, throughput_factor=factor)

    found = one(check_quality(estimate(chain.measure(LIGHT), chain.calls()), 2.0), THROUGHPUT_CHECK)

    assert found.grade is Grade.FAULT
    assert found.factor.value == pytest.approx(factor, rel=0.03)
    assert ("twice" in found.text) == (factor == 2.0)


def test_without_the_think_time_light_load_cannot_tell() -> None:
    chain = replace(CHAIN, throughput_factor=2.0)

    found = one(check_quality(estimate(chain.measure(LIGHT))), THROUGHPUT_CHECK)

    assert found.grade is Grade.UNTOLD
    told = re.search(r"think time seems to be ([\d.]+) s", found.text)
    assert told is not None
    assert float(told[1]) == pytest.approx(1.0, rel=0.03)  # half of the think time


def test_without_the_think_time_overload_tells() -> None:
    chain = replace(CHAIN, throughput_factor=2.0)

    found = one(check_quality(estimate(chain.measure(HEAVY))), THROUGHPUT_CHECK)

    assert found.grade is Grade.FAULT
    assert abs(found.factor.value - 2.0) < 5 * found.factor.standard_error + 0.02


def test_more_requests_than_users_are_impossible() -> None:
    """Three saturated loads are too few for a slope, but X R > N needs none."""
    chain = replace(CHAIN, throughput_factor=2.0)

    found = one(check_quality(estimate(chain.measure([400, 500, 600]))), THROUGHPUT_CHECK)

    assert found.grade is Grade.FAULT
    assert 1.3 < found.factor.value <= 2.05


def test_response_times_in_milliseconds_are_impossible() -> None:
    """They hardly differ between the loads, so that a slope can be told, and it looks right."""
    frame = CHAIN.measure([5, 10, 15, 20, 25, 30])
    frame[RESPONSE_TIME] *= 1000

    found = one(check_quality(estimate(frame)), THROUGHPUT_CHECK)

    assert found.grade is Grade.FAULT
    assert "not in seconds" in found.text


def test_requests_that_do_not_wait_for_answers_are_not_taken_for_a_miscount() -> None:
    """Users who give up after some seconds send more than N = X (Z + R) lets them."""
    frame = CHAIN.measure([10, 40, 70, 100, 200, 300])
    given_up = frame[USER_COUNT] > 80
    frame[RESPONSE_TIME] *= np.where(given_up, frame[USER_COUNT] / 40, 1.0)

    found = one(check_quality(estimate(frame, CHAIN.calls())), THROUGHPUT_CHECK)

    assert found.grade is Grade.FAULT
    assert "timeouts" in found.text


def test_users_that_were_not_reached_are_counted() -> None:
    """The load generator runs 40 users at most."""
    frame = CHAIN.measure([10, 20, 30, 40])
    capped = CHAIN.measure([40]).assign(**{USER_COUNT: 50.0})
    capped[TIMESTAMP] += 1e5

    found = one(
        check_quality(estimate(pd.concat([frame, capped], ignore_index=True), CHAIN.calls())), USERS_CHECK
    )

    assert found.grade is Grade.FAULT
    assert found.factor.value == pytest.approx(0.8, abs=0.03)
    assert "from 50 users" in found.text


def two_files(other: Chain) -> list[Finding]:
    second = replace(other, source="second.csv", seed=7).measure(LIGHT)
    second[TIMESTAMP] += 1e6
    frame = pd.concat([CHAIN.measure(LIGHT), second], ignore_index=True)
    return check_quality(estimate(frame, CHAIN.calls()))


def test_a_changed_think_time_between_files_is_found() -> None:
    found = one(two_files(replace(CHAIN, think_time_seconds=3.0)), THINK_TIME_CHECK)

    assert (found.grade, found.subject) == (Grade.FAULT, "second.csv")
    assert found.factor.value == pytest.approx(1.5, rel=0.05)


def test_files_that_agree_are_told_so() -> None:
    findings = two_files(CHAIN)

    assert faults(findings) == set()
    assert one(findings, FILE_CHECK).factor.value == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize(("factor", "grade"), [(2.0, Grade.FAULT), (1.4, Grade.DOUBT), (1.1, Grade.OK)])
def test_cpu_that_costs_more_in_another_file(factor: float, grade: Grade) -> None:
    found = one(two_files(replace(CHAIN, cpu_factor=factor)), FILE_CHECK)

    assert found.grade is grade
    assert found.factor.value == pytest.approx(factor, rel=0.1)


def test_cpu_above_its_limit_is_impossible() -> None:
    tiers = (replace(THREE_TIERS[0], limit_cores=0.1, service_seconds=0.02), *THREE_TIERS[1:])
    chain = Chain(tiers, think_time_seconds=0.5, cpu_factor=2.0)
    frame = chain.measure([20, 30, 40])
    web = frame[SERVICE] == "web"
    frame.loc[web, CPU_USAGE] = 2 * np.minimum(frame.loc[web, CPU_USAGE] / 2, 0.1)

    findings = [each for each in check_quality(estimate(frame, chain.calls())) if each.check == LIMIT_CHECK]

    (found,) = [finding for finding in findings if finding.grade is Grade.FAULT]
    assert found.subject == "web"
    assert found.factor.value == pytest.approx(2.0, rel=0.05)
    assert "twice" in found.text


def test_a_service_that_is_counted_otherwise_than_its_callers_call_is_found() -> None:
    frame = CHAIN.measure(LIGHT)
    frame.loc[frame[SERVICE] != "web", THROUGHPUT] *= 2  # as when only the load generator has no sidecar

    findings = check_quality(estimate(frame, CHAIN.calls()))

    (found,) = [each for each in findings if each.check == CALLS_CHECK and each.grade is Grade.FAULT]
    assert found.subject == "app"
    assert found.factor.value == pytest.approx(2.0, rel=0.03)


def test_traffic_that_is_lost_at_one_load_is_found() -> None:
    frame = CHAIN.measure(LIGHT)
    frame.loc[(frame[SERVICE] == "database") & (frame[USER_COUNT] == 24), THROUGHPUT] *= 0.5

    findings = check_quality(estimate(frame))

    (found,) = [each for each in findings if each.check == VISITS_CHECK and each.grade is Grade.FAULT]
    assert found.subject == "database"
    assert found.factor.value == pytest.approx(0.5, rel=0.05)
    assert "24 users" in found.text


def test_more_cpu_than_time_is_odd_but_possible() -> None:
    chain = Chain((Tier("shop", 0.01, 0.04),))

    assert one(check_quality(estimate(chain.measure(LIGHT))), TIME_CHECK).grade is Grade.DOUBT
