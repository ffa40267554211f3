"""Closed systems of any size, thousands at once: a fixed point between a law and waiting times.

The throughput X of N users solves N = X (Z + R(X)), where R(X) is made of the waiting times of open stations,
seen by a request that is not in its own way: with (N - 1) / N of their utilization. For processor sharing,

    W = S / (1 - X S (N - 1) / N)

is what the approximation of P. J. Schweitzer (1979; Y. Bard, Some extensions to multiclass queueing network
analysis, 1979) says, since its W = S (1 + Q (N - 1) / N) with Q = X W is the same equation. R(X) grows with
X, so that there is one solution, and it lies below the least capacity of the stations whatever N.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kpp.queueing.stations import multi_server_wait

Floats = NDArray[np.float64]

HALVINGS = 60  # of the interval that holds X: to the last bit of a float
HALVINGS_OF_LOG = 38  # to 1e-10 of y
LEAST_LOG, LARGEST_LOG = -18.0, 15.0  # of sqrt(y): from 1e-16 of the bound to a million standard deviations


def solve_closed(
    user_count: Floats,
    think_time_seconds: Floats,
    response_time: Callable[[Floats], Floats],
    upper_rps: Floats,
) -> Floats:
    """Find the throughput at which N = X (Z + R(X)), by bisection, for all situations together.

    Args:
        user_count: (situations,) N.
        think_time_seconds: (situations,) Z.
        response_time: gives R, (situations,), for throughputs (situations,); grows with each; may be
            infinite.
        upper_rps: (situations,) above the solution: N / (Z + R(0)), or the capacity if that is less.

    Returns:
        (situations,) X in requests per second, not above `upper_rps`.
    """
    low, high = np.zeros_like(upper_rps), upper_rps.copy()
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        too_many = middle * (think_time_seconds + response_time(middle)) > user_count
        low, high = np.where(too_many, low, middle), np.where(too_many, middle, high)
    return low


def solve_saturating(
    user_count: Floats,
    think_time_seconds: Floats,
    response_time: Callable[[Floats, Floats], Floats],
    bound_rps: Floats,
) -> tuple[Floats, Floats]:
    """Find the throughput at which N = X (Z + R), where R has no limit as X comes near a bound.

    A saturated system comes nearer to its bound than a float could tell: the unknown is y, X = bound x (1 -
    exp(-y)).

    Args:
        user_count: (situations,) N.
        think_time_seconds: (situations,) Z.
        response_time: gives R, (situations,), for X and ln(1 - X / bound) = -y, (situations,) both; grows.
        bound_rps: (situations,) finite.

    Returns:
        (situations,) X in requests per second, and -y.
    """
    low, high = np.full_like(user_count, LEAST_LOG), np.full_like(user_count, LARGEST_LOG)
    for _ in range(HALVINGS_OF_LOG):
        middle = (low + high) / 2
        slack = np.exp(2 * middle)
        throughput = bound_rps * -np.expm1(-slack)
        too_many = throughput * (think_time_seconds + response_time(throughput, -slack)) > user_count
        low, high = np.where(too_many, low, middle), np.where(too_many, middle, high)
    slack = np.exp(2 * low)
    return bound_rps * -np.expm1(-slack), -slack


def approximate_mva(
    service_demands_seconds: ArrayLike,
    server_counts: ArrayLike,
    user_count: ArrayLike,
    think_time_seconds: ArrayLike = 0.0,
) -> Floats:
    """The throughput of closed networks of stations with parallel servers, in requests per second.

    Args:
        service_demands_seconds: (stations,) visit ratio x service time of one server.
        server_counts: (stations,) parallel servers, at least 1, not necessarily whole.
        user_count: (situations,) N.
        think_time_seconds: (situations,) or one Z.
    """
    demands, servers = np.asarray(service_demands_seconds, float), np.asarray(server_counts, float)
    users = np.atleast_1d(np.asarray(user_count, dtype=np.float64))
    think = np.broadcast_to(np.asarray(think_time_seconds, dtype=np.float64), users.shape)
    others = ((users - 1) / users)[:, None]

    def response_time(throughput_rps: Floats) -> Floats:
        utilization = throughput_rps[:, None] * demands / servers * others
        total: Floats = (demands + multi_server_wait(demands, servers, utilization)).sum(axis=1)
        return total

    upper = np.minimum(users / (think + demands.sum()), (servers / demands).min())
    return solve_closed(users, think, response_time, upper)
