"""What the controllers have to look at, and when."""

import heapq
from dataclasses import dataclass
from itertools import count


@dataclass(frozen=True)
class Task:
    """An object for one of the controllers to look at."""

    controller: str
    namespace: str
    name: str


class WorkQueue:
    """Tasks in the order of their times; each is there once, at the earliest time that was asked for."""

    def __init__(self) -> None:
        self._times: dict[Task, float] = {}
        self._heap: list[tuple[float, int, Task]] = []
        self._order = count()  # of tasks for the same moment

    def add(self, task: Task, at: float) -> None:
        """Look at the object at that time, Unix seconds; whoever wants another look later asks again then."""
        if at < self._times.get(task, float("inf")):
            self._times[task] = at
            heapq.heappush(self._heap, (at, next(self._order), task))

    @property
    def next_at(self) -> float | None:
        """When the next task is due, None when there is none."""
        while self._heap and self._times.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)  # an earlier look replaced it
        return self._heap[0][0] if self._heap else None

    def pop(self) -> Task:
        """Take the next task out."""
        if self.next_at is None:
            raise IndexError("the queue is empty")
        task = heapq.heappop(self._heap)[2]
        del self._times[task]
        return task
