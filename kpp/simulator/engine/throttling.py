"""CFS bandwidth control: in each period of 100 ms a container may use its limit, then it stops till the next.

Linux hands the quota out in slices of 5 ms for each CPU; here it is one account. The background's share of
the quota is taken off evenly.
"""

import math
from typing import Any

from kpp.simulator.engine.layout import World
from kpp.simulator.engine.native import compiled
from kpp.simulator.engine.states import NEVER, PERIOD_SECONDS

ROUNDING_SECONDS = 1e-9  # a quota that lasts up to the period's end but for rounding lasts
LARGEST_BACKGROUND_SHARE = 0.9  # of the quota: however loud the background, requests get the rest


@compiled
def period_at(pod: Any, now: float) -> int:
    """The number of the period that `now` lies in; a boundary belongs to the later one."""
    period: int = math.floor((now - pod.period_origin) / PERIOD_SECONDS)
    if now >= starts_at(pod, period + 1):
        return period + 1
    return period - 1 if now < starts_at(pod, period) else period


@compiled
def starts_at(pod: Any, period: int) -> float:
    """When a period begins."""
    start: float = pod.period_origin + period * PERIOD_SECONDS
    return start


@compiled
def resumes_at(pod: Any) -> float:
    """When a throttled container goes on."""
    return starts_at(pod, pod.period + 1)


@compiled
def spend(pod: Any, since: float, now: float, cores: float) -> None:
    """Book what a container used from `since` to `now`, never across a throttle."""
    if pod.limit == NEVER:
        return
    first, last = period_at(pod, since), period_at(pod, now)
    if first != pod.period:
        pod.period_used = 0.0
    if last == first:
        pod.period_used += cores * (now - since)
    else:
        pod.period_used = cores * (now - starts_at(pod, last))
    pod.period = last
    first_new = max(first, pod.last_active_period + 1)
    pod.periods += max(last + 1 - first_new, 0)
    pod.last_active_period = max(last, pod.last_active_period)


@compiled
def throttles_at(world: World, pod_row: int, cores: float, now: float) -> float:
    """When a container that goes on at `cores` will have used up a quota; NEVER if it keeps below."""
    pod = world.pods[pod_row]
    if pod.limit == NEVER or cores <= 0.0:
        return NEVER
    quota = _quota_seconds(pod, world.services[pod.service].background)
    period = period_at(pod, now)
    if period != pod.period:
        pod.period, pod.period_used = period, 0.0
    at: float = now + max(quota - pod.period_used, 0.0) / cores
    next_start = starts_at(pod, period + 1)
    if at < next_start - ROUNDING_SECONDS:
        return at
    lasts_seconds = quota / cores
    return next_start + lasts_seconds if lasts_seconds < PERIOD_SECONDS - ROUNDING_SECONDS else NEVER


@compiled
def _quota_seconds(pod: Any, background_cores: float) -> float:
    """What one period leaves to the requests."""
    background = background_cores * pod.background_factor
    cores: float = pod.limit - min(background, LARGEST_BACKGROUND_SHARE * pod.limit)
    return cores * PERIOD_SECONDS


@compiled
def throttle(pod: Any, now: float) -> None:
    """The quota is used up."""
    pod.throttled = True
    pod.throttled_at = now
    pod.throttled_periods += 1


@compiled
def resume(pod: Any, now: float) -> None:
    """A new period has begun."""
    pod.throttled = False
    pod.throttled_seconds += now - pod.throttled_at
    pod.period += 1
    pod.period_used = 0.0
