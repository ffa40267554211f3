"""A discrete-event simulation of nested services with queues. Nothing in it is kpp's; it knows no cluster.

Users, a fixed number that pauses in between, or a stream that waits for nothing, send requests to the first
service. A request holds a slot of its replica from beginning to end; it works on the CPU, waits for something
outside, holds a lock that the whole service shares, calls other services one after the other, and works
again. A CPU is shared by the requests that work on it; a quota stops it for the rest of each 100 ms.
"""

# ruff: noqa: NPY002 - compiled code draws four times as fast from numba's own state
import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

PERIOD_SECONDS = 0.1  # of a quota
MOST_REQUESTS = 1 << 18  # in progress; more are refused
INSTANT = 1e-10  # seconds: so near, two instants are one
NOBODY = -1

# what happens at an instant
SEND, SENT, ARRIVE, WORK_ENDS, PERIOD_BEGINS, WAIT_ENDS, LOCK_ENDS = range(7)
# what a request does
QUEUES, WORKS, WAITS, LOCKS, CALLS, WORKS_AGAIN, ENDS = range(7)
# what is to be done at once
START, PROCEED, RESHARE = range(3)

Events = list[tuple[float, int, int, int]]  # when, what, whom, a version
Todo = list[tuple[int, int, int, int]]  # what, whom, the parent, the user
_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """The same function, compiled by numba; its type stays."""
    return cast(_Function, numba.njit(cache=True)(function))


@dataclass(frozen=True)
class Plan:
    """What is simulated; (services,) where not said otherwise. The first service is the users'.

    Attributes:
        replicas: of each service.
        parallel: CPUs that one replica can use at a time.
        quota: CPU seconds per second of one replica; infinite: none.
        slots: requests in progress in one replica; 0: no limit.
        work: mean CPU seconds of one request; lognormal.
        work_cv: (1,) the coefficient of variation of that.
        outside: mean seconds of a request that use none of the CPU, exponential.
        lock: mean seconds that a request holds the service's only lock, exponential.
        calls: (services, services) mean calls of one request of the service in the row.
    """

    replicas: Integers
    parallel: Floats
    quota: Floats
    slots: Integers
    work: Floats
    work_cv: Floats
    outside: Floats
    lock: Floats
    calls: Floats


@dataclass(frozen=True)
class Load:
    """What is sent.

    Attributes:
        users: that send, wait for the answer, and pause.
        pause_seconds: mean of the pause, uniform from 0 to twice that.
        stream_rps: requests per second that are sent whatever becomes of them, instead of users.
        generator_seconds: of the load generator's only thread for a request, mean.
        timeout_seconds: after which a user gives up and goes on; the services do not know.
        cut_seconds: each time is cut to a multiple of that before it is summed, as Envoy does; 0: is not.
    """

    users: int
    pause_seconds: float = 1.0
    stream_rps: float = 0.0
    generator_seconds: float = 0.0
    timeout_seconds: float = np.inf
    cut_seconds: float = 0.001


@dataclass(frozen=True)
class Minutes:
    """What was measured in each, (minutes, services): requests, the sum of their times, CPU time."""

    served: Floats
    seconds: Floats
    cpu_seconds: Floats


class World(NamedTuple):
    """All that changes and all that is given, as arrays that compiled functions can pass on."""

    plan: Any  # of arrays, as a tuple in the order of `Plan`
    pause: float  # as all until `warmup`, seconds
    generator: float
    timeout: float
    cut: float
    warmup: float
    stream_rps: float
    seed: int
    generator_free: Floats  # (1,) when the load generator's thread is
    first: Integers  # (services,) place of the first replica
    service: Integers  # (places,)
    present: Integers  # (places,) requests in progress
    working: Integers  # (places,) the first request at work; `following` tells the next
    waiting: Integers  # (places + services, 2) first and last request that waits: for a slot; for the lock
    locked: Integers  # (services,) 1: held
    done: Floats  # (places,) CPU seconds that each request at work was given so far
    updated: Floats  # (places,) when
    budget: Floats  # (places,) CPU seconds left in the period
    version: Integers  # (places,) of the event at which work ends
    # of requests
    place: Integers
    parent: Integers
    user: Integers
    token: Integers
    stage: Integers
    callee: Integers
    left: Integers
    following: Integers
    started: Floats
    needs: Floats  # CPU seconds
    enough: Floats  # of its replica's `done`, at which its work is done
    free: Integers  # a stack, whose height is its last element
    tokens: Integers  # (users,) of what they wait for
    served: Floats
    seconds: Floats
    cpu: Floats


