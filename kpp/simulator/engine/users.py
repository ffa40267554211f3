"""The closed workload: users who act, wait for the answers, pause, and act again, as Locust's do."""

from kpp.simulator.engine.computing import compute, draw_demand
from kpp.simulator.engine.draws import add_random_item, count_items, draw_action, draw_wait
from kpp.simulator.engine.event_calendar import first_user_source, schedule
from kpp.simulator.engine.layout import World
from kpp.simulator.engine.native import compiled
from kpp.simulator.engine.request_rows import take_row
from kpp.simulator.engine.states import NEVER, NONE, Kind, SessionEffect, UserState

SHORTEST_CYCLE_SECONDS = 0.001  # whoever never pauses and is refused in no time at all would stop the clock


@compiled
def act(world: World, user_row: int, now: float) -> None:
    """A user begins an action: a request on the load generator, whose calls are the user's requests."""
    state, user = world.state[0], world.users[user_row]
    schedule(world, first_user_source(world) + user_row, NEVER)
    starts = user.state == UserState.STARTING and state.start_action != NONE
    operation = state.start_action if starts else draw_action(world)
    row = take_row(world, Kind.ACTION, operation, now)
    request = world.requests[row]
    request.user = user_row
    request.pod = user.pod
    request.items = count_items(user.items)
    user.request = row
    user.at_start = starts
    user.state = UserState.ACTING
    draw_demand(world, row)
    compute(world, row, now)


@compiled
def end_action(world: World, action_row: int, now: float) -> None:
    """The user pauses, except after what is done once at the start."""
    action = world.requests[action_row]
    user_row = action.user
    user = world.users[user_row]
    user.request = NONE
    if user.state == UserState.LEAVING:
        user.state = UserState.FREE
        return
    user.state = UserState.WAITING
    wait = 0.0 if user.at_start else draw_wait(world)
    if action.sent_at == now:
        wait = max(wait, SHORTEST_CYCLE_SECONDS)
    schedule(world, first_user_source(world) + user_row, now + wait)


@compiled
def apply_effect(world: World, action_row: int, effect: int) -> None:
    """What a successful request does to the user's items."""
    if effect == SessionEffect.NONE:
        return
    action = world.requests[action_row]
    user = world.users[action.user]
    user.items = add_random_item(world, user.items) if effect == SessionEffect.ADD_ITEM else 0
    action.items = count_items(user.items)
