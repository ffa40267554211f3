"""Builds a world out of tables, and makes room in it when it gets full."""

import numpy as np

from kpp.simulator.engine.event_calendar import (
    FIRST_DEADLINE_SOURCE,
    MINUTE_SOURCE,
    SOURCES_PER_POD,
    empty_calendar,
    play_all,
)
from kpp.simulator.engine.layout import (
    NODE,
    OPERATION_TRUTH,
    POD,
    REPORT,
    REQUEST,
    STATION,
    USER,
    USER_TRUTH,
    Rows,
    World,
)
from kpp.simulator.engine.states import MINUTE_SECONDS, NONE, OUTCOME_COUNT
from kpp.simulator.engine.tables import Tables

SMALLEST_POD_CAPACITY = 16
SMALLEST_REQUEST_CAPACITY = 256
SMALLEST_USER_CAPACITY = 64


def build_world(tables: Tables, node_cores: list[float], sidecar_workers: int, seed: int) -> World:
    """A world without pods and users, at the instant 0."""
    nodes = np.array([(cores, 0, 1.0) for cores in node_cores], dtype=NODE)
    service_count = len(tables.services)
    world = World(
        state=tables.state.copy(),
        services=tables.services.copy(),
        operations=tables.operations,
        calls=tables.calls,
        call_times=tables.call_times,
        action_shares=tables.action_shares,
        nodes=nodes,
        pods=np.zeros(0, dtype=POD),
        stations=np.zeros(0, dtype=STATION),
        tags=np.zeros((0, 0)),
        jobs=np.zeros((0, 0), dtype=np.int64),
        worker_free=np.zeros((0, sidecar_workers)),
        outstanding=np.zeros((0, 0), dtype=np.int64),
        ready_pods=np.zeros((service_count, 0), dtype=np.int64),
        ready_count=np.zeros(service_count, dtype=np.int64),
        requests=np.zeros(0, dtype=REQUEST),
        users=np.zeros(0, dtype=USER),
        deadlines=tables.deadlines.copy(),
        event_at=empty_calendar(FIRST_DEADLINE_SOURCE + len(tables.deadlines)),
        winner=np.zeros(0, dtype=np.int64),
        source_reports=np.zeros((0, service_count, OUTCOME_COUNT), dtype=REPORT),
        destination_reports=np.zeros((0, service_count, OUTCOME_COUNT), dtype=REPORT),
        operation_truth=np.zeros(len(tables.operations), dtype=OPERATION_TRUTH),
        user_truth=np.zeros(len(tables.calls), dtype=USER_TRUTH),
        generator=np.random.default_rng(seed),
    )
    world.state["free_request"] = NONE
    world.state["minute_at"] = MINUTE_SECONDS
    world.event_at[MINUTE_SOURCE] = MINUTE_SECONDS
    return grow_requests(grow_pods(grow_users(world, SMALLEST_USER_CAPACITY), SMALLEST_POD_CAPACITY))


def grow_requests(world: World) -> World:
    """Twice as many rows for requests; each station's heap can hold them all."""
    old = len(world.requests)
    capacity = max(2 * old, SMALLEST_REQUEST_CAPACITY)
    requests = _longer(world.requests, capacity)
    requests["next"][old:] = np.arange(old + 1, capacity + 1)
    requests["next"][-1] = world.state["free_request"][0]
    world.state["free_request"] = old
    world.state["free_request_count"] += capacity - old
    station_count = len(world.stations)
    tags, jobs = np.zeros((station_count, capacity)), np.zeros((station_count, capacity), dtype=np.int64)
    tags[:, :old], jobs[:, :old] = world.tags[:, :old], world.jobs[:, :old]
    return world._replace(requests=requests, tags=tags, jobs=jobs)


def grow_users(world: World, at_least: int) -> World:
    """Rows for at least so many users."""
    capacity = max(at_least, 2 * len(world.users))
    return _renumber_sources(world, world._replace(users=_longer(world.users, capacity)))


def grow_pods(world: World, at_least: int) -> World:
    """Rows for at least so many pods."""
    old, capacity = len(world.pods), max(at_least, 2 * len(world.pods))
    request_capacity = len(world.requests)
    outstanding = np.zeros((capacity, capacity), dtype=np.int64)
    outstanding[:old, :old] = world.outstanding
    ready_pods = np.zeros((len(world.services), capacity), dtype=np.int64)
    ready_pods[:, :old] = world.ready_pods
    grown = world._replace(
        pods=_longer(world.pods, capacity),
        stations=_longer(world.stations, 2 * capacity),
        tags=_longer(world.tags.reshape(2 * old, request_capacity), 2 * capacity),
        jobs=_longer(world.jobs.reshape(2 * old, request_capacity), 2 * capacity),
        worker_free=_longer(world.worker_free, capacity),
        outstanding=outstanding,
        ready_pods=ready_pods,
        source_reports=_longer(world.source_reports, capacity),
        destination_reports=_longer(world.destination_reports, capacity),
    )
    return _renumber_sources(world, grown)


def _longer(rows: Rows, length: int) -> Rows:
    grown = np.zeros((length, *rows.shape[1:]), dtype=rows.dtype)
    grown[: len(rows)] = rows
    return grown


def _renumber_sources(old: World, new: World) -> World:
    """The users' sources come behind the pods', so that both move when there is room for more."""
    first_pod = FIRST_DEADLINE_SOURCE + len(new.deadlines)
    old_first_user = first_pod + SOURCES_PER_POD * len(old.pods)
    new_first_user = first_pod + SOURCES_PER_POD * len(new.pods)
    event_at = empty_calendar(new_first_user + len(new.users))
    event_at[:old_first_user] = old.event_at[:old_first_user]
    user_events = old.event_at[old_first_user : old_first_user + len(old.users)]
    event_at[new_first_user : new_first_user + len(user_events)] = user_events
    return new._replace(event_at=event_at, winner=play_all(event_at))