def simulate(plan: Plan, load: Load, minutes: int, warmup_seconds: float, seed: int) -> Minutes:
    """Simulate a warm-up and some minutes."""
    world = _make_world(plan, load, minutes, warmup_seconds, seed)
    _run(world)
    return Minutes(world.served, world.seconds, world.cpu)


def _make_world(plan: Plan, load: Load, minutes: int, warmup_seconds: float, seed: int) -> World:
    services, places = len(plan.replicas), int(plan.replicas.sum())
    service = np.repeat(np.arange(services), plan.replicas)
    requests = np.full(MOST_REQUESTS, NOBODY)
    free = np.arange(MOST_REQUESTS + 1)
    free[-1] = MOST_REQUESTS
    measured = np.zeros((minutes, services))
    return World(
        plan=tuple(vars(plan).values()),
        pause=load.pause_seconds,
        generator=load.generator_seconds,
        timeout=load.timeout_seconds,
        cut=load.cut_seconds,
        warmup=warmup_seconds,
        stream_rps=load.stream_rps,
        seed=seed,
        generator_free=np.zeros(1),
        first=np.concatenate([[0], np.cumsum(plan.replicas)[:-1]]),
        service=service,
        present=np.zeros(places, dtype=np.int64),
        working=np.full(places, NOBODY),
        waiting=np.full((places + services, 2), NOBODY),
        locked=np.zeros(services, dtype=np.int64),
        done=np.zeros(places),
        updated=np.zeros(places),
        budget=plan.quota[service] * PERIOD_SECONDS,
        version=np.zeros(places, dtype=np.int64),
        place=requests.copy(),
        parent=requests.copy(),
        user=requests.copy(),
        token=requests.copy(),
        stage=requests.copy(),
        callee=requests.copy(),
        left=requests.copy(),
        following=requests.copy(),
        started=np.zeros(MOST_REQUESTS),
        needs=np.zeros(MOST_REQUESTS),
        enough=np.zeros(MOST_REQUESTS),
        free=free,
        tokens=np.zeros(max(load.users, 1), dtype=np.int64),
        served=measured.copy(),
        seconds=measured.copy(),
        cpu=measured.copy(),
    )


@compiled
def _run(world: World) -> None:
    np.random.seed(world.seed)
    events = _first_events(world)
    heapq.heapify(events)
    end = world.warmup + 60.0 * len(world.served)
    todo = [(0, 0, 0, 0)]
    todo.pop()
    while True:
        now, kind, who, version = heapq.heappop(events)
        if now > end:
            return
        if kind in (SEND, SENT, ARRIVE):
            _send(world, now, kind, who, version, events, todo)
        else:
            _happen(world, now, kind, who, version, events, todo)
        while len(todo) > 0:
            what, whom, parent, user = todo.pop()
            if what == START:
                _start(world, whom, parent, user, now, todo)
            elif what == RESHARE:
                _reshare(world, whom, now, events, todo)
            elif world.left[whom] > 0:  # of the same calls
                world.left[whom] -= 1
                todo.append((START, world.callee[whom], whom, NOBODY))
            else:
                _proceed(world, whom, now, events, todo)


@compiled
def _first_events(world: World) -> Events:
    """Periods begin at random; users come in half of the warm-up."""
    events = [
        (PERIOD_SECONDS * np.random.random(), PERIOD_BEGINS, place, 0) for place in range(len(world.service))
    ]
    if world.stream_rps > 0:
        events.append((np.random.exponential(1 / world.stream_rps), ARRIVE, NOBODY, 0))
    else:
        for user in range(len(world.tokens)):
            events.append((world.warmup / 2 * np.random.random(), SEND, user, 0))
    return events


