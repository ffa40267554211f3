"""What the model of a whole system is made of, what it is asked, and what it answers."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from kpp.queueing.estimation.demand_fall import DemandFall
from kpp.queueing.layered import CallGraph

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
        graph: who calls whom. Where that is not known, the entry service is taken to make all calls.
        calls_known: whether it is. If not, `unloaded` are response times as a whole, and waits alone are
            nested.
        burst: requests that follow one another.
        crowding: the share of what crowds wait (`kpp.queueing.crowds`) that is there.
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
    graph: CallGraph
    calls_known: bool
    burst: Floats
    crowding: Floats
    background: Floats
    demand: Floats
    share: Floats
    ceiling: Floats
    fall: DemandFall
    variability: float = 1.0

    def nest(self, own: Floats) -> Floats:
        """What own times make of response times, those of the callees included; (…, services) both."""
        return self.graph.response_times(own) if self.calls_known else own

    def nest_waits(self, waits: Floats) -> Floats:
        """The same of waits."""
        return self.graph.response_times(waits)

    def parts_of_entry(self) -> tuple[Floats, Floats]:
        """(services,) how often own times, and waits, are part of the entry's response time."""
        waits = self.graph.visit_ratios(self.entry)
        alone = np.zeros_like(waits)
        alone[self.entry] = 1.0
        return waits if self.calls_known else alone, waits

    def unloaded_entry(self) -> float:
        """R0: the response time of a request to the entry service that meets no other, as measured."""
        whole = float(self.parts_of_entry()[0] @ np.nan_to_num(self.unloaded))
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

    def is_same(self, other: "Situations") -> bool:
        """Whether all of it is equal; what is not known is equal to itself."""
        pairs = ((getattr(self, field.name), getattr(other, field.name)) for field in fields(self))
        return all(np.array_equal(mine, theirs, equal_nan=True) for mine, theirs in pairs)


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
