"""What lies between two applications: the sidecars, and the network."""

from kpp.simulator.engine.cpu import join_sidecar
from kpp.simulator.engine.draws import draw_factor
from kpp.simulator.engine.event_calendar import TIMER, pod_source, schedule
from kpp.simulator.engine.layout import World
from kpp.simulator.engine.native import compiled
from kpp.simulator.engine.request_rows import enter_network
from kpp.simulator.engine.states import NONE, Phase


@compiled
def pass_sidecar(world: World, pod_row: int, row: int, now: float) -> int:
    """Have the pod's sidecar, if there is one, handle a request or its answer: half of its CPU goes to each.

    Returns:
        NONE while the sidecar is at it; the request itself when there is no sidecar.
    """
    state = world.state[0]
    owner = world.services[world.pods[pod_row].service]
    if not owner.has_sidecar:
        return row
    is_tcp = world.services[world.requests[row].service].is_tcp
    mean = state.sidecar_tcp_seconds if is_tcp else state.sidecar_seconds
    factor = draw_factor(world.generator, state.sidecar_distribution, state.sidecar_sigma)
    join_sidecar(world, pod_row, row, 0.5 * mean * factor * owner.demand_factor, now)
    return NONE


@compiled
def cross_network(world: World, row: int, stage: int, now: float) -> int:
    """Send a request or its answer to the other pod.

    Returns:
        NONE while it is on its way; the request itself when that takes no time.
    """
    world.requests[row].stage = stage
    if world.state[0].network_seconds == 0.0:
        return row
    enter_network(world, row, now)
    return NONE


@compiled
def open_connection(world: World, row: int, pod_row: int) -> None:
    """The request goes to this pod."""
    request = world.requests[row]
    request.pod = pod_row
    world.outstanding[request.source_pod, pod_row] += 1
    world.pods[pod_row].open_requests += 1


@compiled
def close_connection(world: World, row: int, now: float) -> None:
    """The pod has answered, or nobody waits any more; a pod that is to end does so when it has no request."""
    request = world.requests[row]
    pod = world.pods[request.pod]
    world.outstanding[request.source_pod, request.pod] -= 1
    pod.open_requests -= 1
    if pod.phase == Phase.TERMINATING and pod.open_requests == 0:
        pod.timer_at = now
        schedule(world, pod_source(world, request.pod, TIMER), now)