@compiled
def _send(world: World, now: float, kind: int, user: int, version: int, events: Events, todo: Todo) -> None:
    """A user, or a stream, sends a request, as soon as the load generator comes to it."""
    if kind == ARRIVE:
        heapq.heappush(events, (now + np.random.exponential(1 / world.stream_rps), ARRIVE, NOBODY, 0))
        todo.append((START, 0, NOBODY, NOBODY))
    elif kind == SENT:
        if world.timeout < np.inf:
            again = now + world.timeout + 2 * world.pause * np.random.random()
            heapq.heappush(events, (again, SEND, user, world.tokens[user]))
        todo.append((START, 0, NOBODY, user))
    elif version == world.tokens[user]:
        world.tokens[user] += 1
        world.generator_free[0] = max(world.generator_free[0], now) + world.generator * np.random.exponential(
            1.0
        )
        heapq.heappush(events, (world.generator_free[0], SENT, user, 0))


@compiled
def _happen(world: World, now: float, kind: int, who: int, version: int, events: Events, todo: Todo) -> None:
    """Something comes to its end at a replica."""
    if kind == PERIOD_BEGINS:
        _work_until(world, who, now)
        world.budget[who] = world.plan[2][world.service[who]] * PERIOD_SECONDS
        if np.isfinite(world.budget[who]):
            heapq.heappush(events, (now + PERIOD_SECONDS, PERIOD_BEGINS, who, 0))
        todo.append((RESHARE, who, 0, 0))
    elif kind == WORK_ENDS:
        if version == world.version[who]:
            todo.append((RESHARE, who, 0, 0))
    else:
        if kind == LOCK_ENDS:
            service = world.service[world.place[who]]
            other = _take(world, len(world.service) + service)
            world.locked[service] = 0
            if other != NOBODY:
                _lock(world, other, service, now, events)
        todo.append((PROCEED, who, 0, 0))


@compiled
def _start(world: World, service: int, parent: int, user: int, now: float, todo: Todo) -> None:
    """A request arrives at the less busy of two replicas."""
    replicas, slots, work, variation = world.plan[0], world.plan[3], world.plan[4], world.plan[5][0]
    if world.free[-1] == 0:
        return
    world.free[-1] -= 1
    request = world.free[world.free[-1]]
    place = world.first[service] + np.random.randint(replicas[service])
    other = world.first[service] + np.random.randint(replicas[service])
    if world.present[other] < world.present[place]:
        place = other
    sigma = np.sqrt(np.log(1 + variation**2))
    world.place[request], world.parent[request], world.user[request] = place, parent, user
    world.token[request] = world.tokens[user] if user != NOBODY else 0
    world.stage[request], world.callee[request], world.left[request] = QUEUES, NOBODY, 0
    world.started[request] = now
    world.needs[request] = work[service] * np.exp(sigma * np.random.normal() - sigma**2 / 2)
    world.present[place] += 1
    if 0 < slots[service] < world.present[place]:
        _put(world, place, request)
    else:
        todo.append((PROCEED, request, 0, 0))


@compiled
def _proceed(world: World, request: int, now: float, events: Events, todo: Todo) -> None:
    """A request goes on to what it does next."""
    place = world.place[request]
    service = world.service[place]
    outside, lock, calls = world.plan[6], world.plan[7], world.plan[8]
    if world.stage[request] != CALLS:
        world.stage[request] += 1
    if world.stage[request] == CALLS and not _next_callee(world, request, calls[service]):
        world.stage[request] = WORKS_AGAIN
    stage = world.stage[request]
    if stage in (WORKS, WORKS_AGAIN):
        _work_until(world, place, now)
        world.enough[request] = world.done[place] + world.needs[request] / 2
        world.following[request] = world.working[place]
        world.working[place] = request
        todo.append((RESHARE, place, 0, 0))
    elif stage == WAITS and outside[service] > 0:
        heapq.heappush(events, (now + outside[service] * np.random.exponential(1.0), WAIT_ENDS, request, 0))
    elif stage == LOCKS and lock[service] > 0:
        if world.locked[service]:
            _put(world, len(world.service) + service, request)
        else:
            _lock(world, request, service, now, events)
    elif stage == ENDS:
        _end(world, request, now, events, todo)
    else:
        todo.append((PROCEED, request, 0, 0))


@compiled
def _next_callee(world: World, request: int, calls: Floats) -> bool:
    """Whether there are calls left; tells the request how many of which service are next."""
    while world.callee[request] + 1 < len(calls):
        world.callee[request] += 1
        mean = calls[world.callee[request]]
        count = int(mean) + (np.random.random() < mean - int(mean))
        if count > 0:
            world.left[request] = count
            return True
    return False


