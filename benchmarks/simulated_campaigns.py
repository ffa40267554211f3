"""Campaigns on the simulator's engine, recorded as a collector would, without a cluster around it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

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
    SIDECAR_CPU_USAGE,
    SOURCE,
    THROUGHPUT,
    TIMESTAMP,
    USER_COUNT,
)
from kpp.simulator.application import Application
from kpp.simulator.engine import Engine
from kpp.simulator.engine.engine import Node
from kpp.simulator.engine.snapshot import EngineSnapshot

STARTED_AT = 1_767_225_600.0
WARMUP_SECONDS, MINUTES = 90, 6
SCATTER = 0.03  # of a minute's CPU: what cAdvisor's rhythm makes of it


@dataclass(frozen=True)
class Step:
    """One load level, and what differs in its layout from the application's file."""

    user_count: int
    replicas: Mapping[str, int] = field(default_factory=dict)
    cpu_limits: Mapping[str, float] = field(default_factory=dict)


def steps(
    user_counts: Sequence[int], replicas: Mapping[str, int] | None = None, **cpu_limits: float
) -> list[Step]:
    """Some loads under one layout."""
    return [Step(users, replicas or {}, cpu_limits) for users in user_counts]


def run(
    application: Application,
    levels: Sequence[Step],
    seed: int,
    node_cores: float = 16.0,
    minutes: int = MINUTES,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure the levels one after the other: a row per minute and service, and the calls."""
    tables, called = [], []
    for number, step in enumerate(levels):
        laid_out = lay_out(application, step)
        nodes = [Node("node", node_cores)]
        engine = Engine.with_pods(laid_out, seed=seed + 1000 * number, nodes=nodes, replicas=step.replicas)
        engine.set_users(step.user_count, spawn_rate=max(step.user_count / 30, 1))
        engine.advance(WARMUP_SECONDS)
        before = engine.snapshot()
        for minute in range(minutes):
            engine.advance(WARMUP_SECONDS + 60 * (minute + 1))
            after = engine.snapshot()
            at = STARTED_AT + 60.0 * (number * (minutes + 5) + minute)
            rows = _minute(laid_out, before, after)
            tables.append(rows.assign(**{TIMESTAMP: at, USER_COUNT: float(step.user_count)}))
            called.append(_sent(before, after))
            before = after
    measured = pd.concat(tables, ignore_index=True)
    factors = np.exp(SCATTER * np.random.default_rng(seed).standard_normal((len(measured), 2)))
    measured[[CPU_USAGE, SIDECAR_CPU_USAGE]] *= factors
    # `rate` never adds CPU time that was not used (docs/adr/0013), and no container uses more than its limit
    most = (measured[REPLICAS] * measured[CPU_LIMIT]).fillna(np.inf)
    measured[CPU_USAGE] = measured[CPU_USAGE].clip(upper=most)
    measured[SOURCE] = "simulated.csv"
    return measured.sort_values([SERVICE, TIMESTAMP], ignore_index=True), _calls(pd.concat(called))


def without_drift(application: Application) -> Application:
    """The same application, but the CPU time of its requests stays the same in all hours."""
    return replace(application, variation=replace(application.variation, demand_sigma=0.0))


def lay_out(application: Application, step: Step) -> Application:
    """The application with the step's CPU limits."""
    services = {
        name: replace(service, cpu_limit_cores=step.cpu_limits.get(name, service.cpu_limit_cores))
        for name, service in application.services.items()
    }
    return replace(application, services=services)


def _minute(application: Application, before: EngineSnapshot, after: EngineSnapshot) -> pd.DataFrame:
    """Rates over a minute, by service."""
    (count, milliseconds), (count0, milliseconds0) = _reported(after), _reported(before)
    seconds = after.at_seconds - before.at_seconds
    rows = []
    for name, service in application.services.items():
        if service.protocol == "tcp" or name == application.users.service:
            continue
        served = count.get(name, 0) - count0.get(name, 0)
        took = milliseconds.get(name, 0) - milliseconds0.get(name, 0)
        used = {pod.name: (pod.cpu_seconds, pod.sidecar_cpu_seconds or 0.0) for pod in before.pods_of(name)}
        pods = after.pods_of(name)
        rows.append(
            {
                SERVICE: name,
                RESPONSE_TIME: took / served / 1000 if served else np.nan,
                THROUGHPUT: served / seconds,
                CPU_USAGE: sum(pod.cpu_seconds - used[pod.name][0] for pod in pods) / seconds,
                SIDECAR_CPU_USAGE: sum((pod.sidecar_cpu_seconds or 0) - used[pod.name][1] for pod in pods)
                / seconds,
                REPLICAS: float(len(pods)),
                CPU_REQUEST: service.cpu_request_cores or np.nan,
                CPU_LIMIT: service.cpu_limit_cores or np.nan,
            }
        )
    return pd.DataFrame(rows)


def _reported(snapshot: EngineSnapshot) -> tuple[dict[str, int], dict[str, int]]:
    counts: dict[str, int] = {}
    milliseconds: dict[str, int] = {}
    for report in snapshot.reports:
        if report.reporter == "destination":
            name = report.destination_service
            counts[name] = counts.get(name, 0) + report.count
            milliseconds[name] = milliseconds.get(name, 0) + report.duration_ms_sum
    return counts, milliseconds


def _sent(before: EngineSnapshot, after: EngineSnapshot) -> pd.DataFrame:
    rows = [
        {CALLER: report.source_service, CALLEE: report.destination_service, CALLS: sign * report.count}
        for sign, snapshot in ((1, after), (-1, before))
        for report in snapshot.reports
        if report.reporter == "destination" and report.protocol != "tcp"
    ]
    return pd.DataFrame(rows)


def _calls(sent: pd.DataFrame) -> pd.DataFrame:
    """Mean calls per request that the caller serves."""
    totals = sent.groupby([CALLER, CALLEE])[CALLS].sum().reset_index()
    served = totals.groupby(CALLEE)[CALLS].sum()
    inner = totals[totals[CALLER].isin(served.index)]
    return inner.assign(**{CALLS: inner[CALLS] / inner[CALLER].map(served).astype("float64")}).reset_index(
        drop=True
    )
