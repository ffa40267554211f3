import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpp.simulator.kubernetes.controllers.work_queue import Task, WorkQueue

ADDED = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 20)))


@given(ADDED)
def test_each_task_is_there_once_at_its_earliest_time(added: list[tuple[str, int]]) -> None:
    queue = WorkQueue()
    for name, at in added:
        queue.add(Task("controller", "namespace", name), at)
    taken = []
    while (next_at := queue.next_at) is not None:
        taken.append((queue.pop().name, next_at))
    assert dict(taken) == {name: min(at for each, at in added if each == name) for name, _ in added}
    assert len(taken) == len(dict(taken))
    assert [at for _, at in taken] == sorted(at for _, at in taken)


def test_tasks_of_one_moment_come_in_the_order_they_were_added() -> None:
    queue = WorkQueue()
    for name in ("b", "a", "c"):
        queue.add(Task("controller", "namespace", name), 1.0)
    assert [queue.pop().name for _ in range(3)] == ["b", "a", "c"]
    with pytest.raises(IndexError, match="empty"):
        queue.pop()