@compiled
def _end(world: World, request: int, now: float, events: Events, todo: Todo) -> None:
    """A request is answered: it is counted, its slot goes to the next, and whoever sent it goes on."""
    place, user = world.place[request], world.user[request]
    service = world.service[place]
    minute = int((now - world.warmup) // 60)
    if 0 <= minute < len(world.served):
        world.served[minute, service] += 1
        took = now - world.started[request]
        world.seconds[minute, service] += np.floor(took / world.cut) * world.cut if world.cut > 0 else took
    world.present[place] -= 1
    other = _take(world, place)
    if other != NOBODY:
        todo.append((PROCEED, other, 0, 0))
    if world.parent[request] != NOBODY:
        todo.append((PROCEED, world.parent[request], 0, 0))
    elif user != NOBODY and world.token[request] == world.tokens[user]:
        heapq.heappush(events, (now + 2 * world.pause * np.random.random(), SEND, user, world.tokens[user]))
    world.free[world.free[-1]] = request
    world.free[-1] += 1


@compiled
def _reshare(world: World, place: int, now: float, events: Events, todo: Todo) -> None:
    """Requests whose work is done leave the CPU; when the next one will is foreseen."""
    _work_until(world, place, now)
    request, stay, count, least = world.working[place], NOBODY, 0, np.inf
    while request != NOBODY:
        after = world.following[request]
        if world.enough[request] <= world.done[place] + INSTANT:
            todo.append((PROCEED, request, 0, 0))
        else:
            world.following[request] = stay
            stay, count = request, count + 1
            least = min(least, world.enough[request])
        request = after
    world.working[place] = stay
    world.version[place] += 1
    if count and world.budget[place] > INSTANT:
        speed = min(float(count), world.plan[1][world.service[place]])
        needed = min((least - world.done[place]) * count, world.budget[place])
        heapq.heappush(events, (now + needed / speed, WORK_ENDS, place, world.version[place]))


@compiled
def _work_until(world: World, place: int, now: float) -> None:
    """The requests on a CPU got their shares of it until now."""
    count, request = 0, world.working[place]
    while request != NOBODY:
        count, request = count + 1, world.following[request]
    if count:
        service = world.service[place]
        speed = min(float(count), world.plan[1][service])
        used = min(speed * (now - world.updated[place]), world.budget[place])
        world.budget[place] -= used
        world.done[place] += used / count
        minute = int((now - world.warmup) // 60)
        if 0 <= minute < len(world.cpu):
            world.cpu[minute, service] += used
    world.updated[place] = now


@compiled
def _lock(world: World, request: int, service: int, now: float, events: Events) -> None:
    world.locked[service] = 1
    heapq.heappush(events, (now + world.plan[7][service] * np.random.exponential(1.0), LOCK_ENDS, request, 0))


@compiled
def _put(world: World, row: int, request: int) -> None:
    """A request joins the end of what waits."""
    world.following[request] = NOBODY
    if world.waiting[row, 0] == NOBODY:
        world.waiting[row, 0] = request
    else:
        world.following[world.waiting[row, 1]] = request
    world.waiting[row, 1] = request


@compiled
def _take(world: World, row: int) -> int:
    """The first of what waits, or nobody."""
    request = int(world.waiting[row, 0])
    if request != NOBODY:
        world.waiting[row, 0] = world.following[request]
    return request


def main() -> None:
    """Compare with exact mean value analysis where that holds: shared processors, one replica each."""
    from kpp.queueing.networks import Station, exact_mva

    none, one = np.zeros(2), np.ones(2)
    demands = np.array([0.010, 0.004])
    calls = np.array([[0.0, 1.5], [0.0, 0.0]])
    integers = none.astype(np.int64)
    plan = Plan(one.astype(np.int64), one, one * np.inf, integers, demands, one[:1], none, none, calls)
    for users in (10, 40, 60, 90):
        found = simulate(plan, Load(users, 0.5, cut_seconds=0.0), 30, 60.0, 1)
        exact = exact_mva([Station(0.010), Station(0.006)], users, 0.5)
        rps = found.served[:, 0].sum() / 1800
        seconds = found.seconds[:, 0].sum() / found.served[:, 0].sum()
        print(f"{users} users: {rps:.2f} req/s, exact {exact.throughput_rps:.2f};", end=" ")
        print(f"{1000 * seconds:.1f} ms, exact {1000 * exact.response_time_seconds:.1f}")


if __name__ == "__main__":
    main()
