"""Nested synchronous calls: a caller's response time contains its callees', its throughput makes theirs.

With C the matrix of calls (C[i, j] calls of service j per request that service i serves), W the time that a
request spends in a service itself, R response times and V visits per request to the entry service:

    R = W + C R,    V = e + C' V

These are the layers of a layered queueing network whose callers do nothing while they wait (J. Rolia and K.
Sevcik, The method of layers, IEEE Transactions on Software Engineering 21(8), 1995), without limits on
concurrent calls.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array, eye_array
from scipy.sparse.csgraph import connected_components

from kpp.errors import InputError
from kpp.schema import CALLEE, CALLER, CALLS

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

MOST_DOUBLINGS = 64  # of the calls that are followed; without a circle, their depth is enough
NEGLIGIBLE = 1e-30  # calls per request


@dataclass(frozen=True, eq=False)
class CallGraph:
    """Who calls whom, how often; sparse, since a service calls few of a thousand others.

    Attributes:
        calls: (services, services), callers in rows; mean calls per request that the caller serves.
    """

    calls: csr_array

    @classmethod
    def of(cls, callers: ArrayLike, callees: ArrayLike, counts: ArrayLike, size: int) -> "CallGraph":
        """From a list of calls: indices of services, and mean calls; those of a pair add up."""
        places = (np.asarray(callers, dtype=np.intp), np.asarray(callees, dtype=np.intp))
        calls = csr_array((np.asarray(counts, dtype=np.float64), places), shape=(size, size))
        calls.eliminate_zeros()
        return cls(calls)

    def visit_ratios(self, entry: int) -> Floats:
        """(services,) visits per request to the service with the index `entry`."""
        return np.asarray(self.nesting[[entry]].toarray()[0], dtype=np.float64)

    def own_times(self, response_times_seconds: Floats) -> Floats:
        """Response times without those of the callees; (…, services) to (…, services)."""
        return np.asarray(response_times_seconds - (self.calls @ response_times_seconds.T).T)

    @cached_property
    def nesting(self) -> csr_array:
        """(services, services) the matrix that makes response times of own times: I + C + C² + …"""
        power, total = self.calls, eye_array(*self.calls.shape, format="csr") + self.calls
        for _ in range(MOST_DOUBLINGS):
            power = power @ power
            power.data[power.data < NEGLIGIBLE] = 0.0
            power.eliminate_zeros()
            if not power.nnz:
                break
            total = total + power @ total
        return total

    def response_times(self, own_times_seconds: Floats) -> Floats:
        """Response times with those of all callees; (…, services) to (…, services)."""
        return np.asarray((self.nesting @ own_times_seconds.T).T, dtype=np.float64)

    def calls_made(self) -> Floats:
        """(services,) calls per request that a service serves."""
        return np.asarray(self.calls.sum(axis=1), dtype=np.float64)

    @property
    def counts(self) -> Floats:
        """(calls,) mean calls per request of the caller, by callee."""
        return np.asarray(self._by_callee.data, dtype=np.float64)

    @cached_property
    def pairs(self) -> tuple[Indices, Indices]:
        """(calls,) callers and callees, in the order of `counts`."""
        indices = np.asarray(self._by_callee.indices, dtype=np.intp)
        return indices, np.repeat(np.arange(self.calls.shape[1]), np.diff(self._by_callee.indptr))

    def callers_of(self, callee: int) -> tuple[Indices, Floats]:
        """Who calls a service, and how often."""
        own = slice(*self._by_callee.indptr[callee : callee + 2])
        return self._by_callee.indices[own], self._by_callee.data[own]

    def add_by_caller(self, values: Floats) -> Floats:
        """(situations, services) the sums over a service's calls; (situations, calls), as `counts`."""
        return np.asarray((self._of_caller @ values.T).T, dtype=np.float64)

    def most_of_calls(self, values: Floats) -> Floats:
        """The largest value that a call to a service has; 0 for a service without callers.

        Args:
            values: (situations, calls), not negative, in the order of `counts`.

        Returns:
            (situations, services)
        """
        found = np.zeros((len(values), self.calls.shape[1]))
        starts, ends = self._by_callee.indptr[:-1], self._by_callee.indptr[1:]
        called = np.flatnonzero(ends > starts)
        if len(called):
            found[:, called] = np.maximum.reduceat(values, starts[called], axis=1)
        return found

    def most_of_callers(self, values: Floats, weights: Floats) -> Floats:
        """The largest value that a caller has, times the weight of its call; 0 for a service without callers.

        Args:
            values: (situations, services), not negative.
            weights: (calls,), in the order of `counts`.

        Returns:
            (situations, services)
        """
        return self.most_of_calls(values[:, self.pairs[0]] * weights)

    def burst_sizes(self) -> Floats:
        """(services,) calls that a request of a caller makes one after the other, as a callee meets them.

        Only means are recorded. For a number of calls with a geometric distribution, a call that is picked at
        random has 2 c - 1 of its kind; weighted by the callers' shares, and at least 1.
        """
        sizes = self._by_callee.copy()
        sizes.data = self.counts * np.maximum(2 * self.counts - 1, 1.0)
        totals = np.maximum(self.calls.sum(axis=0), np.finfo(float).tiny)
        return np.asarray(np.maximum(sizes.sum(axis=0) / totals, 1.0), dtype=np.float64)

    def dump(self) -> dict[str, Any]:
        """As plain data: a list of calls."""
        listed = self.calls.tocoo()
        return {
            "callers": listed.row.tolist(),
            "callees": listed.col.tolist(),
            "counts": listed.data.tolist(),
        }

    @cached_property
    def _of_caller(self) -> csr_array:
        """(services, calls) 1 where a call is a service's own."""
        callers = self.pairs[0]
        places = (callers, np.arange(len(callers)))
        return csr_array((np.ones(len(callers)), places), shape=(self.calls.shape[0], len(callers)))

    @cached_property
    def _by_callee(self) -> Any:
        return self.calls.tocsc()


def read_graph(calls: pd.DataFrame, services: Sequence[str]) -> CallGraph | None:
    """Arrange a table of calls in the order of `services`; calls of others are left out.

    Returns:
        None if none are left.

    Raises:
        InputError: the calls go round in a circle without end.
    """
    known = calls[calls[CALLER].isin(services) & calls[CALLEE].isin(services)]
    index = {service: position for position, service in enumerate(services)}
    callers, callees = known[CALLER].map(index), known[CALLEE].map(index)
    graph = CallGraph.of(callers, callees, known[CALLS], len(services))
    if _longest_circle(graph.calls) >= 1:
        what = "the calls go round in a circle, so that one request would make endless calls"
        raise InputError(what, where="calls table", mend="correct the circle's calls per request")
    return graph if graph.calls.nnz else None


def _longest_circle(calls: csr_array) -> float:
    """The spectral radius: what of a request comes back, each time round the worst circle; 0 without one.

    Only services that reach each other have a part in it.
    """
    count, component = connected_components(calls, connection="strong")
    sizes = np.bincount(component, minlength=count)
    radius = 0.0
    for number in np.unique(component[(sizes[component] > 1) | (calls.diagonal() > 0)]):
        members = np.flatnonzero(component == number)
        together = calls[members][:, members].toarray()
        radius = max(radius, float(np.abs(np.linalg.eigvals(together)).max()))
    return radius
