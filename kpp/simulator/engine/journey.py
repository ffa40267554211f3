"""The way of a request: out through two sidecars and the network, served, and back; and of those it wakes.

Each step moves a request that has got through its stage on to the next one, and returns the request that goes
on at once: the same, its caller, a call of its own, or NONE when all wait for events.
"""

from kpp.simulator.engine.draws import pick_pod
from kpp.simulator.engine.hops import close_connection, cross_network, open_connection, pass_sidecar
from kpp.simulator.engine.layout import World
from kpp.simulator.engine.native import compiled
from kpp.simulator.engine.reports import note_end, note_refusal, report_destination, report_source
from kpp.simulator.engine.request_rows import free_row, leave_deadline
from kpp.simulator.engine.serving import admit, end_segment, free_worker, note_probe, take_answer
from kpp.simulator.engine.states import NONE, Kind, Outcome, Stage


@compiled
def carry_on(world: World, row: int, now: float) -> None:
    """Carry a request on, and whoever it wakes, until all wait for events."""
    while row != NONE:
        if world.requests[row].abandoned:
            _drop(world, row, now)
            return
        row = (
            _go_in(world, row, now)
            if world.requests[row].stage <= Stage.COMPUTING
            else _go_back(world, row, now)
        )


@compiled
def _go_in(world: World, row: int, now: float) -> int:
    stage = world.requests[row].stage
    if stage == Stage.SOURCE_SIDECAR:
        return _route(world, row, now)
    if stage == Stage.NETWORK:
        return _arrive(world, row, now)
    if stage == Stage.DESTINATION_SIDECAR:
        return admit(world, row, now)
    return end_segment(world, row, now)


@compiled
def _go_back(world: World, row: int, now: float) -> int:
    stage = world.requests[row].stage
    if stage == Stage.DESTINATION_SIDECAR_BACK:
        report_destination(world, row, world.requests[row].outcome, now)
        return cross_network(world, row, Stage.NETWORK_BACK, now)
    if stage == Stage.NETWORK_BACK:
        return _come_back(world, row, now)
    return _deliver(world, row, now)


@compiled
def _route(world: World, row: int, now: float) -> int:
    """The caller's sidecar chooses a pod."""
    request = world.requests[row]
    pod_row = pick_pod(world, request.service, request.source_pod)
    if pod_row == NONE:
        request.outcome = Outcome.UNROUTED
        note_refusal(world, row, Outcome.UNROUTED)
        return _deliver(world, row, now)
    open_connection(world, row, pod_row)
    return cross_network(world, row, Stage.NETWORK, now)


@compiled
def _arrive(world: World, row: int, now: float) -> int:
    request = world.requests[row]
    request.received_at = now
    request.stage = Stage.DESTINATION_SIDECAR
    return pass_sidecar(world, request.pod, row, now)


@compiled
def _come_back(world: World, row: int, now: float) -> int:
    request = world.requests[row]
    close_connection(world, row, now)
    request.stage = Stage.SOURCE_SIDECAR_BACK
    return pass_sidecar(world, request.source_pod, row, now)


@compiled
def _deliver(world: World, row: int, now: float) -> int:
    """Hand the answer to the caller."""
    request = world.requests[row]
    report_source(world, row, request.outcome, now)
    parent, call, outcome, sent_at = request.parent, request.call, request.outcome, request.sent_at
    free_row(world, row)
    return take_answer(world, parent, call, outcome, sent_at, now)


@compiled
def give_up(world: World, row: int, now: float) -> None:
    """A request's deadline has passed: whoever waits for it goes on without."""
    request = world.requests[row]
    parent, call, sent_at, pod = request.parent, request.call, request.sent_at, request.pod
    kind = request.kind
    abandon(world, row, now)
    if kind == Kind.PROBE:
        note_probe(world, pod, True, now)
    else:
        carry_on(world, take_answer(world, parent, call, Outcome.GIVEN_UP, sent_at, now), now)


@compiled
def fail(world: World, row: int, now: float) -> None:
    """The pod that has a request, or is to get it, has ended: its caller's sidecar answers with an error."""
    request = world.requests[row]
    parent, call, sent_at = request.parent, request.call, request.sent_at
    report_source(world, row, Outcome.LOST, now)
    close_connection(world, row, now)
    if request.stage == Stage.NETWORK:  # it still stands in the network's list
        request.abandoned = True
        leave_deadline(world, row)
    else:
        free_row(world, row)
    carry_on(world, take_answer(world, parent, call, Outcome.LOST, sent_at, now), now)


@compiled
def abandon(world: World, row: int, now: float) -> None:
    """Nobody waits for a request any more, nor for the calls that it has made.

    The cancellation reaches all pods at once: what computes ends its stretch (that work is wasted) and makes
    no more calls; what is under way is dropped when it gets through its stage.
    """
    while row != NONE:
        request = world.requests[row]
        request.abandoned = True
        leave_deadline(world, row)
        child = request.child if request.stage == Stage.CALLING else NONE
        if request.kind == Kind.CALL:
            _report_given_up(world, row, now)
        if request.stage == Stage.CALLING:
            _leave_application(world, row, now)
        row = child


@compiled
def _report_given_up(world: World, row: int, now: float) -> None:
    request = world.requests[row]
    report_source(world, row, Outcome.GIVEN_UP, now)
    if Stage.DESTINATION_SIDECAR <= request.stage <= Stage.DESTINATION_SIDECAR_BACK:
        report_destination(world, row, Outcome.GIVEN_UP, now)
    if Stage.NETWORK <= request.stage <= Stage.NETWORK_BACK:
        close_connection(world, row, now)


@compiled
def _drop(world: World, row: int, now: float) -> None:
    """An abandoned request has got through its stage."""
    request = world.requests[row]
    if request.stage == Stage.COMPUTING:
        request.used_seconds += request.segment_seconds
        _leave_application(world, row, now)
    else:
        free_row(world, row)


@compiled
def _leave_application(world: World, row: int, now: float) -> None:
    request = world.requests[row]
    if request.kind != Kind.ACTION:
        note_end(world, row, Outcome.GIVEN_UP, now)
        free_worker(world, request.pod, now)
    free_row(world, row)
