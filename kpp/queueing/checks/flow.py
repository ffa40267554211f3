"""Checks by the forced flow law: what callers call arrives at their callees, at any load."""

import numpy as np
from numpy.typing import NDArray

from kpp.queueing.checks.findings import NO_FACTOR, Finding, Grade, deviates, tell_factor
from kpp.queueing.estimation.estimates import Estimates
from kpp.queueing.estimation.robust import Estimate, robust_location

Floats = NDArray[np.float64]

TOLERANCE = 0.1  # of a factor, beyond which it counts
LOST = 0.15  # of the usual visits: so many missing are traffic lost, if they are far outside of the scatter

CALLS_CHECK = "flow conservation"
VISITS_CHECK = "visit ratios"


def check_calls(found: Estimates) -> list[Finding]:
    """Whether each callee serves what its callers call; nothing without a calls table."""
    if found.graph is None:
        return []
    levels = found.levels
    findings = []
    for callee in range(len(levels.services)):
        callers, counts = found.graph.callers_of(callee)
        if not len(callers):
            continue
        expected = levels.throughput[:, callers] @ counts
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.where(expected > 0, levels.throughput[:, callee] / expected, np.nan)
        factor = robust_location(ratios, levels.minutes)
        if np.isnan(factor.value):
            continue
        name = levels.services[callee]
        who = ", ".join(levels.services[caller] for caller in callers)
        if deviates(factor, TOLERANCE):
            text = f"serves {tell_factor(factor)} x what {who} call: one of them is counted otherwise"
            findings.append(Finding(CALLS_CHECK, name, Grade.FAULT, factor, text))
        else:
            text = f"serves what {who} call{'s' if len(callers) == 1 else ''}"
            findings.append(Finding(CALLS_CHECK, name, Grade.OK, factor, text))
    return findings


def check_visit_ratios(found: Estimates) -> list[Finding]:
    """Whether visits per request are the same at all loads: if a service fails, its callees lose traffic."""
    levels = found.levels
    throughput = levels.throughput
    findings = []
    for service, usual in enumerate(found.visit_ratios):
        if service == found.parameters.entry or not usual.value > 0:
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = throughput[:, service] / throughput[:, found.parameters.entry] / usual.value
        known = np.isfinite(relative)
        scatter = 1.4826 * float(np.median(np.abs(relative[known] - np.median(relative[known]))))
        off = known & (np.abs(relative - 1) > max(LOST, 5 * scatter))
        findings.append(_word(levels.services[service], levels.user_count, relative, off, usual))
    return findings


def _word(
    name: str, user_count: Floats, relative: Floats, off: NDArray[np.bool_], usual: Estimate
) -> Finding:
    if not off.any():
        text = f"{usual.value:.3g} per request to the entry service, at all loads"
        return Finding(VISITS_CHECK, name, Grade.OK, NO_FACTOR, text)
    worst = int(np.flatnonzero(off)[np.argmax(np.abs(relative[off] - 1))])
    where = ", ".join(f"{users:g}" for users in dict.fromkeys(user_count[off]))
    text = (
        f"at {where} users it is visited {relative[worst]:.2f} x as often as at other loads: "
        "a service before it fails, or minutes are missing"
    )
    return Finding(VISITS_CHECK, name, Grade.FAULT, Estimate(float(relative[worst]), float("nan")), text)
