"""Think time and visit ratios: what the response-time law and the forced flow law make of a campaign."""

import numpy as np
from numpy.typing import NDArray

from kpp.queueing import laws
from kpp.queueing.estimation.levels import Levels
from kpp.queueing.estimation.robust import Estimate, robust_location, robust_locations

Floats = NDArray[np.float64]


def estimate_think_time(levels: Levels, entry: int) -> Estimate:
    """The users' pause per request at the entry service, in seconds; at least 0, NaN without throughput.

    Where response times are missing they count as 0, so that they become part of the pause.
    """
    pauses = pauses_by_level(levels, entry)
    known = np.isfinite(pauses)
    if not known.any():
        return Estimate(float("nan"), float("nan"))
    cycle = levels.user_count[known] / levels.throughput[known, entry]
    found = robust_location(pauses[known], levels.minutes[known] / cycle**2)
    return Estimate(max(found.value, 0.0), found.standard_error)


def pauses_by_level(levels: Levels, entry: int) -> Floats:
    """(levels,) N / X - R at the entry service, in seconds."""
    throughput = np.where(levels.throughput[:, entry] > 0, levels.throughput[:, entry], np.nan)
    times = levels.response_time[:, entry]
    if np.isnan(times).all():
        times = np.zeros_like(times)
    return laws.think_time(levels.user_count, throughput, times)


def estimate_visit_ratios(levels: Levels, entry: int) -> list[Estimate]:
    """Visits to each service per request to the entry service; NaN where throughput was not measured."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = levels.throughput / levels.throughput[:, [entry]]
    requests = levels.minutes[:, None] * np.nan_to_num(
        levels.throughput
    )  # the variance of a count is its mean
    found = robust_locations(ratios, np.maximum(requests, 1e-9))
    found[entry] = Estimate(1.0, 0.0)
    return found
