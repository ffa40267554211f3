"""Operational laws and bounds of a closed system.

They hold for any system over any long enough time, whatever its distributions.

Sources:
    P. J. Denning and J. P. Buzen, The operational analysis of queueing network models, ACM Computing Surveys
    10(3), 1978. E. D. Lazowska and others, Quantitative System Performance, Prentice Hall 1984, chapters 3
    and 5 (https://homes.cs.washington.edu/~lazowska/qsp/).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def think_time(user_count: ArrayLike, throughput_rps: ArrayLike, response_time_seconds: ArrayLike) -> Floats:
    """The users' pause per request by the response-time law, Z = N / X - R, in seconds.

    >>> float(think_time(100, 20, 0.5))
    4.5
    """
    return _floats(user_count) / _floats(throughput_rps) - _floats(response_time_seconds)


def response_time(user_count: ArrayLike, throughput_rps: ArrayLike, think_time_seconds: ArrayLike) -> Floats:
    """The response time by the response-time law, R = N / X - Z, in seconds.

    >>> float(response_time(100, 20, 4.5))
    0.5
    """
    return _floats(user_count) / _floats(throughput_rps) - _floats(think_time_seconds)


def throughput(
    user_count: ArrayLike, think_time_seconds: ArrayLike, response_time_seconds: ArrayLike
) -> Floats:
    """The throughput by the response-time law, X = N / (Z + R), in requests per second.

    >>> float(throughput(100, 4.5, 0.5))
    20.0
    """
    return _floats(user_count) / (_floats(think_time_seconds) + _floats(response_time_seconds))


def utilization(
    throughput_rps: ArrayLike, service_time_seconds: ArrayLike, server_count: ArrayLike = 1.0
) -> Floats:
    """The utilization law, U = X S / m.

    >>> float(utilization(40, 0.01, 2))
    0.2
    """
    return _floats(throughput_rps) * _floats(service_time_seconds) / _floats(server_count)


def throughput_bound(
    user_count: ArrayLike,
    think_time_seconds: ArrayLike,
    unloaded_seconds: ArrayLike,
    saturation_rps: ArrayLike,
) -> Floats:
    """The asymptotic bound: X <= min(N / (Z + R0), X_max).

    Args:
        user_count: N.
        think_time_seconds: Z.
        unloaded_seconds: R0, the response time of a request that meets no other.
        saturation_rps: X_max, the least over all stations of servers / service demand; infinite if not known.
    """
    return np.minimum(throughput(user_count, think_time_seconds, unloaded_seconds), _floats(saturation_rps))


def knee(think_time_seconds: ArrayLike, unloaded_seconds: ArrayLike, saturation_rps: ArrayLike) -> Floats:
    """The number of users at which the two asymptotes meet, N* = (Z + R0) X_max.

    >>> float(knee(4.5, 0.5, 20))
    100.0
    """
    return (_floats(think_time_seconds) + _floats(unloaded_seconds)) * _floats(saturation_rps)


def balanced_job_bounds(
    service_demands_seconds: ArrayLike, user_count: float, think_time_seconds: float
) -> tuple[float, float]:
    """Lower and upper bound of the throughput of a network of single servers (Lazowska, table 5.2).

    They are nearer to each other than the asymptotic bounds: of all networks with the same total and the same
    largest demand, those with balanced demands do worst and best.

    Args:
        service_demands_seconds: (stations,) visit ratio x service time.
        user_count: N, at least 1.
        think_time_seconds: Z.
    """
    demands = _floats(service_demands_seconds)
    total, largest, mean = float(demands.sum()), float(demands.max()), float(demands.mean())
    others = user_count - 1
    slow = total + think_time_seconds + others * largest / (1 + think_time_seconds / (user_count * total))
    fast = total + think_time_seconds + others * mean / (1 + think_time_seconds / total)
    return user_count / slow, min(1 / largest, user_count / fast)


def _floats(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64)
