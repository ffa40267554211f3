"""Who gets how much CPU: containers (processor sharing), sidecars (first come, first served), and nodes.

Each station keeps a clock of its own that counts the CPU seconds given to each of its jobs: a job that comes
with a demand is done when the clock has moved on by it. For processor sharing with n jobs on c cores the
clock moves at c / n; the order in which jobs end is known when they come; coming and going cost O(log n).
"""

from kpp.simulator.engine import throttling
from kpp.simulator.engine.event_calendar import CONTAINER, SIDECAR, pod_source, schedule
from kpp.simulator.engine.job_heap import pop, push
from kpp.simulator.engine.layout import World
from kpp.simulator.engine.native import compiled
from kpp.simulator.engine.states import NEVER, NONE, Pending, Phase


@compiled
def container_of(pod: int) -> int:
    """The row of a pod's container among the stations."""
    return 2 * pod


@compiled
def sidecar_of(pod: int) -> int:
    """The row of a pod's sidecar among the stations."""
    return 2 * pod + 1


@compiled
def join_container(world: World, pod: int, request: int, seconds: float, now: float) -> None:
    """Let a request share the container's CPU until it has had `seconds` of it."""
    row = container_of(pod)
    sync(world, row, now)
    station = world.stations[row]
    push(world.tags[row], world.jobs[row], station.jobs, station.clock + seconds, request)
    station.jobs += 1
    reshare(world, row, now)


@compiled
def join_sidecar(world: World, pod: int, request: int, seconds: float, now: float) -> None:
    """Let the first free worker of the sidecar serve a request for `seconds` of CPU."""
    row = sidecar_of(pod)
    sync(world, row, now)
    station = world.stations[row]
    free = world.worker_free[pod]
    worker = free.argmin()
    free[worker] = max(station.clock, free[worker]) + seconds
    push(world.tags[row], world.jobs[row], station.jobs, free[worker], request)
    station.jobs += 1
    reshare(world, row, now)


@compiled
def complete(world: World, row: int, now: float) -> int:
    """Take out the request that is done."""
    sync(world, row, now)
    station = world.stations[row]
    station.clock = max(station.clock, world.tags[row, 0])
    request = pop(world.tags[row], world.jobs[row], station.jobs)
    station.jobs -= 1
    reshare(world, row, now)
    return request


@compiled
def sync(world: World, row: int, now: float) -> None:
    """Bring a station's clock and counters up to `now`, at the speed that it has had since the last time."""
    station = world.stations[row]
    elapsed = now - station.updated_at
    if elapsed > 0.0 and station.cores > 0.0:
        station.clock += elapsed * station.speed
        station.cpu_seconds += elapsed * station.cores
        if row % 2 == CONTAINER:
            throttling.spend(world.pods[row // 2], station.updated_at, now, station.cores)
    station.updated_at = now


@compiled
def reshare(world: World, row: int, now: float) -> None:
    """Divide the CPU anew after a station's jobs changed, or whether it may run."""
    station = world.stations[row]
    node = world.nodes[world.pods[row // 2].node]
    wanted_before = node.wanted
    wanted = _wanted_cores(world, row)
    node.wanted += wanted - station.wanted
    station.wanted = wanted
    if max(wanted_before, node.wanted) > node.cores:
        _reshare_node(world, world.pods[row // 2].node, now)
    else:
        _plan(world, row, now)


@compiled
def _wanted_cores(world: World, row: int) -> int:
    """The cores that a station would keep busy if nobody else wanted them."""
    pod = world.pods[row // 2]
    jobs: int = world.stations[row].jobs
    if row % 2 == SIDECAR:
        workers: int = world.worker_free.shape[1]
        return min(jobs, workers)
    if pod.throttled:
        return 0
    threads: int = world.services[pod.service].threads
    if threads == NONE:
        threads = int(max(world.nodes[pod.node].cores, 1.0))
    return min(jobs, threads)


@compiled
def _reshare_node(world: World, node_row: int, now: float) -> None:
    """More cores are wanted than the node has, or were: each one wanted gets the same share."""
    node = world.nodes[node_row]
    for row in range(len(world.stations)):
        if world.stations[row].jobs > 0 and world.pods[row // 2].node == node_row:
            sync(world, row, now)
    node.speed = min(1.0, node.cores / node.wanted) if node.wanted > 0 else 1.0
    for row in range(len(world.stations)):
        pod = world.pods[row // 2]
        if pod.phase != Phase.GONE and pod.node == node_row:
            _plan(world, row, now)


@compiled
def _plan(world: World, row: int, now: float) -> None:
    """Set a station's speed and when its next event comes."""
    station = world.stations[row]
    pod = world.pods[row // 2]
    station.cores = station.wanted * world.nodes[pod.node].speed
    if row % 2 == SIDECAR:
        station.speed = world.nodes[pod.node].speed
    else:
        station.speed = station.cores / max(station.jobs, 1)
    at, pending = NEVER, Pending.NOTHING
    if station.jobs > 0 and station.cores > 0.0:
        at = now + max(world.tags[row, 0] - station.clock, 0.0) / station.speed
        pending = Pending.COMPLETION
    if row % 2 == CONTAINER:
        if pod.throttled:
            at, pending = throttling.resumes_at(pod), Pending.RESUME
        else:
            throttle_at = throttling.throttles_at(world, row // 2, station.cores, now)
            if throttle_at < at:
                at, pending = throttle_at, Pending.THROTTLE
        pod.pending = pending
    schedule(world, pod_source(world, row // 2, row % 2), at)
