"""Campaigns on queues that know no cluster, recorded as a table of minutes: applications, loads, noise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from closed_queues import Load, Plan, simulate

from kpp.schema import (
    CALLEE,
    CALLER,
    CALLS,
    CPU_LIMIT,
    CPU_REQUEST,
    CPU_USAGE,
    REPLICAS,
    RESPONSE_TIME,
    SERVICE,
    SOURCE,
    THROUGHPUT,
    TIMESTAMP,
    USER_COUNT,
)

STARTED_AT = 1_767_225_600.0
WARMUP_SECONDS = 120.0
HOUR_SCATTER = 0.03  # of the CPU time of requests, from one step to the next
MINUTE_SCATTER = 0.05  # of a minute's CPU as measured


@dataclass(frozen=True)
class Server:
    """One service, as a person would describe it.

    Attributes:
        cpu_seconds: of one request.
        calls: service -> mean calls of one request.
        cores: that one replica can use at a time; with a `limit` a quota stops it, else that is what it has.
        limit: cores of one replica, those that it uses without requests included.
        slots: requests in progress of one replica, 0: no limit. Threads, workers, connections.
        outside_seconds: of waiting for something else.
        lock_seconds: that a request holds a lock of the whole service.
        idle_cores: of a replica without requests.
        sidecar_seconds: CPU of a proxy for each request in or out, measured with the pod and not limited.
    """

    cpu_seconds: float
    calls: Mapping[str, float] = field(default_factory=dict)
    cores: float = 4.0
    limit: float | None = None
    slots: int = 0
    outside_seconds: float = 0.0
    lock_seconds: float = 0.0
    idle_cores: float = 0.004
    sidecar_seconds: float = 0.0
    replicas: int = 1


@dataclass(frozen=True)
class Step:
    """A load that is held: users, and the replicas and limits that differ."""

    users: int
    replicas: Mapping[str, int] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class World:
    """An application under its users; the first service is theirs.

    Attributes:
        servers: by name.
        load: all but the number of users; a stream's rate is that of one user.
        work_cv: coefficient of variation of the CPU time of requests.
        minutes: of each step.
    """

    servers: Mapping[str, Server]
    load: Load
    work_cv: float = 1.0
    minutes: int = 6


def steps(users: Sequence[int], **replicas: int) -> list[Step]:
    """Some loads under one layout."""
    return [Step(count, replicas) for count in users]


def measure(world: World, levels: Sequence[Step], seed: int) -> pd.DataFrame:
    """A row per minute and service, with all columns; response times as a proxy would tell them."""
    rng = np.random.default_rng(seed)
    tables = []
    for number, step in enumerate(levels):
        factor = float(np.exp(HOUR_SCATTER * rng.standard_normal()))
        load = replace(world.load, users=step.users, stream_rps=world.load.stream_rps * step.users)
        plan = _plan(world, step, factor)
        found = simulate(plan, load, world.minutes, WARMUP_SECONDS, seed + 1000 * number)
        proxied = 1 + plan.calls.sum(axis=1)
        for index, (name, server) in enumerate(world.servers.items()):
            served = found.served[:, index]
            cpu = found.cpu_seconds[:, index] / 60 + plan.replicas[index] * server.idle_cores
            sidecar = server.sidecar_seconds * proxied[index] * served / 60
            scatter = np.exp(MINUTE_SCATTER * rng.standard_normal(world.minutes))
            with np.errstate(divide="ignore", invalid="ignore"):
                times = np.where(served > 0, found.seconds[:, index] / served, np.nan)
            tables.append(
                pd.DataFrame(
                    {
                        TIMESTAMP: STARTED_AT
                        + 60.0 * (number * (world.minutes + 6) + np.arange(world.minutes)),
                        SERVICE: name,
                        USER_COUNT: float(step.users),
                        RESPONSE_TIME: times,
                        THROUGHPUT: served / 60,
                        CPU_USAGE: (cpu + sidecar) * scatter,
                        REPLICAS: float(plan.replicas[index]),
                        CPU_REQUEST: (server.limit or np.nan) / 2,
                        CPU_LIMIT: step.limits.get(name, server.limit or np.nan),
                    }
                )
            )
    rows = pd.concat(tables, ignore_index=True).assign(**{SOURCE: "independent.csv"})
    return rows.sort_values([SERVICE, TIMESTAMP], ignore_index=True)


def calls_of(world: World) -> pd.DataFrame:
    """Who calls whom, as the application makes it."""
    rows = [
        (caller, callee, mean)
        for caller, server in world.servers.items()
        for callee, mean in server.calls.items()
    ]
    return pd.DataFrame(rows, columns=[CALLER, CALLEE, CALLS])


def _plan(world: World, step: Step, factor: float) -> Plan:
    servers, names = list(world.servers.values()), list(world.servers)
    limits = [step.limits.get(name, server.limit) for name, server in world.servers.items()]
    return Plan(
        replicas=np.array(
            [step.replicas.get(name, server.replicas) for name, server in world.servers.items()]
        ),
        parallel=np.array([server.cores for server in servers]),
        quota=np.array(
            [
                np.inf if limit is None else limit - server.idle_cores
                for limit, server in zip(limits, servers, strict=True)
            ]
        ),
        slots=np.array([server.slots for server in servers]),
        work=factor * np.array([server.cpu_seconds for server in servers]),
        work_cv=np.array([world.work_cv]),
        outside=np.array([server.outside_seconds for server in servers]),
        lock=np.array([server.lock_seconds for server in servers]),
        calls=np.array([[server.calls.get(callee, 0.0) for callee in names] for server in servers]),
    )
