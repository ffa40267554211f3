"""The CPU time of a request falls as the load rises: batching, warm caches, fewer wake-ups, faster clocks.

On real clusters it fell by 25 to 40 % from light load to overload, in all services of a machine together. So
one rate is estimated for all:

    fall(l) = exp(-k (l - 1)), not below 0.6 unless it was measured lower

where the load l is relative to the middle of what was measured. In terms of elasticity it is kept above -1/2,
so that a bottleneck whose demand falls still slows down as users are added.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kpp.queueing.estimation.robust import MAD_TO_SIGMA, Estimate

Floats = NDArray[np.float64]

LARGEST_FALL = 0.4  # beyond what was measured: the most that was seen on real clusters
STEEPEST = 0.5  # the most that the logarithm may fall per logarithm of load
SURE = 2.0  # an effect that is not as many standard errors from 0 counts as none
LEAST_TOLD_SECONDS = 0.002
TIMES_APART = 0.05  # response times need not fall exactly as CPU time does: a standard error of its own


@dataclass(frozen=True)
class DemandFall:
    """How demand depends on load.

    Attributes:
        rate: k, at least 0.
        reference_rps: the offered load, N / (Z + R0), at which the factor is 1.
        largest_load: the largest relative load that was measured.
    """

    rate: Estimate
    reference_rps: float
    largest_load: float

    def factor(self, offered_rps: Floats) -> Floats:
        """CPU time of a request at an offered load, relative to that at the middle of the measured ones."""
        return fall(offered_rps / self.reference_rps, self.rate.value, self.largest_load)

    def least_factor(self) -> float:
        """The factor to which the work of a request is known to fall, at any application or at this one."""
        return min(1 - LARGEST_FALL, float(self.factor(np.array([np.inf]))[0]))


def fall(load: Floats, rate: float, largest_load: float) -> Floats:
    """The factor at a load relative to the reference."""
    if rate <= 0:
        return np.ones_like(load)
    bend = STEEPEST / rate  # from here on as a power of the load
    exponential = -rate * (np.minimum(load, bend) - 1)
    log_factor = exponential - STEEPEST * np.log(np.maximum(load, bend) / bend)
    measured = float(np.exp(-rate * (min(largest_load, bend) - 1)))
    least = min(1 - LARGEST_FALL, measured * (min(bend / largest_load, 1.0)) ** STEEPEST)
    factors: Floats = np.maximum(np.exp(log_factor), least)
    return factors


def combine(by_cpu: Estimate, by_time: Estimate) -> Estimate:
    """One rate from two witnesses, each possibly NaN; 0 unless they are sure.

    Args:
        by_cpu: from the CPU time per request.
        by_time: from the response times of services that are far from their limits. One that rises is
            queueing and speaks for no fall.
    """
    time_error = float(np.hypot(by_time.standard_error, TIMES_APART))
    pairs = [(by_cpu.value, by_cpu.standard_error), (max(by_time.value, 0.0), time_error)]
    known = [(value, error) for value, error in pairs if np.isfinite(value) and np.isfinite(error)]
    if not known:
        return Estimate(0.0, float("nan"))
    values, errors = np.array(known).T
    value = float(values @ errors**-2 / (errors**-2).sum())
    error = float(1 / np.sqrt((errors**-2).sum()))
    if len(known) > 1:  # witnesses that contradict each other are less sure than each says (Birge's ratio)
        error *= max(1.0, float(np.sqrt((((values - value) / errors) ** 2).sum() / (len(known) - 1))))
    return Estimate(value if value > SURE * error else 0.0, error)


def fall_of_times(load: Floats, response_times: Floats) -> Estimate:
    """The rate by which response times fall, as the median over services of -d ln R / d load.

    Envoy's truncation distorts the slopes of times below 2 ms: those services speak only if there are no
    others.

    Args:
        load: (levels,) relative.
        response_times: (levels, services) seconds; NaN where not measured.
    """
    rates = []
    known_times = [times[np.isfinite(times)] for times in response_times.T]
    usual = np.array([float(np.median(times)) if len(times) else 0.0 for times in known_times])
    told = usual >= LEAST_TOLD_SECONDS
    for times in response_times.T[told if told.any() else usual > 0]:
        known = np.isfinite(times) & (times > 0)
        if known.sum() >= 3 and np.ptp(load[known]) > 0:
            rates.append(-float(np.polyfit(load[known], np.log(times[known]), 1)[0]))
    if not rates:
        return Estimate(float("nan"), float("nan"))
    middle = float(np.median(rates))
    apart = MAD_TO_SIGMA * float(np.median(np.abs(np.array(rates) - middle)))
    return Estimate(middle, max(apart, 0.02) / float(np.sqrt(len(rates))))
