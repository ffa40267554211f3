"""Rows for requests, and the lists that they stand in: free rows, network, deadlines, lines for workers."""

from kpp.simulator.engine.event_calendar import FIRST_DEADLINE_SOURCE, NETWORK_SOURCE, schedule
from kpp.simulator.engine.layout import World
from kpp.simulator.engine.native import compiled
from kpp.simulator.engine.states import NEVER, NONE, Stage


@compiled
def take_row(world: World, kind: int, operation: int, now: float) -> int:
    """A row for a new request, with everything unset; the kernel sees to it that there is a free one."""
    state = world.state[0]
    row: int = state.free_request
    request = world.requests[row]
    state.free_request = request.next
    state.free_request_count -= 1
    request.kind = kind
    request.operation = operation
    request.service = world.operations[operation].service
    request.pod = request.source_pod = request.parent = request.child = request.call = NONE
    request.next_call = world.operations[operation].first_call
    request.calls_made = 0
    request.items = 0
    request.user = NONE
    request.outcome = 0
    request.abandoned = request.call_failed = False
    request.sent_at = request.received_at = request.admitted_at = now
    request.used_seconds = 0.0
    request.next = request.deadline = NONE
    return row


@compiled
def free_row(world: World, row: int) -> None:
    """Give a row back; nothing refers to it any more."""
    state = world.state[0]
    request = world.requests[row]
    leave_deadline(world, row)
    request.stage = Stage.FREE
    request.next = state.free_request
    state.free_request = row
    state.free_request_count += 1


@compiled
def enter_network(world: World, row: int, now: float) -> None:
    """Every hop takes as long as any other, so that the first to enter is the first to leave."""
    state = world.state[0]
    request = world.requests[row]
    request.next = NONE
    request.due_at = now + state.network_seconds
    if state.network_head == NONE:
        state.network_head = row
        schedule(world, NETWORK_SOURCE, request.due_at)
    else:
        world.requests[state.network_tail].next = row
    state.network_tail = row


@compiled
def leave_network(world: World) -> int:
    """Take out the request that has been on its way longest."""
    state = world.state[0]
    row: int = state.network_head
    state.network_head = world.requests[row].next
    head = state.network_head
    schedule(world, NETWORK_SOURCE, world.requests[head].due_at if head != NONE else NEVER)
    return row


@compiled
def join_deadline(world: World, row: int, deadline_row: int, now: float) -> None:
    """All in one list have the same time-out, so that it is ordered by time as it stands."""
    request, deadline = world.requests[row], world.deadlines[deadline_row]
    request.deadline = deadline_row
    request.deadline_at = now + deadline.seconds
    request.later, request.earlier = NONE, deadline.tail
    if deadline.tail == NONE:
        deadline.head = row
        schedule(world, FIRST_DEADLINE_SOURCE + deadline_row, request.deadline_at)
    else:
        world.requests[deadline.tail].later = row
    deadline.tail = row


@compiled
def leave_deadline(world: World, row: int) -> None:
    """The request has ended in time, or its deadline has passed; nothing happens if it has none."""
    request = world.requests[row]
    if request.deadline == NONE:
        return
    deadline = world.deadlines[request.deadline]
    if request.later == NONE:
        deadline.tail = request.earlier
    else:
        world.requests[request.later].earlier = request.earlier
    if request.earlier != NONE:
        world.requests[request.earlier].later = request.later
    else:
        deadline.head = request.later
        at = world.requests[request.later].deadline_at if request.later != NONE else NEVER
        schedule(world, FIRST_DEADLINE_SOURCE + request.deadline, at)
    request.deadline = NONE


@compiled
def join_line(world: World, pod_row: int, row: int) -> None:
    """Wait for a worker of the pod."""
    pod = world.pods[pod_row]
    world.requests[row].next = NONE
    if pod.line_head == NONE:
        pod.line_head = row
    else:
        world.requests[pod.line_tail].next = row
    pod.line_tail = row


@compiled
def leave_line(world: World, pod_row: int) -> int:
    """Take out the request that has waited longest, or NONE."""
    pod = world.pods[pod_row]
    row: int = pod.line_head
    if row != NONE:
        pod.line_head = world.requests[row].next
    return row
