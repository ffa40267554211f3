"""The saturation throughput of a bottleneck that was seen saturated, by CPU, a lock, a pool, anything.

In a closed loop a queue of q requests per replica forms in front of the bottleneck. For processor sharing,
with the arrival theorem's (N - 1) / N, q = u^2 / (1 - u) tells its utilization u, and so the capacity X / u.
The longer the queue, the less it matters of which kind the station is.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kpp.queueing.estimation.levels import Levels
from kpp.queueing.estimation.robust import Estimate

Floats = NDArray[np.float64]

SLOWED = (
    2.0  # a system counts as saturated where the entry's response time is that many times the unloaded one
)
LEAST_QUEUE = 1.0  # requests waiting at each replica of the bottleneck
MOSTLY = 0.5  # of what waits in the system, to count as the bottleneck


@dataclass(frozen=True)
class Plateau:
    """A service that was seen saturated.

    Attributes:
        service: its index.
        saturation_rps: of one replica, as measured.
        reference_rps: the same at the reference load, if CPU holds it back: a request's demand falls beyond.
        levels: at which it was saturated.
    """

    service: int
    saturation_rps: Estimate
    reference_rps: Estimate
    levels: tuple[int, ...]


def find_plateaus(
    levels: Levels, own: Floats, unloaded: Floats, factors: Floats, entry: int
) -> list[Plateau]:
    """Find the services that were saturated.

    Args:
        levels: of the campaign.
        own: (levels, services) own times, or response times where no calls are known, in seconds.
        unloaded: (services,) the same of the lightest loads.
        factors: (levels,) of the fall of demand with load.
        entry: index of the entry service.
    """
    waiting = np.nan_to_num(levels.throughput * np.maximum(own - unloaded * factors[:, None], 0.0))
    whole = levels.throughput[:, entry] * levels.response_time[:, entry]
    response, lightest = (
        levels.response_time[:, entry],
        np.nanmin(levels.response_time[:, entry], initial=np.inf),
    )
    found: dict[int, list[int]] = {}
    for level in np.flatnonzero(np.nan_to_num(response) > SLOWED * lightest):
        candidates = np.flatnonzero(waiting[level] > MOSTLY * (1 - lightest / response[level]) * whole[level])
        if not len(candidates):
            continue
        # without calls, callers seem to wait as long as their bottleneck: the one with least time unloaded
        held = unloaded[candidates] * levels.throughput[level, candidates]
        service = int(candidates[np.argmin(held)])
        if waiting[level, service] / levels.replicas[level, service] > LEAST_QUEUE:
            found.setdefault(service, []).append(int(level))
    return [_estimate(levels, waiting, factors, service, rows) for service, rows in found.items()]


def _estimate(levels: Levels, waiting: Floats, factors: Floats, service: int, rows: list[int]) -> Plateau:
    replicas = levels.replicas[rows, service]
    queue = waiting[rows, service] / replicas
    utilization = (np.sqrt(queue**2 + 4 * queue) - queue) / 2
    users = levels.user_count[rows]
    per_replica = levels.throughput[rows, service] * (users - 1) / users / utilization / replicas
    # what the kind of the station may change, and what a level scatters
    relative_errors = np.hypot(0.3 * (1 - utilization), 0.02)
    measured, reference = (
        _weighted_mean(rates, rates * relative_errors) for rates in (per_replica, per_replica * factors[rows])
    )
    return Plateau(service, measured, reference, tuple(rows))


def _weighted_mean(values: Floats, errors: Floats) -> Estimate:
    weights = errors**-2
    return Estimate(float(values @ weights / weights.sum()), float(weights.sum() ** -0.5))
