"""What the model of a whole system is made of, what it is asked, and what it answers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kpp.queueing.demand_fall import DemandFall

Floats = NDArray[np.float64]

LEAST_CYCLE_SECONDS = 1e-6  # of a user who neither thinks nor waits


@dataclass(frozen=True)
class Parameters:
    """What is known of the application; (services,) where not said otherwise, NaN where unknown.

    Attributes:
        entry: index of the entry service.
        think_time: Z, seconds.
        visit_ratio: visits per request to the entry service; 1 where throughput was never seen.
        unloaded: own time of a request that meets no other, at the reference load, seconds.
        entry_offset: seconds that the entry's response time was measured too low (Envoy's truncation).
        nested: (services, services) such that response times = nested @ own times + nested_waits @ waits.
            Where no calls are known, `unloaded` are response times as a whole and this is the identity.
        nested_waits: the same for waits; where no calls are known, all waits are part of the entry's.
        burst: requests that follow one another.
        variability: of the work of requests, relative to the usual; what waits are in proportion to.
        background: cores of one replica without requests.
        demand: CPU seconds of one request, at the reference load.
        share: of the CPU that the limit holds back.
        ceiling: requests per second of one replica where something else than CPU holds it back.
        fall: of demand and own times with load.
    """

    entry: int
    think_time: float
    visit_ratio: Floats
    unloaded: Floats
    entry_offset: float
    nested: Floats
    nested_waits: Floats
    burst: Floats
    background: Floats
    demand: Floats
    share: Floats
    ceiling: Floats
    fall: DemandFall
    variability: float = 1.0

    def calls_made(self) -> Floats:
        """(services, services) calls per request that a caller (row) serves.

        Where they are not known, the entry service is taken to make all of them.
        """
        known = np.eye(len(self.nested)) - np.linalg.inv(self.nested)
        if known.any():
            return np.maximum(known, 0.0)
        of_entry = np.zeros_like(self.nested)
        of_entry[self.entry] = self.visit_ratio
        of_entry[self.entry, self.entry] = 0.0
        return of_entry

    def unloaded_entry(self) -> float:
        """R0: the response time of a request to the entry service that meets no other, as measured."""
        whole = float(self.nested[self.entry] @ np.nan_to_num(self.unloaded))
        return max(whole - self.entry_offset, 0.0)

    def cycle_seconds(self) -> float:
        """Z + R0: one request of a user who meets no other."""
        return max(self.think_time + self.unloaded_entry(), LEAST_CYCLE_SECONDS)


@dataclass(frozen=True)
class Situations:
    """What is asked.

    Attributes:
        user_count: (situations,).
        think_time: (situations,) seconds; NaN: as measured.
        replicas: (situations, services).
        cpu_limit: (situations, services) cores of one replica; NaN: none known.
    """

    user_count: Floats
    think_time: Floats
    replicas: Floats
    cpu_limit: Floats


@dataclass(frozen=True)
class Solution:
    """What is expected; (situations, services) where not said otherwise.

    Attributes:
        response_time: seconds, as they would be measured.
        throughput: requests per second.
        cpu: cores of all replicas.
        saturation: requests per second that the service as laid out could serve; infinite if not known.
        bound: (situations,) requests per second at the entry service that saturate the bottleneck.
        think_time: (situations,) seconds.
        demand: CPU seconds of one request at this load.
        own: own time without waiting, seconds.
        wait: seconds that one visit waits.
        utilization: of what holds the service back; 0 if not known.
    """

    response_time: Floats
    throughput: Floats
    cpu: Floats
    saturation: Floats
    bound: Floats
    think_time: Floats
    demand: Floats
    own: Floats
    wait: Floats
    utilization: Floats
