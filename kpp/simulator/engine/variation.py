"""Noise from minute to minute: the demands drift, the background jumps."""

import math

from kpp.simulator.engine.cpu import container_of, reshare, sync
from kpp.simulator.engine.event_calendar import MINUTE_SOURCE, schedule
from kpp.simulator.engine.layout import World
from kpp.simulator.engine.native import compiled
from kpp.simulator.engine.states import MINUTE_SECONDS, Phase


@compiled
def vary(world: World, now: float) -> None:
    """One step of each service's AR(1) process, and a new background for each pod."""
    state = world.state[0]
    state.minute_at += MINUTE_SECONDS
    schedule(world, MINUTE_SOURCE, state.minute_at)
    memory = state.demand_autocorrelation
    for row in range(len(world.services)):
        service = world.services[row]
        innovation = math.sqrt(1.0 - memory * memory) * world.generator.standard_normal()
        service.drift = memory * service.drift + innovation
        service.demand_factor = log_normal_factor(state.demand_sigma, service.drift)
    for row in range(len(world.pods)):
        pod = world.pods[row]
        if pod.phase != Phase.GONE:
            settle_background(world, row, now)
            pod.background_factor = log_normal_factor(
                state.background_sigma, world.generator.standard_normal()
            )
            sync(world, container_of(row), now)
            reshare(world, container_of(row), now)


@compiled
def log_normal_factor(sigma: float, normal: float) -> float:
    """A factor with mean 1 out of a standard normal variate."""
    return math.exp(sigma * normal - 0.5 * sigma * sigma)


@compiled
def settle_background(world: World, pod_row: int, now: float) -> None:
    """Book the background CPU up to `now`; a container that is down uses none."""
    pod = world.pods[pod_row]
    elapsed = now - pod.background_since
    pod.sidecar_background_seconds += elapsed * world.state[0].sidecar_background
    if pod.phase != Phase.CRASHED:
        pod.background_seconds += elapsed * pod.background_factor * world.services[pod.service].background
    pod.background_since = now
