"""What may be changed while the clock stands: pods and users.

These functions are plain Python. They write into rows and set an event at the present instant, at which the
kernel does the rest.
"""

import numpy as np

from kpp.simulator.engine.event_calendar import FIRST_DEADLINE_SOURCE, SOURCES_PER_POD, TIMER, play_all
from kpp.simulator.engine.layout import POD, STATION, Indices, Reals, World
from kpp.simulator.engine.states import NEVER, NONE, PERIOD_SECONDS, Phase, UserState
from kpp.simulator.engine.world import grow_pods, grow_users


def vary_at_start(world: World) -> None:
    """Start every service's demand somewhere in the middle of its drift, not at its mean."""
    services = world.services
    services["drift"] = world.generator.standard_normal(len(services))
    sigma = world.state["demand_sigma"][0]
    services["demand_factor"] = np.exp(sigma * services["drift"] - 0.5 * sigma**2)


def free_pod_row(world: World) -> tuple[World, int]:
    """A row that no pod uses and no request refers to any more, and a world that has one."""
    free = np.flatnonzero((world.pods["phase"] == Phase.GONE) & (world.pods["open_requests"] == 0))
    if len(free) > 0:
        return world, int(free[0])
    row = len(world.pods)
    return grow_pods(world, row + 1), row


def place_pod(world: World, row: int, service_row: int, node_row: int, limit_cores: float) -> None:
    """Write a new pod that starts now."""
    now = world.state["now"][0]
    service = world.services[service_row]
    pod = np.zeros(1, dtype=POD)
    pod["service"], pod["node"], pod["phase"] = service_row, node_row, Phase.STARTING
    pod["started_at"] = pod["container_started_at"] = pod["background_since"] = now
    pod["timer_at"] = now + max(service["startup_seconds"], service["probe_delay"])
    pod["line_head"] = pod["line_tail"] = NONE
    sigma = world.state["background_sigma"][0]
    pod["background_factor"] = np.exp(sigma * world.generator.standard_normal() - 0.5 * sigma**2)
    pod["limit"] = pod["ordered_limit"] = limit_cores
    pod["period_origin"] = now - PERIOD_SECONDS * world.generator.random()
    pod["period"] = pod["last_active_period"] = NONE
    world.pods[row] = pod[0]
    world.stations[2 * row : 2 * row + 2] = np.zeros(2, dtype=STATION)
    world.stations["updated_at"][2 * row : 2 * row + 2] = now
    world.worker_free[row] = 0
    world.outstanding[row] = 0
    world.source_reports[row] = np.zeros((), dtype=world.source_reports.dtype)
    world.destination_reports[row] = np.zeros((), dtype=world.destination_reports.dtype)


def wake_pod(world: World, row: int) -> None:
    """Have the kernel look at a pod at this instant."""
    source = FIRST_DEADLINE_SOURCE + len(world.deadlines) + SOURCES_PER_POD * row + TIMER
    world.event_at[source] = world.state["now"][0]
    world.winner[:] = play_all(world.event_at)


def start_users(world: World, pod_row: int, count: int, spawn_rate: float) -> World:
    """Start users one after the other, the first at once, in a world that has room for them."""
    free = np.flatnonzero(world.users["state"] == UserState.FREE)
    if len(free) < count:
        world = grow_users(world, len(world.users) + count - len(free))
        free = np.flatnonzero(world.users["state"] == UserState.FREE)
    rows = free[:count]
    world.users["state"][rows] = UserState.STARTING
    world.users["pod"][rows] = pod_row
    world.users["request"][rows] = NONE
    world.users["items"][rows] = 0
    _set_user_events(world, rows, world.state["now"][0] + np.arange(count) / spawn_rate)
    return world


def retire_users(world: World, rows: Indices) -> None:
    """Let users go: those who pause at once, those who act when their action ends."""
    states = world.users["state"][rows]
    acting = rows[states == UserState.ACTING]
    idle = rows[(states == UserState.WAITING) | (states == UserState.STARTING)]
    world.users["state"][acting] = UserState.LEAVING
    world.users["state"][idle] = UserState.FREE
    _set_user_events(world, idle, np.full(len(idle), NEVER))


def stop_users(world: World, rows: Indices) -> None:
    """Let users go at once; what they wait for is given up."""
    world.users["state"][rows] = UserState.STOPPED
    _set_user_events(world, rows, np.full(len(rows), world.state["now"][0]))


def users_of(world: World, pod_row: int) -> Indices:
    """The rows of a load generator's users."""
    mine = (world.users["state"] != UserState.FREE) & (world.users["pod"] == pod_row)
    return np.flatnonzero(mine).astype(np.int64)


def _set_user_events(world: World, rows: Indices, at: Reals) -> None:
    first_user = FIRST_DEADLINE_SOURCE + len(world.deadlines) + SOURCES_PER_POD * len(world.pods)
    world.event_at[first_user + rows] = at
    world.winner[:] = play_all(world.event_at)
