"""Which service the users call, found by structure and not by its name."""

import numpy as np
from numpy.typing import NDArray

from kpp.queueing.estimation.levels import Levels
from kpp.queueing.layered import CallGraph

Floats = NDArray[np.float64]


def find_entry(levels: Levels, graph: CallGraph | None) -> tuple[int, str]:
    """Find the entry service.

    With a graph it is the service that nobody calls. In any case, since callers wait for their callees, a
    request that is anywhere in the system is also in the entry service: by Little's law, no other service has
    a larger throughput x response time.

    Returns:
        Its index, and how it was found, in words.
    """
    present = inside(levels)
    candidates = np.arange(len(levels.services))
    if graph is not None:
        called, calls = graph.calls.sum(axis=0) > 0, graph.calls.sum(axis=1) > 0
        uncalled = np.flatnonzero(~called & calls)
        # a table that misses the entry's own calls would make an entry of what it calls
        apart = np.flatnonzero(~called & ~calls)
        larger = [service for service in apart if (present[service] > present[uncalled]).all()]
        if len(uncalled) == 1 and not larger:
            return int(uncalled[0]), "nobody calls it"
        candidates = np.append(uncalled, larger).astype(np.intp) if len(uncalled) else candidates
    if len(levels.services) == 1:
        return 0, "the only service"
    if np.isnan(present[candidates]).all():
        return int(
            candidates[_busiest(levels, candidates)]
        ), "it uses the most CPU; response times are missing"
    best = int(candidates[np.nanargmax(present[candidates])])
    return best, "the most requests are inside it at a time"


def inside(levels: Levels) -> Floats:
    """(services,) mean requests inside a service, X R, at the highest measured load where it was measured."""
    inside_at = levels.throughput * levels.response_time
    found = np.full(len(levels.services), np.nan)
    for row in inside_at:  # ascending loads: the last that is known stands
        found = np.where(np.isnan(row), found, row)
    return found


def _busiest(levels: Levels, candidates: NDArray[np.intp]) -> int:
    cpu = np.nan_to_num(levels.cpu[:, candidates])
    return int(np.argmax(cpu.sum(axis=0)))
