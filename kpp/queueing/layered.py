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

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kpp.errors import InputError
from kpp.schema import CALLEE, CALLER, CALLS

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CallGraph:
    """Who calls whom, how often.

    Attributes:
        calls: (services, services), callers in rows; mean calls per request that the caller serves.
    """

    calls: Floats

    def visit_ratios(self, entry: int) -> Floats:
        """(services,) visits per request to the service with the index `entry`."""
        start = np.zeros(len(self.calls))
        start[entry] = 1.0
        return np.asarray(np.linalg.solve(np.eye(len(start)) - self.calls.T, start), dtype=np.float64)

    def own_times(self, response_times_seconds: Floats) -> Floats:
        """Response times without those of the callees; (…, services) to (…, services)."""
        own: Floats = response_times_seconds - response_times_seconds @ self.calls.T
        return own

    def nesting(self) -> Floats:
        """(services, services) the matrix that makes response times of own times."""
        return np.asarray(np.linalg.inv(np.eye(len(self.calls)) - self.calls), dtype=np.float64)

    def response_times(self, own_times_seconds: Floats) -> Floats:
        """Response times with those of all callees; (…, services) to (…, services)."""
        composed: Floats = own_times_seconds @ self.nesting().T
        return composed

    def calls_made(self) -> Floats:
        """(services,) calls per request that a service serves."""
        made: Floats = self.calls.sum(axis=1)
        return made

    def burst_sizes(self) -> Floats:
        """(services,) calls that a request of a caller makes one after the other, as a callee meets them.

        Only means are recorded. For a number of calls with a geometric distribution, a call that is picked at
        random has 2 c - 1 of its kind; weighted by the callers' shares, and at least 1.
        """
        weights = self.calls / np.maximum(self.calls.sum(axis=0), np.finfo(float).tiny)
        sizes: Floats = (weights * np.maximum(2 * self.calls - 1, 1.0)).sum(axis=0)
        return np.maximum(sizes, 1.0)


def read_graph(calls: pd.DataFrame, services: Sequence[str]) -> CallGraph:
    """Arrange a table of calls in the order of `services`; calls of others are left out.

    Raises:
        InputError: the calls go round in a circle without end.
    """
    known = calls[calls[CALLER].isin(services) & calls[CALLEE].isin(services)]
    matrix = np.zeros((len(services), len(services)))
    index = {service: position for position, service in enumerate(services)}
    for caller, callee, count in zip(known[CALLER], known[CALLEE], known[CALLS], strict=True):
        matrix[index[caller], index[callee]] += count
    radius = float(np.abs(np.linalg.eigvals(matrix)).max()) if len(services) else 0.0
    if radius >= 1:
        what = "the calls go round in a circle, so that one request would make endless calls"
        raise InputError(what, where="calls table", mend="correct the circle's calls per request")
    return CallGraph(matrix)
