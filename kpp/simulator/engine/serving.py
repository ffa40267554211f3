"""A request inside the application: admitted, given a worker, computed, its calls made, and answered."""

from kpp.simulator.engine.computing import compute, draw_demand
from kpp.simulator.engine.event_calendar import TIMER, pod_source, schedule
from kpp.simulator.engine.hops import pass_sidecar
from kpp.simulator.engine.layout import World
from kpp.simulator.engine.native import compiled
from kpp.simulator.engine.reports import note_end, note_refusal, note_user_request
from kpp.simulator.engine.request_rows import free_row, join_deadline, join_line, leave_line, take_row
from kpp.simulator.engine.states import NONE, Kind, Outcome, Phase, Stage
from kpp.simulator.engine.users import apply_effect, end_action


@compiled
def admit(world: World, row: int, now: float) -> int:
    """Into the application: at once, into the line for a worker, or not at all."""
    request = world.requests[row]
    pod = world.pods[request.pod]
    service = world.services[request.service]
    if pod.phase < Phase.FAILING:
        return _refuse(world, row, Outcome.REFUSED, now)
    if pod.in_progress >= service.max_requests:
        return _refuse(world, row, Outcome.OVERFLOWED, now)
    pod.in_progress += 1
    request.admitted_at = now
    if service.workers != NONE and pod.busy_workers >= service.workers:
        request.stage = Stage.WAITING
        join_line(world, request.pod, row)
    else:
        _begin(world, row, now)
    return NONE


@compiled
def _refuse(world: World, row: int, outcome: int, now: float) -> int:
    note_refusal(world, row, outcome)
    return answer(world, row, outcome, now)


@compiled
def _begin(world: World, row: int, now: float) -> None:
    world.pods[world.requests[row].pod].busy_workers += 1
    draw_demand(world, row)
    compute(world, row, now)


@compiled
def end_segment(world: World, row: int, now: float) -> int:
    """A stretch of computing is over: make the next call, or answer."""
    request = world.requests[row]
    request.used_seconds += request.segment_seconds
    call_row = _next_call(world, row)
    if call_row != NONE:
        return _send(world, row, call_row, now)
    outcome = Outcome.REDIRECTED if world.operations[request.operation].is_redirect else Outcome.OK
    return _finish(world, row, outcome, now)


@compiled
def _next_call(world: World, row: int) -> int:
    """The call that a request makes now, or NONE when it has made all."""
    request = world.requests[row]
    end_call = world.operations[request.operation].end_call
    while request.next_call < end_call:
        call_row: int = request.next_call
        is_skipped = world.calls[call_row].follows_redirect and request.call_failed
        if request.calls_made < world.call_times[call_row, request.items] and not is_skipped:
            request.calls_made += 1
            return call_row
        request.next_call += 1
        request.calls_made = 0
    return NONE


@compiled
def _send(world: World, parent_row: int, call_row: int, now: float) -> int:
    """Make a call and wait for its answer."""
    call = world.calls[call_row]
    row = take_row(world, Kind.CALL, call.operation, now)
    request, parent = world.requests[row], world.requests[parent_row]
    parent.child = row
    parent.stage = Stage.CALLING
    request.parent = parent_row
    request.source_pod = parent.pod
    request.call = call_row
    request.items = parent.items
    request.user = parent.user
    if call.deadline != NONE:
        join_deadline(world, row, call.deadline, now)
    request.stage = Stage.SOURCE_SIDECAR
    return pass_sidecar(world, request.source_pod, row, now)


@compiled
def take_answer(
    world: World, parent_row: int, call_row: int, outcome: int, sent_at: float, now: float
) -> int:
    """A call of the parent's has ended: go on computing, or fail with it."""
    parent, call = world.requests[parent_row], world.calls[call_row]
    parent.child = NONE
    parent.call_failed = outcome > Outcome.REDIRECTED
    if parent.kind == Kind.ACTION:
        note_user_request(world, parent_row, call_row, outcome, sent_at, now)
        if not parent.call_failed:
            apply_effect(world, parent_row, world.operations[call.operation].effect)
    if parent.call_failed and not call.ignores_failure:
        return _finish(world, parent_row, Outcome.FAILED, now)
    compute(world, parent_row, now)
    return NONE


@compiled
def _finish(world: World, row: int, outcome: int, now: float) -> int:
    """The application is done with a request that it had admitted."""
    request = world.requests[row]
    if request.kind == Kind.ACTION:
        end_action(world, row, now)
        free_row(world, row)
        return NONE
    note_end(world, row, outcome, now)
    free_worker(world, request.pod, now)
    return answer(world, row, outcome, now)


@compiled
def answer(world: World, row: int, outcome: int, now: float) -> int:
    """Send the answer on its way; the kubelet takes that of its probe at once."""
    request = world.requests[row]
    request.outcome = outcome
    if request.kind == Kind.PROBE:
        note_probe(world, request.pod, outcome != Outcome.OK, now)
        free_row(world, row)
        return NONE
    request.stage = Stage.DESTINATION_SIDECAR_BACK
    return pass_sidecar(world, request.pod, row, now)


@compiled
def note_probe(world: World, pod_row: int, failed: bool, now: float) -> None:
    """Too many failed probes in a row, and the container is to be restarted."""
    pod = world.pods[pod_row]
    pod.failed_probes = pod.failed_probes + 1 if failed else 0
    if pod.phase == Phase.RUNNING and pod.failed_probes >= world.services[pod.service].probe_threshold:
        pod.phase = Phase.FAILING
        pod.timer_at = now
        schedule(world, pod_source(world, pod_row, TIMER), now)


@compiled
def free_worker(world: World, pod_row: int, now: float) -> None:
    """A request leaves the application; the one that has waited longest gets its worker."""
    pod = world.pods[pod_row]
    pod.in_progress -= 1
    pod.busy_workers -= 1
    while pod.line_head != NONE:
        row = leave_line(world, pod_row)
        if not world.requests[row].abandoned:
            _begin(world, row, now)
            return
        pod.in_progress -= 1
        note_end(world, row, Outcome.GIVEN_UP, now)
        free_row(world, row)
