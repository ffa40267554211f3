"""What a learned residual makes of a solved network, so that the laws still hold."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kpp.queueing.parameters import Parameters, Situations, Solution

Floats = NDArray[np.float64]


def correct(
    solution: Solution,
    parameters: Parameters,
    situations: Situations,
    time_factors: Floats,
    cpu_factors: Floats,
) -> Solution:
    """Apply factors to response times and CPU.

    The entry's response time cannot be so short that the bottleneck would be passed: R >= N / X_max - Z. Its
    throughput follows by N = X (Z + R), that of the others by visit ratios, and CPU goes with the throughput.
    The application's CPU stays within its limit.

    Args:
        solution: of the network.
        parameters: of the network.
        situations: that were solved.
        time_factors: (situations, services).
        cpu_factors: (situations, services).
    """
    users, entry = situations.user_count, parameters.entry
    response_time = solution.response_time * time_factors
    before = np.where(np.isnan(solution.response_time[:, entry]), 0.0, solution.response_time[:, entry])
    least = np.maximum(users / solution.bound - solution.think_time, 0.0)
    after = np.maximum(before * np.nan_to_num(time_factors[:, entry], nan=1.0), least)
    cycle = np.maximum(solution.think_time + before, 1e-12)
    slowdown = cycle / np.maximum(solution.think_time + after, 1e-12)
    entry_known = ~np.isnan(solution.response_time[:, entry])
    response_time[:, entry] = np.where(entry_known, after, np.nan)
    background = situations.replicas * parameters.background
    cpu = (background + (solution.cpu - background) * slowdown[:, None]) * cpu_factors
    most = np.where(np.isfinite(situations.cpu_limit), situations.replicas * situations.cpu_limit, np.inf)
    application = np.minimum(parameters.share * cpu, most)
    return replace(
        solution,
        response_time=response_time,
        throughput=solution.throughput * slowdown[:, None],
        cpu=application + (1 - parameters.share) * cpu,
        utilization=solution.utilization * slowdown[:, None],
    )
