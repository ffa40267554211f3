"""Small applications whose behavior is known from theory, and what the theory says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from kpp.simulator.application import Application
from kpp.simulator.engine import Engine, EngineSnapshot

_BARE = {"sidecar": False, "demand": {"distribution": "exponential"}}


def build(services: Mapping[str, Mapping[str, Any]], *, think_seconds: float, **more: Any) -> Application:
    """An application whose users ask for `web/get` only, with exponential pauses, and nothing in between.

    A service has neither sidecar nor limit, and exponential demands, unless it says otherwise.
    """
    users = {
        "service": "load",
        "wait_seconds": (0, 2 * think_seconds),
        "wait_distribution": "exponential",
        "actions": {"get": {"requests": ["web/get"]}},
        **more.pop("users", {}),
    }
    every = {name: {**_BARE, **service} for name, service in services.items()}
    content = {
        "name": "small",
        "entry_service": "web",
        "services": {**every, "load": {"sidecar": more.pop("load_sidecar", False), **more.pop("load", {})}},
        "users": users,
        **more,
    }
    return TypeAdapter(Application).validate_python(content)


def one_service(cpu_ms: float, *, think_seconds: float, **service: Any) -> Application:
    """Users who ask one service."""
    return build({"web": {"operations": {"get": {"cpu_ms": cpu_ms}}, **service}}, think_seconds=think_seconds)


@dataclass(frozen=True)
class Measured:
    """What one operation did between two snapshots, from the truth of the engine."""

    throughput_rps: float
    response_time_seconds: float


def measure(before: EngineSnapshot, after: EngineSnapshot, operation: str = "web/get") -> Measured:
    """The difference between two snapshots."""
    first = next(truth for truth in before.operations if truth.operation == operation)
    last = next(truth for truth in after.operations if truth.operation == operation)
    count = last.succeeded - first.succeeded
    ended = last.ended - first.ended
    elapsed = after.at_seconds - before.at_seconds
    mean = (last.seconds_sum - first.seconds_sum) / max(ended, 1)
    return Measured(count / elapsed, mean)


def run(
    engine: Engine, *, warmup_seconds: float, measured_seconds: float
) -> tuple[EngineSnapshot, EngineSnapshot]:
    """Snapshots after the warm-up and at the end."""
    engine.advance(engine.now_seconds + warmup_seconds)
    before = engine.snapshot()
    engine.advance(engine.now_seconds + measured_seconds)
    return before, engine.snapshot()


def exact_mva(
    demands_seconds: Sequence[float], think_seconds: float, user_count: int
) -> tuple[float, list[float]]:
    """Exact mean value analysis of a closed network (Reiser and Lavenberg 1980), single-server stations.

    Returns:
        the throughput and each station's residence time for one request, at `user_count` users.
    """
    queues = [0.0] * len(demands_seconds)
    throughput, residence = 0.0, list(demands_seconds)
    for users in range(1, user_count + 1):
        residence = [demand * (1 + queue) for demand, queue in zip(demands_seconds, queues, strict=True)]
        throughput = users / (think_seconds + sum(residence))
        queues = [throughput * time for time in residence]
    return throughput, residence
