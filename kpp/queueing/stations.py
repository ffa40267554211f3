"""Response times of one station: parallel servers, processor sharing, and a CPU limit as Linux enforces it.

Every function takes arrays that broadcast against each other. A utilization lies in 0 to 1 (exclusive); at
and above 1 a queue has no limit, and the waiting time is infinite.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[np.float64]

CFS_PERIOD_SECONDS = 0.1  # Linux: cpu.cfs_period_us, and Kubernetes leaves it there
WORK_VARIABILITY = 0.625  # (1 + cv^2) / 2 of a request's CPU time, at a coefficient of variation of 0.5
# of the quota of a period, how much a burst may draw before it is stopped: on average a period is partly gone
# when the burst begins. Fitted to a simulated CFS: quotas of 20 to 200 ms, requests of 1 to 50 ms.
QUOTA_AT_HAND = 0.4
OVERSHOOT = 0.5826  # -zeta(1/2) / sqrt(2 pi): of a normal random walk over 0


def erlang_c(server_count: ArrayLike, utilization: ArrayLike) -> Floats:
    """The probability that an arrival has to wait in M/M/m.

    From Erlang's B, B = p(m) / P(m) of a Poisson distribution with mean a = m U, by C = B / (1 - U (1 - B)).
    Continuous in m. Source: L. Kleinrock, Queueing Systems I, Wiley 1975, section 3.5.

    >>> round(float(erlang_c(2, 0.5)), 6)
    0.333333
    """
    servers, busy = _floats(server_count), np.clip(_floats(utilization), 0.0, 1.0)
    offered = np.maximum(servers * busy, np.finfo(float).tiny)
    log_mass = special.xlogy(servers, offered) - offered - special.gammaln(servers + 1)
    blocked = np.exp(log_mass) / special.gammaincc(servers + 1, offered)
    waits: Floats = np.where(busy < 1, blocked / (1 - np.minimum(busy, 1 - 1e-15) * (1 - blocked)), 1.0)
    return waits


def multi_server_wait(
    service_time_seconds: ArrayLike, server_count: ArrayLike, utilization: ArrayLike
) -> Floats:
    """The mean waiting time in M/M/m, C S / (m (1 - U)), in seconds."""
    idle = 1 - _floats(utilization)
    wait = erlang_c(server_count, utilization) * _floats(service_time_seconds) / _floats(server_count)
    return _divide(wait, idle)


def processor_sharing_wait(service_time_seconds: ArrayLike, utilization: ArrayLike) -> Floats:
    """What processor sharing adds to the mean service time in M/G/1, S U / (1 - U), in seconds.

    It does not depend on the distribution of the service time (Kleinrock, Queueing Systems II, 1976, section
    4.4).
    """
    busy = _floats(utilization)
    return _divide(_floats(service_time_seconds) * busy, 1 - busy)


def throttled_wait(
    cpu_seconds: ArrayLike, limit_cores: ArrayLike, utilization: ArrayLike, burst: ArrayLike = 1.0
) -> Floats:
    """The mean time that a request is stopped because its container has used up its CPU quota, in seconds.

    A limit of c cores lets a container run c x 100 ms in each period, as fast as it can, and then stops it: a
    token bucket. Work that came through a bucket of depth q with the rate c waits for (V - q)+ / c, where V
    is the backlog of a queue that is served at the rate c. With the exponential tail of V, mean b U / (1 -
    U), this is

        b / c x U / (1 - U) x exp(-(1 - U) q / (B b)),    b = S (1 + cv^2) / 2

    where a burst of B requests that follow one another fills the bucket B times as fast. It tends to 0 for a
    light load and to processor sharing at the rate c near the limit.

    Args:
        cpu_seconds: S, the application's CPU time of one request.
        limit_cores: c, of one replica.
        utilization: CPU used / limit.
        burst: B, requests that follow one another, at least 1.
    """
    work = _floats(cpu_seconds) * WORK_VARIABILITY
    limit, busy = _floats(limit_cores), _floats(utilization)
    stopped = throttled_share(cpu_seconds, limit_cores, utilization, burst)
    with np.errstate(divide="ignore", invalid="ignore"):
        wait = _divide(work / limit * busy, 1 - busy) * stopped
    return np.where(work > 0, wait, 0.0)


def throttled_share(
    cpu_seconds: ArrayLike, limit_cores: ArrayLike, utilization: ArrayLike, burst: ArrayLike = 1.0
) -> Floats:
    """The share of backlogs that use up the quota at hand: the exponential of `throttled_wait`; 0 to 1.

    0 without work. Arguments as of `throttled_wait`.
    """
    work = _floats(cpu_seconds) * WORK_VARIABILITY
    depth = QUOTA_AT_HAND * CFS_PERIOD_SECONDS * _floats(limit_cores)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.exp(-np.maximum(1 - _floats(utilization), 0.0) * depth / (work * _floats(burst)))
    return np.where(work > 0, share, 0.0)


def crowded_share(cpu_seconds: ArrayLike, limit_cores: ArrayLike, utilization: ArrayLike) -> Floats:
    """The same as `throttled_share` where all requests of a period come at once; 0 to 1.

    The work that a period leaves over is a random walk that is cut at 0: by a quota down, by the work of a
    Poisson number of requests up. With d = (1 - U) q the mean step and s = sqrt(2 b U q) its deviation, its
    mean is b U / (1 - U) x exp(-2 x 0.5826 d / s), and what waits of it, on average, is that over c.

    Source: D. Siegmund, Corrected diffusion approximations in certain random walk problems, Advances in
    Applied Probability 11(4), 1979. Arguments as of `throttled_wait`.
    """
    work = _floats(cpu_seconds) * WORK_VARIABILITY
    quota, busy = CFS_PERIOD_SECONDS * _floats(limit_cores), _floats(utilization)
    served = (work > 0) & (busy > 0)
    deviation = np.sqrt(np.where(served, 2 * work * busy * quota, 1.0))
    steps = np.maximum(1 - busy, 0.0) * quota / np.maximum(deviation, np.finfo(float).eps)
    return np.where(served, np.exp(-2 * OVERSHOOT * steps), 0.0)


def _divide(value: Floats, idle: Floats) -> Floats:
    """`value / idle`, infinite where nothing is idle."""
    quotient: Floats = np.where(idle > 0, value / np.where(idle > 0, idle, 1.0), np.inf)
    return quotient


def _floats(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64)
