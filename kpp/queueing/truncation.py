"""What Envoy makes of short response times: it cuts each duration to whole milliseconds before it sums them.

So a mean of 0.3 ms says that three requests in ten took 1 ms or more, and a mean of 20 ms is 0.5 ms too low.
Here the durations of one service at one load are taken as lognormal with a coefficient of variation of 0.5,
which is what a simulated Envoy shows for services without queues; a mean above some 3 ms does not depend on
it.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[np.float64]

TICK_SECONDS = 0.001
DURATION_CV = 0.5
_SIGMA = float(np.sqrt(np.log(1 + DURATION_CV**2)))
_TICKS = np.arange(1, 65)  # above this many, the last partial one is uniform
_GRID = np.geomspace(0.02, 60, 1500)  # means in ticks, between which `true_mean` interpolates


def truncated_mean(mean_seconds: ArrayLike) -> Floats:
    """The mean of durations cut to whole ticks: the sum over k >= 1 of P(T >= k).

    >>> float(truncated_mean(0.02).round(5)), float(truncated_mean(0.0005).round(5))
    (0.0195, 5e-05)
    """
    ticks = np.maximum(np.asarray(mean_seconds, dtype=np.float64) / TICK_SECONDS, np.finfo(float).tiny)
    location = np.log(np.minimum(ticks, _GRID[-1])) - _SIGMA**2 / 2
    tail = special.ndtr((location[..., None] - np.log(_TICKS)) / _SIGMA).sum(axis=-1)
    # the sum stops at the largest tick; what is far longer loses half a tick, as everything does
    short: Floats = np.where(ticks <= _GRID[-1] / 4, tail, ticks - 0.5)
    return np.asarray(short * TICK_SECONDS)


def true_mean(truncated_seconds: ArrayLike) -> Floats:
    """The mean whose truncated mean was measured; a measured 0 gives the shortest that is told apart."""
    measured = np.asarray(truncated_seconds, dtype=np.float64)
    known = truncated_mean(_GRID * TICK_SECONDS)
    inside = np.interp(measured, known, _GRID * TICK_SECONDS)
    means: Floats = np.where(measured > known[-1], measured + TICK_SECONDS / 2, inside)
    return means
