"""Checks by the response-time law, N = X (Z + R): throughput, users, think time.

A factor k of the throughput turns the law into N = X (Z + R) / k. At light load, where R is small, k and the
think time appear as Z / k alone, so that without the think time k cannot be told. Where R varies it can, as
the slope 1 / k of N / X over R; and X R > N is impossible whatever Z is.
"""

import numpy as np
from numpy.typing import NDArray

from kpp.queueing.checks.findings import NO_FACTOR, Finding, Grade, deviates, tell_factor
from kpp.queueing.estimation.estimates import Estimates
from kpp.queueing.estimation.robust import Estimate, robust_linear, robust_location
from kpp.queueing.estimation.visits import pauses_by_level

Floats = NDArray[np.float64]

TOLERANCE = 0.05  # of a factor, beyond which it counts
TOLD = 0.1  # standard error of a slope, above which it tells nothing
TWICE = 0.1  # relative: so near to 2, a factor is taken for double counting
THINK_TIME_TOLERANCE = 0.03

THROUGHPUT_CHECK = "throughput counted once"
USERS_CHECK = "users at work"
THINK_TIME_CHECK = "one think time"


def check_throughput(found: Estimates, think_time_seconds: float | None) -> list[Finding]:
    """Whether throughput is counted once.

    Args:
        found: in the campaign.
        think_time_seconds: the users' true pause per request, where it is known.
    """
    levels, entry = found.levels, found.parameters.entry
    name = levels.services[entry]
    cycles = levels.user_count / levels.throughput[:, entry]
    times = levels.response_time[:, entry]
    known = np.isfinite(cycles) & np.isfinite(times)
    if not known.any():
        text = "response time or throughput of the entry service is missing"
        return [Finding(THROUGHPUT_CHECK, name, Grade.UNTOLD, NO_FACTOR, text)]
    cycles, times, minutes = cycles[known], times[known], levels.minutes[known]
    if think_time_seconds is not None:
        factor = robust_location((think_time_seconds + times) / cycles, minutes)
        return [_word(name, factor, f"with a think time of {think_time_seconds:g} s")]
    slope = _slope(cycles, times, minutes)
    least = float((times / cycles).max())
    impossible = least > 1 + TOLERANCE
    if slope is not None and (not impossible or abs(slope.value / 2 - 1) < TWICE):
        return [_word(name, slope, "by how the throughput gives way as response times grow")]
    if impossible:
        text = (
            f"{least:.3g} times as many requests are inside {name} as there are users: throughput is counted "
            "too often, response times are not in seconds, or requests do not wait for answers (a fixed "
            "rate, timeouts, retries)"
        )
        return [Finding(THROUGHPUT_CHECK, name, Grade.FAULT, Estimate(least, float("nan")), text)]
    pause = found.think_time.value
    text = (
        f"the think time seems to be {pause:.2f} s per request; if it is twice that, throughput is counted "
        "twice: give --think-time"
    )
    return [Finding(THROUGHPUT_CHECK, name, Grade.UNTOLD, NO_FACTOR, text)]


def check_users(found: Estimates) -> list[Finding]:
    """Whether the load generator reached its users: N / X - R must not grow with N."""
    users, drive = found.levels.user_count, found.drive
    if np.isnan(drive.usual_pause.value):
        text = "needs three user counts"
        return [Finding(USERS_CHECK, "load generator", Grade.UNTOLD, NO_FACTOR, text)]
    if drive.behind.any():
        last = int(np.flatnonzero(drive.behind)[-1])
        share = Estimate(float(drive.at_work[last]), drive.scatter)
        text = (
            f"from {users[drive.behind][0]:g} users on the load falls behind: at {users[last]:g} only "
            f"{100 * share.value:.0f} % of them are at work, or they pause longer; "
            "look at the load generator's CPU"
        )
        return [Finding(USERS_CHECK, "load generator", Grade.FAULT, share, text)]
    text = f"the pause is the same at all loads, {drive.usual_pause.value:.3g} s"
    return [Finding(USERS_CHECK, "load generator", Grade.OK, NO_FACTOR, text)]


def check_think_time_by_file(found: Estimates) -> list[Finding]:
    """Whether the files of a campaign agree on the users' pause."""
    levels, entry = found.levels, found.parameters.entry
    files = list(dict.fromkeys(levels.sources))
    pauses = pauses_by_level(levels, entry)
    findings = []
    first = _pause_of(pauses, levels.minutes, np.array(levels.sources) == files[0])
    for file in files[1:]:
        other = _pause_of(pauses, levels.minutes, np.array(levels.sources) == file)
        ratio = other.value / first.value if first.value > 0 else float("nan")
        error = abs(ratio) * float(
            np.hypot(_nan_to_zero(first.relative_error), _nan_to_zero(other.relative_error))
        )
        factor = Estimate(ratio, error)
        text = f"a pause of {other.value:.3g} s, {first.value:.3g} s in {files[0]}"
        grade = Grade.OK
        if deviates(factor, THINK_TIME_TOLERANCE):
            grade = Grade.FAULT
            text += (
                ": the users pause differently, or throughput is counted differently; do not mix the files"
            )
        findings.append(Finding(THINK_TIME_CHECK, file, grade, factor, text))
    return findings


def _slope(cycles: Floats, times: Floats, minutes: Floats) -> Estimate | None:
    """k from N / X = Z / k + R / k; None where response times vary too little to tell."""
    if len(cycles) < 4 or np.ptp(times) == 0:
        return None
    fit = robust_linear(np.column_stack([np.ones_like(times), times]), cycles, minutes / cycles**2)
    slope, error = float(fit.coefficients[1]), float(np.sqrt(fit.covariance[1, 1]))
    if not error < TOLD or not slope > 0:
        return None
    return Estimate(1 / slope, error / slope**2)


def _word(name: str, factor: Estimate, how: str) -> Finding:
    if not deviates(factor, TOLERANCE):
        text = f"N = X (Z + R) holds, {how}"
        return Finding(THROUGHPUT_CHECK, name, Grade.OK, factor, text)
    if abs(factor.value / 2 - 1) < TWICE:
        cause = "throughput is counted twice, as by both sidecars of a call (Istio's label reporter)"
    elif factor.value > 1:
        cause = "throughput is counted too often, or the users pause for a shorter time"
    else:
        cause = "requests are not counted, users do not work, or they pause for a longer time"
    text = f"X (Z + R) is {tell_factor(factor)} x N, {how}: {cause}"
    return Finding(THROUGHPUT_CHECK, name, Grade.FAULT, factor, text)


def _pause_of(pauses: Floats, minutes: Floats, chosen: NDArray[np.bool_]) -> Estimate:
    return robust_location(np.where(chosen, pauses, np.nan), minutes)


def _nan_to_zero(value: float) -> float:
    return 0.0 if np.isnan(value) else value
