"""How long a request spends in each service itself when it meets no other: response times without callees."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kpp.queueing.estimation.levels import Levels
from kpp.queueing.estimation.robust import middle
from kpp.queueing.layered import CallGraph
from kpp.queueing.truncation import true_mean

Floats = NDArray[np.float64]

LEAST_OWN = 0.05  # of a response time: what is left to a caller whose callees seem to take longer than itself
QUIET = 0.7  # utilization up to which a waiting time is small enough to be subtracted


@dataclass(frozen=True)
class OwnTimes:
    """Times by level and service, (levels, services), seconds; NaN where not measured.

    Attributes:
        whole: response times as they were before Envoy cut them to milliseconds.
        own: the same without the callees'; the same as `whole` where no calls are known.
    """

    whole: Floats
    own: Floats


def split_times(levels: Levels, graph: CallGraph | None) -> OwnTimes:
    """Take the callees' response times out of the callers'."""
    known = np.isfinite(levels.response_time)
    whole = np.where(known, true_mean(np.where(known, levels.response_time, 0.0)), np.nan)
    if graph is None:
        return OwnTimes(whole, whole)
    own = graph.own_times(np.nan_to_num(whole))
    return OwnTimes(whole, np.where(known, np.maximum(own, LEAST_OWN * whole), np.nan))


def estimate_lightest(own: Floats, factors: Floats) -> Floats:
    """(services,) own times at the lightest loads, at the reference load: the least median of three thirds.

    Args:
        own: (levels, services) own times, by ascending load.
        factors: (levels,) of the fall with load.
    """
    thirds = np.array_split(own / factors[:, None], min(3, len(own)))
    medians = np.array([[middle(column) for column in third.T] for third in thirds])
    return np.asarray(np.fmin.reduce(medians, axis=0), dtype=np.float64)


def unloaded_by_level(own: Floats, waits: Floats, factors: Floats, utilization: Floats) -> Floats:
    """(levels, services) own times without waiting, at the reference load.

    Args:
        own: (levels, services) own times.
        waits: (levels, services) what waiting is part of them, as the stations say.
        factors: (levels,) of the fall with load.
        utilization: (levels, services) of the stations; levels above `QUIET` become NaN where others exist.
    """
    waits = np.where(np.isfinite(waits), waits, own)
    unloaded = np.maximum(own - waits, LEAST_OWN * own) / factors[:, None]
    quiet = (utilization <= QUIET) & np.isfinite(own)
    calmest = utilization == utilization.min(axis=0)
    return np.asarray(np.where(np.where(quiet.any(axis=0), quiet, calmest), unloaded, np.nan))
