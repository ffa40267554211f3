"""When each source of events has its next one, and which is the earliest: a tournament over the sources.

The sources are, in this order: the network, the minute, the deadlines, three for each pod (its container, its
sidecar, its timer), and the users. Of two events at one instant the source that comes first wins, so that a
run does not depend on how it was cut into pieces.
"""

import numpy as np

from kpp.simulator.engine.layout import Indices, Reals, World
from kpp.simulator.engine.native import compiled
from kpp.simulator.engine.states import NEVER

NETWORK_SOURCE = 0
MINUTE_SOURCE = 1
FIRST_DEADLINE_SOURCE = 2
SOURCES_PER_POD = 3
CONTAINER, SIDECAR, TIMER = 0, 1, 2


@compiled
def first_pod_source(world: World) -> int:
    """The first source of pod 0."""
    return FIRST_DEADLINE_SOURCE + len(world.deadlines)


@compiled
def pod_source(world: World, pod: int, which: int) -> int:
    """A pod's CONTAINER, SIDECAR or TIMER."""
    return first_pod_source(world) + SOURCES_PER_POD * pod + which


@compiled
def first_user_source(world: World) -> int:
    """The source of user 0."""
    return first_pod_source(world) + SOURCES_PER_POD * len(world.pods)


@compiled
def schedule(world: World, source: int, at: float) -> None:
    """Set when a source has its next event, and play its matches again, from its leaf upwards."""
    event_at, winner = world.event_at, world.winner
    event_at[source] = at
    match = (len(event_at) + source) >> 1
    while match >= 1:
        left, right = winner[2 * match], winner[2 * match + 1]
        best = left if event_at[left] <= event_at[right] else right
        if winner[match] == best and best != source:
            return  # another source won before and wins again: nothing changes further up
        winner[match] = best
        match >>= 1


def empty_calendar(source_count: int) -> Reals:
    """Event times for so many sources, all NEVER; the length is a power of two."""
    return np.full(1 << max(source_count - 1, 1).bit_length(), NEVER)


def play_all(event_at: Reals) -> Indices:
    """The whole tournament, for a calendar that changed in many places."""
    leaf_count = len(event_at)
    winner = np.zeros(2 * leaf_count, dtype=np.int64)
    winner[leaf_count:] = np.arange(leaf_count)
    first = leaf_count // 2
    while first >= 1:
        left, right = winner[2 * first : 4 * first : 2], winner[2 * first + 1 : 4 * first : 2]
        winner[first : 2 * first] = np.where(event_at[left] <= event_at[right], left, right)
        first //= 2
    return winner
