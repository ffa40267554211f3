"""Exact mean value analysis of closed networks with one class of customers.

Source: M. Reiser and S. S. Lavenberg, Mean-value analysis of closed multichain queuing networks, Journal of
the ACM 27(2), 1980; stations with several servers by marginal probabilities, as in G. Bolch and others,
Queueing Networks and Markov Chains, 2nd ed., Wiley 2006, algorithm 8.2.

It is the reference for `kpp.queueing.approximate`, which answers for thousands of situations at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Station:
    """A queueing resource.

    Attributes:
        service_demand_seconds: visit ratio x service time of one server.
        server_count: parallel servers; the queue is shared.
    """

    service_demand_seconds: float
    server_count: int = 1


@dataclass(frozen=True)
class NetworkSolution:
    """Means over a long time.

    Attributes:
        throughput_rps: requests that leave the network, X.
        residence_seconds: (stations,) time spent there by one request, over all its visits.
        queue_lengths: (stations,) customers there, those in service included.
    """

    throughput_rps: float
    residence_seconds: Floats
    queue_lengths: Floats

    @property
    def response_time_seconds(self) -> float:
        """R, without the think time."""
        return float(self.residence_seconds.sum())


def exact_mva(
    stations: Sequence[Station], user_count: int, think_time_seconds: float = 0.0
) -> NetworkSolution:
    """Solve a closed network of queues and one delay exactly.

    Args:
        stations: any number; with processor sharing, or first come first served and exponential service.
        user_count: N >= 1.
        think_time_seconds: Z, the delay.
    """
    demands = np.array([station.service_demand_seconds for station in stations])
    servers = [station.server_count for station in stations]
    queues = np.zeros(len(stations))
    # probability of 0 … m - 1 customers at each station; only these leave servers idle
    marginals = [np.concatenate([[1.0], np.zeros(count - 1)]) for count in servers]
    throughput, residence = 0.0, np.zeros(len(stations))
    for population in range(1, user_count + 1):
        idle = [
            float(np.arange(count - 1, 0, -1) @ marginal[: count - 1])
            for count, marginal in zip(servers, marginals, strict=True)
        ]
        residence = demands / servers * (1 + queues + idle)
        throughput = population / (think_time_seconds + float(residence.sum()))
        queues = throughput * residence
        marginals = [
            _advance(marginal, throughput * demand, count)
            for marginal, demand, count in zip(marginals, demands, servers, strict=True)
        ]
    return NetworkSolution(throughput, residence, queues)


def _advance(marginal: Floats, offered: float, server_count: int) -> Floats:
    """The marginal probabilities with one customer more; `offered` is X D, the mean of busy servers."""
    following = np.empty(server_count)
    busy = np.arange(1, server_count)
    following[1:] = offered / busy * marginal[:-1]
    following[0] = max(0.0, 1 - (offered + float((server_count - busy) @ following[1:])) / server_count)
    return following
