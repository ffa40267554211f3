"""Experiments with a quality of choice, for tests."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from kpp.collector.measurement import Measurement
from kpp.collector.quality.experiment import ExperimentRecord

ENTRY, OTHER = "frontend", "cartservice"
THINK_SECONDS = 3.0


def row(service: str, tick: int, user_count: int = 10, **values: Any) -> Measurement:
    """A measurement that obeys the law of the closed loop, with 1 s of response time at the entry."""
    measured = Measurement(
        timestamp=60.0 * tick,
        service=service,
        user_count=user_count,
        response_time_seconds=1.0,
        throughput_rps=user_count / (1.0 + THINK_SECONDS),
        cpu_cores=0.1,
        replicas=1,
        cpu_request_cores=None,
        cpu_limit_cores=None,
        sidecar_cpu_cores=None,
        throttled=None,
        error_rate_rps=0.0,
        response_time_p95_seconds=None,
    )
    return replace(measured, **values)


def record(
    user_count: int = 10,
    tick_count: int = 10,
    change: Callable[[int], dict[str, Any]] = lambda _tick: {},
    **fields: Any,
) -> ExperimentRecord:
    """An experiment; `change` says what differs in the entry service's row of a tick."""
    ticks = [
        [row(ENTRY, tick, user_count, **change(tick)), row(OTHER, tick, user_count)]
        for tick in range(1, tick_count + 1)
    ]
    made = ExperimentRecord(
        number=1,
        user_count=user_count,
        entry_service=ENTRY,
        service_count=2,
        interval_seconds=60.0,
        started_at=0.0,
        ticks=[*ticks],
        pods_before={},
        pods_after={},
    )
    return replace(made, **fields)
