"""The life of a pod: starting, probed, crashed and started again, ended."""

from kpp.simulator.engine.cpu import container_of, reshare, sidecar_of, sync
from kpp.simulator.engine.event_calendar import TIMER, first_user_source, pod_source, schedule
from kpp.simulator.engine.hops import pass_sidecar
from kpp.simulator.engine.journey import abandon, carry_on, fail
from kpp.simulator.engine.layout import World
from kpp.simulator.engine.native import compiled
from kpp.simulator.engine.reports import note_end
from kpp.simulator.engine.request_rows import free_row, join_deadline, take_row
from kpp.simulator.engine.states import (
    BACKOFF_RESET_SECONDS,
    LONGEST_BACKOFF_SECONDS,
    NEVER,
    NONE,
    RESTART_BACKOFF_SECONDS,
    Kind,
    Outcome,
    Phase,
    Stage,
    UserState,
)
from kpp.simulator.engine.variation import settle_background


@compiled
def handle_timer(world: World, pod_row: int, now: float) -> None:
    """Do what is due for a pod; an order of a new limit comes here too."""
    pod = world.pods[pod_row]
    schedule(world, pod_source(world, pod_row, TIMER), NEVER)
    if pod.ordered_limit != pod.limit:
        _set_limit(world, pod_row, now)
    if pod.timer_at <= now:
        pod.timer_at = NEVER
        _change_phase(world, pod_row, now)
    set_endpoints(world, pod.service)
    if pod.phase != Phase.GONE:
        schedule(world, pod_source(world, pod_row, TIMER), pod.timer_at)


@compiled
def _change_phase(world: World, pod_row: int, now: float) -> None:
    pod = world.pods[pod_row]
    if pod.phase == Phase.STARTING:
        pod.phase = Phase.RUNNING
        pod.failed_probes = 0
        _plan_probe(world, pod_row, now)
    elif pod.phase == Phase.RUNNING:
        _plan_probe(world, pod_row, now)
        _probe(world, pod_row, now)
    elif pod.phase == Phase.FAILING:
        _crash(world, pod_row, now)
    elif pod.phase == Phase.CRASHED:
        start_container(world, pod_row, now)
    elif pod.phase == Phase.TERMINATING:
        _end(world, pod_row, now)


@compiled
def _set_limit(world: World, pod_row: int, now: float) -> None:
    """A new quota counts at once, against what this period has used."""
    pod = world.pods[pod_row]
    sync(world, container_of(pod_row), now)
    pod.limit = pod.ordered_limit
    if pod.throttled and pod.limit == NEVER:
        pod.throttled = False
        pod.throttled_seconds += now - pod.throttled_at
    reshare(world, container_of(pod_row), now)


@compiled
def set_endpoints(world: World, service: int) -> None:
    """List the pods of a service that get requests."""
    count = 0
    for row in range(len(world.pods)):
        pod = world.pods[row]
        if pod.service == service and pod.phase != Phase.GONE:
            pod.ready = pod.phase == Phase.RUNNING and not pod.held_unready
            if pod.ready:
                world.ready_pods[service, count] = row
                count += 1
    world.ready_count[service] = count


@compiled
def start_container(world: World, pod_row: int, now: float) -> None:
    """Start a new container: its counters begin at 0, and it is ready after start-up and first probe."""
    pod = world.pods[pod_row]
    service = world.services[pod.service]
    settle_background(world, pod_row, now)
    pod.phase = Phase.STARTING
    pod.container_started_at = pod.period_origin = now
    pod.background_seconds = 0.0
    pod.period = pod.last_active_period = NONE
    pod.period_used = 0.0
    pod.throttled = False
    pod.periods = pod.throttled_periods = 0
    pod.throttled_seconds = 0.0
    container = world.stations[container_of(pod_row)]
    container.cpu_seconds = 0.0
    container.updated_at = now
    pod.timer_at = now + max(service.startup_seconds, service.probe_delay)


@compiled
def _plan_probe(world: World, pod_row: int, now: float) -> None:
    service = world.services[world.pods[pod_row].service]
    if service.has_probe:
        world.pods[pod_row].timer_at = now + service.probe_period


@compiled
def _probe(world: World, pod_row: int, now: float) -> None:
    """The kubelet asks the application itself, past the sidecar."""
    service = world.services[world.pods[pod_row].service]
    row = take_row(world, Kind.PROBE, service.probe_operation, now)
    request = world.requests[row]
    request.pod = pod_row
    request.stage = Stage.DESTINATION_SIDECAR
    join_deadline(world, row, service.probe_deadline, now)
    carry_on(world, row, now)


