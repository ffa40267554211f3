"""Bounds of intervals that obey the laws which the predictions obey.

Each interval is calibrated alone, as if nothing tied the targets together. Where a model knows laws, they tie
bounds as well:

- At the entry service throughput and response time are one unknown, N = X (Z + R): what is known of either
  bounds the other.
- A caller waits for its callees, so that none of them takes longer than the entry service.
- A container uses no more CPU than its limit; a sidecar that is measured with it comes on top.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from kpp.queueing.estimation.plateau import SLOWED
from kpp.queueing.truncation import truncated_mean
from kpp.schema import CPU_USAGE, RESPONSE_TIME, TARGETS, THROUGHPUT

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_TINY = np.finfo(float).tiny
_TIME, _FLOW, _CPU = (list(TARGETS).index(target) for target in (RESPONSE_TIME, THROUGHPUT, CPU_USAGE))


@dataclass(frozen=True)
class Laws:
    """What a model knows of the rows of a scenario, (rows,) each.

    Attributes:
        situation: of each.
        entry_service: its name.
        is_entry: whether it is the row's.
        think_time_seconds: Z.
        unloaded_seconds: R of the entry service without any waiting.
        visits: to the row's service for each request to the entry service.
        cpu_limit_cores: of all replicas together, where it was recorded; infinite elsewhere.
        limited_share: of the CPU that is measured, which the limit holds back.
        capacities_known: whether those of all services are, be it as a guess.
        capacity_spread: (rows, 3) what the capacities' standard errors make of the targets, as a ratio.
        users_at_knee: whom the system serves before a queue begins that only grows, where it was seen to or
            its limit is recorded; infinite elsewhere.
        unwaited_seconds: the row's response time at the reference load, if nobody waits; before Envoy cuts
            it to milliseconds, but for the entry service.
        largest_fall: by which work may fall from there, as a logarithm.
    """

    situation: NDArray[np.intp]
    entry_service: str
    is_entry: Mask
    think_time_seconds: Floats
    unloaded_seconds: float
    visits: Floats
    cpu_limit_cores: Floats
    limited_share: Floats
    capacities_known: bool
    capacity_spread: Floats
    users_at_knee: Floats
    unwaited_seconds: Floats
    largest_fall: float

    def least_seconds(self, coverage: float) -> Floats:
        """(rows,) the shortest response times to be reckoned with: nobody waits, and work has fallen.

        The largest fall counts as one standard deviation, as all that is unsure does.
        """
        deviations = float(norm.ppf((1 + coverage) / 2))
        fallen = self.unwaited_seconds * float(np.exp(-deviations * self.largest_fall))
        return np.where(self.is_entry, fallen, truncated_mean(fallen))


@dataclass(frozen=True)
class Bounds:
    """Intervals around the points of a scenario, (rows, 3) each.

    Attributes:
        lower, upper: own units; NaN where there is none.
        noise: the part of their half-widths, in logarithms, that single minutes add to the mean of many.
        room: (rows,) by how much longer, in logarithms, a user's whole cycle may take behind a knee of the
            row's service that nothing shows.
    """

    lower: Floats
    upper: Floats
    noise: Floats
    room: Floats


def agree(bounds: Bounds, points: Floats, laws: Laws, user_counts: Floats, beyond: Mask) -> Bounds:
    """Make bounds obey the laws.

    Args:
        bounds: of each target alone.
        points: (rows, 3) the predictions.
        laws: of the rows.
        user_counts: (rows,) N.
        beyond: (rows,) outside of the measured range. Within, as long as little is waited for, response times
            are known better than throughput could tell.
    """
    lower, upper = bounds.lower.copy(), bounds.upper.copy()
    known = np.isfinite(bounds.lower) & np.isfinite(bounds.upper)
    slowed = points[:, _TIME] > SLOWED * laws.unloaded_seconds
    rows = (beyond | slowed) & laws.is_entry & known[:, [_TIME, _FLOW]].all(axis=1)
    rows &= points[:, _FLOW] > 0
    if rows.any():
        part = Bounds(lower[rows], upper[rows], bounds.noise[rows], bounds.room[rows])
        lower[rows], upper[rows] = _one_unknown(
            part, points[rows], laws.think_time_seconds[rows], user_counts[rows], slowed[rows]
        )
        lower[:, _TIME], upper[:, _TIME] = _follow(
            laws, rows & slowed, points[:, _TIME], lower[:, _TIME], upper[:, _TIME]
        )
        contained = _contained(laws, rows, upper[:, _TIME])
        callees = np.maximum(upper[:, _TIME], _behind_own_knee(bounds, points, user_counts))
        times = np.where(laws.is_entry, upper[:, _TIME], callees)
        upper[beyond, _TIME] = np.fmax(np.fmin(times, contained), points[:, _TIME])[beyond]
    cpu = upper[:, _CPU]
    within = np.minimum(laws.limited_share * cpu, laws.cpu_limit_cores) + (1 - laws.limited_share) * cpu
    upper[:, _CPU] = np.fmax(np.fmin(cpu, within), points[:, _CPU])
    return replace(bounds, lower=lower, upper=upper)


def _follow(
    laws: Laws, saturated: Mask, points: Floats, lower: Floats, upper: Floats
) -> tuple[Floats, Floats]:
    """Bounds by which a service that waits for the same capacity as the entry service is as unsure; (rows,).

    Where users mostly wait, the entry's response time is what throughput leaves of N = X (Z + R), and most of
    it is the bottleneck's. How far the capacities' errors move each of both tells how much.
    """
    moves, known = laws.capacity_spread[:, _TIME], np.zeros((int(laws.situation.max()) + 1, 3))
    low, middle, high = (np.log(np.maximum(each[saturated], _TINY)) for each in (lower, points, upper))
    known[laws.situation[saturated]] = np.column_stack([moves[saturated], middle - low, high - middle])
    of_entry, less, more = known[laws.situation].T
    shares = np.where(of_entry > 0, np.clip(moves / np.where(of_entry > 0, of_entry, 1.0), 0.0, 1.0), 0.0)
    return np.fmin(lower, points * np.exp(-shares * less)), np.fmax(upper, points * np.exp(shares * more))


def _contained(laws: Laws, entries: Mask, upper_seconds: Floats) -> Floats:
    """(rows,) what the entry's bound is to the other services of its situation; infinite without one.

    Calls may be made side by side, so that a callee's response time counts once, however often it is called.
    """
    of_entry = np.full(int(laws.situation.max()) + 1, np.inf)
    of_entry[laws.situation[entries]] = upper_seconds[entries]
    visited = laws.visits > 0
    visits = np.where(visited, np.minimum(laws.visits, 1.0), 1.0)
    return np.where(visited, of_entry[laws.situation] / visits, np.inf)


def _behind_own_knee(bounds: Bounds, points: Floats, user_counts: Floats) -> Floats:
    """(rows,) the response time of a service where users wait in line; what they do elsewhere stays."""
    with np.errstate(divide="ignore", invalid="ignore"):
        between_visits = user_counts / points[:, _FLOW]
        behind = points[:, _TIME] + between_visits * np.expm1(bounds.room)
    waits = (bounds.room > 0) & np.isfinite(behind)
    return np.where(waits, behind * np.exp(bounds.noise[:, _TIME]), 0.0)


def _one_unknown(
    bounds: Bounds, points: Floats, think: Floats, users: Floats, slowed: Mask
) -> tuple[Floats, Floats]:
    """Lower and upper bounds, (rows, 3), where throughput and response time bound each other.

    The law holds for means: what the chance of pauses makes of single minutes is taken off before, and put on
    again after it. Where little is waited for, throughput says nothing of the response time but that there
    may be a knee. A response time's own bound holds between what throughput says and what it excludes.
    """
    lower, upper = bounds.lower.copy(), bounds.upper.copy()
    flow, time = points[:, _FLOW], points[:, _TIME]
    noise = bounds.noise.copy()
    noise[:, _FLOW] *= think / np.maximum(think + time, np.finfo(float).tiny)  # the rest is the system's own
    scatter = np.exp(noise)
    least_flow = np.minimum(lower[:, _FLOW] * scatter[:, _FLOW], flow)
    least_time = np.minimum(lower[:, _TIME] * scatter[:, _TIME], time)
    most_flow = np.maximum(upper[:, _FLOW] / scatter[:, _FLOW], flow)
    with np.errstate(divide="ignore"):
        slowest = np.maximum(users / least_flow - think, time) * scatter[:, _TIME]
        unsure = np.log(most_flow / flow)  # as much downwards, but for a knee
        apart = np.hypot(np.where(slowed, unsure, 0.0), bounds.room)
        behind_knee = (users / flow * np.exp(apart) - think) * scatter[:, _TIME]
        fastest = np.clip(users / most_flow - think, 0.0, time)
        quickest = np.maximum(users / (think + least_time), flow)
    upper[:, _TIME] = np.minimum(np.maximum(upper[:, _TIME], behind_knee), slowest)
    lower[:, _TIME] = np.maximum(lower[:, _TIME], fastest / scatter[:, _TIME])
    upper[:, _FLOW] = np.minimum(upper[:, _FLOW], quickest * scatter[:, _FLOW])
    return lower, upper
