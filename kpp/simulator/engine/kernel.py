"""The event loop: the earliest event, and whom it concerns."""

from kpp.simulator.engine import throttling
from kpp.simulator.engine.cpu import complete, container_of, reshare, sidecar_of, sync
from kpp.simulator.engine.event_calendar import (
    CONTAINER,
    FIRST_DEADLINE_SOURCE,
    MINUTE_SOURCE,
    NETWORK_SOURCE,
    SIDECAR,
    SOURCES_PER_POD,
    first_pod_source,
    first_user_source,
)
from kpp.simulator.engine.journey import carry_on, give_up
from kpp.simulator.engine.layout import World
from kpp.simulator.engine.native import compiled
from kpp.simulator.engine.pods import handle_timer, stop_user
from kpp.simulator.engine.request_rows import leave_network
from kpp.simulator.engine.states import Pending, UserState
from kpp.simulator.engine.users import act
from kpp.simulator.engine.variation import vary

ROOM = 8  # free rows that one event needs at most


@compiled
def process_events(world: World, until: float) -> None:
    """Process all events up to and with `until`; stop early with `needs_room` when rows run out."""
    state = world.state[0]
    state.needs_room = False
    while True:
        source = world.winner[1]
        at = world.event_at[source]
        if at > until:
            state.now = until
            return
        if state.free_request_count < ROOM:
            state.needs_room = True
            return
        state.now = at
        state.event_count += 1
        _handle(world, source, at)


@compiled
def _handle(world: World, source: int, now: float) -> None:
    first_pod, first_user = first_pod_source(world), first_user_source(world)
    if source >= first_user:
        _handle_user(world, source - first_user, now)
    elif source >= first_pod:
        pod, which = divmod(source - first_pod, SOURCES_PER_POD)
        _handle_pod(world, pod, which, now)
    elif source == NETWORK_SOURCE:
        carry_on(world, leave_network(world), now)
    elif source == MINUTE_SOURCE:
        vary(world, now)
    else:
        give_up(world, world.deadlines[source - FIRST_DEADLINE_SOURCE].head, now)


@compiled
def _handle_user(world: World, user: int, now: float) -> None:
    if world.users[user].state == UserState.STOPPED:
        stop_user(world, user, now)
    else:
        act(world, user, now)


@compiled
def _handle_pod(world: World, pod: int, which: int, now: float) -> None:
    if which == SIDECAR:
        carry_on(world, complete(world, sidecar_of(pod), now), now)
    elif which == CONTAINER:
        _handle_container(world, pod, now)
    else:
        handle_timer(world, pod, now)


@compiled
def _handle_container(world: World, pod: int, now: float) -> None:
    row = container_of(pod)
    if world.pods[pod].pending == Pending.COMPLETION:
        carry_on(world, complete(world, row, now), now)
        return
    sync(world, row, now)
    if world.pods[pod].pending == Pending.THROTTLE:
        throttling.throttle(world.pods[pod], now)
    else:
        throttling.resume(world.pods[pod], now)
    reshare(world, row, now)
