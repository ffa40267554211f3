"""Checks of CPU by the utilization law: against the limit, response times, and another campaign."""

import numpy as np
from numpy.typing import NDArray

from kpp.queueing.checks.findings import NO_FACTOR, Finding, Grade, tell_factor
from kpp.queueing.estimation.estimates import Estimates
from kpp.queueing.estimation.limits import LimitSource
from kpp.queueing.estimation.robust import Estimate, middle

Floats = NDArray[np.float64]

ABOVE = 0.1  # of the limit: rounding and the edges of a minute
FAR_ABOVE = 0.6  # the same where the sidecar's part of a pod is a guess
TWICE = 0.15  # relative: so near to 2 or 1/2, a factor is taken for double counting
DRIFT = 0.25  # between campaigns: machines have better and worse days
PARALLEL = 1.5  # x the own time, beyond which CPU is odd for a service that works on a request in sequence
LEAST_TIME_SECONDS = 0.002  # own times below are mostly Envoy's rounding

LIMIT_CHECK = "CPU within its limit"
TIME_CHECK = "CPU within response time"
FILE_CHECK = "one CPU per request"


def check_cpu_limits(found: Estimates) -> list[Finding]:
    """Whether replicas use more CPU than their limit lets them; the sidecar's, as estimated, is taken out."""
    levels, capacity = found.levels, found.capacity
    findings = []
    for service, source in enumerate(capacity.source):
        name = levels.services[service]
        if source is not LimitSource.RECORDED or not np.isfinite(levels.cpu[:, service]).any():
            continue
        application = levels.cpu[:, service] * found.application.share[service] / levels.replicas[:, service]
        factor = float(np.nanmax(application / capacity.cpu_limit[:, service]))
        findings.append(_word_limit(name, factor, found.application.recorded))
    if not findings and np.isfinite(levels.cpu).any():
        text = "no CPU limit is known: a factor of CPU cannot be told; give --cpu-limits"
        findings.append(Finding(LIMIT_CHECK, "all services", Grade.UNTOLD, NO_FACTOR, text))
    return findings


def _word_limit(name: str, factor: float, apart: bool) -> Finding:
    told = Estimate(factor, float("nan"))
    whose = "" if apart else ", its sidecar's CPU taken out as estimated"
    if factor <= 1 + ABOVE:
        text = f"a replica uses up to {100 * factor:.0f} % of its limit{whose}"
        return Finding(LIMIT_CHECK, name, Grade.OK, told, text)
    grade = Grade.FAULT if apart or factor > 1 + FAR_ABOVE else Grade.DOUBT
    cause = "counted twice" if abs(factor / 2 - 1) < TWICE else "counted too often, or the limit is another"
    return Finding(
        LIMIT_CHECK, name, grade, told, f"a replica uses {factor:.2f} x its limit{whose}: CPU is {cause}"
    )


def check_cpu_time(found: Estimates) -> list[Finding]:
    """Whether requests use more CPU than they take time: odd, unless they are worked on in parallel."""
    findings = []
    for service, (own, demand) in enumerate(zip(found.unloaded, found.cpu.demand, strict=True)):
        error = float(np.sqrt(found.cpu.covariance[service, 1, 1]))
        if not own.value > LEAST_TIME_SECONDS or not demand - 3 * error > PARALLEL * own.value:
            continue
        factor = Estimate(float(demand) / own.value, error / own.value)
        text = (
            f"a request uses {1000 * demand:.3g} ms of CPU in {1000 * own.value:.3g} ms: worked on in "
            "parallel, or CPU is counted too often, or throughput too seldom"
        )
        findings.append(Finding(TIME_CHECK, found.levels.services[service], Grade.DOUBT, factor, text))
    return findings


def check_cpu_by_file(found: Estimates) -> list[Finding]:
    """Whether the files of a campaign agree on the CPU that the same requests cost, over all services."""
    levels, parameters = found.levels, found.parameters
    files = list(dict.fromkeys(levels.sources))
    offered = levels.user_count / found.parameters.cycle_seconds()
    demand = parameters.demand * parameters.fall.factor(offered)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = levels.cpu / (levels.replicas * parameters.background + demand * levels.throughput)
    medians = [middle(relative[np.array(levels.sources) == file]) for file in files]
    findings = []
    for file, median in zip(files[1:], medians[1:], strict=True):
        factor = Estimate(median / medians[0], float("nan"))
        if np.isnan(factor.value):
            continue
        nearest = min(abs(factor.value / 2 - 1), abs(factor.value * 2 - 1))
        grade = Grade.OK
        text = f"{tell_factor(factor)} x the CPU that the same requests cost in {files[0]}"
        if nearest < TWICE:
            grade = Grade.FAULT
            text += ": in one of them CPU is counted twice, or throughput is"
        elif not 1 / (1 + DRIFT) < factor.value < 1 + DRIFT:
            grade = Grade.DOUBT
            text += ": another machine, another version, or another day"
        findings.append(Finding(FILE_CHECK, file, grade, factor, text))
    return findings