@compiled
def _crash(world: World, pod_row: int, now: float) -> None:
    """The kubelet ends the container; the sidecar stays and answers for it."""
    pod = world.pods[pod_row]
    settle_background(world, pod_row, now)
    pod.phase = Phase.CRASHED
    set_endpoints(world, pod.service)
    _stop_users(world, pod_row, now)
    _abandon_calls(world, pod_row, now)
    _empty_station(world, container_of(pod_row), now)
    _empty_application(world, pod_row)
    for row in range(len(world.requests)):
        request = world.requests[row]
        if request.pod == pod_row and Stage.WAITING <= request.stage <= Stage.CALLING:
            _lose(world, pod_row, row, now)
    ran_seconds = now - pod.container_started_at
    pod.crash_streak = 0 if ran_seconds > BACKOFF_RESET_SECONDS else pod.crash_streak + 1
    pod.restarts += 1
    backoff = RESTART_BACKOFF_SECONDS * 2.0 ** (pod.crash_streak - 2) if pod.crash_streak >= 2 else 0.0
    pod.timer_at = now + min(backoff, LONGEST_BACKOFF_SECONDS)


@compiled
def _lose(world: World, pod_row: int, row: int, now: float) -> None:
    """A request ends with its container."""
    request = world.requests[row]
    if request.kind != Kind.ACTION:
        note_end(world, row, Outcome.GIVEN_UP if request.abandoned else Outcome.LOST, now)
    if request.kind != Kind.CALL or request.abandoned:
        free_row(world, row)
        return
    request.outcome = Outcome.LOST
    request.stage = Stage.DESTINATION_SIDECAR_BACK
    carry_on(world, pass_sidecar(world, pod_row, row, now), now)


@compiled
def _end(world: World, pod_row: int, now: float) -> None:
    """The pod goes, and all that is in it."""
    pod = world.pods[pod_row]
    set_endpoints(world, pod.service)
    _stop_users(world, pod_row, now)
    _abandon_calls(world, pod_row, now)
    _empty_station(world, container_of(pod_row), now)
    _empty_station(world, sidecar_of(pod_row), now)
    _empty_application(world, pod_row)
    pod.phase = Phase.GONE
    for row in range(len(world.requests)):
        request = world.requests[row]
        if request.pod == pod_row and Stage.NETWORK <= request.stage <= Stage.DESTINATION_SIDECAR_BACK:
            _end_served(world, row, now)
        elif request.source_pod == pod_row and request.abandoned and _is_in_source_sidecar(world, row):
            free_row(world, row)


@compiled
def _end_served(world: World, row: int, now: float) -> None:
    request = world.requests[row]
    if request.kind == Kind.CALL and not request.abandoned:
        fail(world, row, now)
    elif request.stage != Stage.NETWORK:  # what is under way is dropped when it arrives
        free_row(world, row)


@compiled
def _is_in_source_sidecar(world: World, row: int) -> bool:
    stage = world.requests[row].stage
    return bool(stage == Stage.SOURCE_SIDECAR) or bool(stage == Stage.SOURCE_SIDECAR_BACK)


@compiled
def _abandon_calls(world: World, pod_row: int, now: float) -> None:
    """Nobody waits any more for the calls that the pod's requests have made."""
    for row in range(len(world.requests)):
        request = world.requests[row]
        if request.pod == pod_row and request.stage == Stage.CALLING and request.child != NONE:
            child = request.child
            request.child = NONE
            abandon(world, child, now)


@compiled
def _stop_users(world: World, pod_row: int, now: float) -> None:
    for row in range(len(world.users)):
        if world.users[row].state != UserState.FREE and world.users[row].pod == pod_row:
            stop_user(world, row, now)


@compiled
def stop_user(world: World, user_row: int, now: float) -> None:
    """A user goes at once, and drops what it waits for."""
    user = world.users[user_row]
    schedule(world, first_user_source(world) + user_row, NEVER)
    if user.request != NONE:
        abandon(world, user.request, now)
    user.request = NONE
    user.state = UserState.FREE


@compiled
def _empty_station(world: World, row: int, now: float) -> None:
    sync(world, row, now)
    world.stations[row].jobs = 0
    world.worker_free[row // 2] = 0.0
    world.pods[row // 2].throttled = False
    reshare(world, row, now)


@compiled
def _empty_application(world: World, pod_row: int) -> None:
    pod = world.pods[pod_row]
    pod.in_progress = pod.busy_workers = 0
    pod.line_head = NONE
