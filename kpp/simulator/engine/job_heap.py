"""A binary heap in two parallel arrays: the tag at which a job is done, and the job."""

from kpp.simulator.engine.layout import Indices, Reals
from kpp.simulator.engine.native import compiled


@compiled
def push(tags: Reals, jobs: Indices, count: int, tag: float, job: int) -> None:
    """Add a job to a heap that holds `count`."""
    position = count
    while position > 0:
        parent = (position - 1) >> 1
        if tags[parent] <= tag:
            break
        tags[position], jobs[position] = tags[parent], jobs[parent]
        position = parent
    tags[position], jobs[position] = tag, job


@compiled
def pop(tags: Reals, jobs: Indices, count: int) -> int:
    """Take out the job with the smallest tag from a heap that holds `count`."""
    first: int = jobs[0]
    last = count - 1
    tag, job = tags[last], jobs[last]
    position = 0
    while True:
        child = 2 * position + 1
        if child >= last:
            break
        if child + 1 < last and tags[child + 1] < tags[child]:
            child += 1
        if tag <= tags[child]:
            break
        tags[position], jobs[position] = tags[child], jobs[child]
        position = child
    tags[position], jobs[position] = tag, job
    return first
