"""What is drawn at random: how demands vary, which pod is chosen, what a user does next."""

import math

import numpy as np

from kpp.simulator.engine.layout import World
from kpp.simulator.engine.native import compiled
from kpp.simulator.engine.states import NONE, Distribution


@compiled
def draw_factor(generator: np.random.Generator, distribution: int, sigma: float) -> float:
    """A factor with mean 1; `sigma` is that of the lognormal's logarithm."""
    if distribution == Distribution.LOGNORMAL:
        return math.exp(sigma * generator.standard_normal() - 0.5 * sigma * sigma)
    if distribution == Distribution.EXPONENTIAL:
        return generator.standard_exponential()
    return 1.0


def lognormal_sigma(cv: float) -> float:
    """The sigma of a lognormal's logarithm that gives the coefficient of variation `cv`.

    >>> round(lognormal_sigma(1.0), 4)
    0.8326
    """
    return math.sqrt(math.log1p(cv * cv))


@compiled
def pick_pod(world: World, service: int, source_pod: int) -> int:
    """The pod that the source's sidecar sends to: the less busy of two random ones, Envoy's LEAST_REQUEST.

    Busy is what this source has open there; a sidecar knows nothing of the others' requests.
    """
    count = world.ready_count[service]
    if count == 0:
        return NONE
    endpoints = world.ready_pods[service]
    if count == 1:
        return int(endpoints[0])
    first: int = endpoints[int(world.generator.random() * count)]
    second: int = endpoints[int(world.generator.random() * count)]
    open_requests = world.outstanding[source_pod]
    return first if open_requests[first] <= open_requests[second] else second


@compiled
def draw_action(world: World) -> int:
    """The row of the operation that a user does next, by weight."""
    position = np.searchsorted(world.action_shares, world.generator.random(), side="right")
    return int(world.state[0].first_action + min(position, len(world.action_shares) - 1))


@compiled
def draw_wait(world: World) -> float:
    """A user's pause in seconds."""
    state = world.state[0]
    shortest: float = state.shortest_wait
    longest: float = state.longest_wait
    if state.exponential_wait:
        return 0.5 * (shortest + longest) * world.generator.standard_exponential()
    return shortest + (longest - shortest) * world.generator.random()


@compiled
def count_items(items: int) -> int:
    """How many bits are set."""
    count = 0
    while items:
        items &= items - 1
        count += 1
    return count


@compiled
def add_random_item(world: World, items: int) -> int:
    """The session's items and one drawn from all; it may be there already."""
    return items | (1 << int(world.generator.random() * world.state[0].session_items))
