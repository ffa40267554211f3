"""An application as rows that the compiled functions read."""

from dataclasses import dataclass, field

import numpy as np

from kpp.simulator.application import Application, Call, Demand, FanOut, Operation, Service, service_of
from kpp.simulator.engine.draws import lognormal_sigma
from kpp.simulator.engine.layout import CALL, DEADLINE, OPERATION, SERVICE, STATE, Indices, Reals, Rows
from kpp.simulator.engine.states import NONE, Distribution, SessionEffect

_EFFECTS = {
    None: SessionEffect.NONE,
    "add_item": SessionEffect.ADD_ITEM,
    "clear_items": SessionEffect.CLEAR_ITEMS,
}


@dataclass
class Tables:
    """The read-only rows, and the names of services, operations and calls in the order of their rows."""

    state: Rows
    services: Rows
    operations: Rows
    calls: Rows
    call_times: Indices
    action_shares: Reals
    deadlines: Rows
    service_names: list[str]
    operation_keys: list[str]  # the application's; the rows behind them are actions and probes
    call_names: list[str]  # of the operation that each row of `calls` calls


@dataclass
class _Builder:
    """Collects rows whose number is not known beforehand."""

    application: Application
    operations: list[tuple[object, ...]] = field(default_factory=list)
    calls: list[tuple[object, ...]] = field(default_factory=list)
    call_times: list[list[int]] = field(default_factory=list)
    call_names: list[str] = field(default_factory=list)
    time_outs: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.service_names = list(self.application.services)
        self.operation_rows = {key: row for row, (key, _) in enumerate(self.application.operations())}

    def deadline(self, seconds: float | None) -> int:
        if seconds is None:
            return NONE
        if seconds not in self.time_outs:
            self.time_outs.append(seconds)
        return self.time_outs.index(seconds)

    def add_call(self, call: Call, *, follows_redirect: bool = False) -> None:
        ignores_failure = call.on_failure == "ignore"
        row = (self.operation_rows[call.operation], self.deadline(call.timeout_seconds), ignores_failure)
        self.calls.append((*row, follows_redirect))
        items = range(self.application.users.session_items + 1)
        self.call_times.append([call.times.times(count) for count in items])
        self.call_names.append(call.operation)

    def add_operation(self, service: str, operation: Operation, call_cpu_ms: float, first_call: int) -> None:
        self.operations.append(
            (
                self.service_names.index(service),
                operation.cpu_ms / 1000,
                call_cpu_ms / 1000,
                first_call,
                len(self.calls),
                operation.response_code == 302,
                _EFFECTS[operation.session],
                operation.request_bytes,
                operation.response_bytes,
            )
        )


def build_tables(application: Application) -> Tables:
    """Number everything in the order of the application's file."""
    builder = _Builder(application)
    for key, operation in application.operations():
        first_call = len(builder.calls)
        for call in operation.calls:
            builder.add_call(call)
        service = service_of(key)
        builder.add_operation(service, operation, application.services[service].call_cpu_ms, first_call)
    first_action = len(builder.operations)
    _add_actions(builder)
    services = _service_rows(builder)
    actions = application.users.actions
    weights = np.array([action.weight for action in actions.values()], dtype=np.float64)
    state = _state_row(application)
    state["first_action"] = first_action
    start = application.users.on_start
    state["start_action"] = NONE if start is None else first_action + list(actions).index(start)
    return Tables(
        state=state,
        services=services,
        operations=np.array(builder.operations, dtype=OPERATION),
        calls=np.array(builder.calls, dtype=CALL),
        call_times=np.array(builder.call_times, dtype=np.int64),
        action_shares=np.cumsum(weights) / weights.sum(),
        deadlines=np.array([(seconds, NONE, NONE) for seconds in builder.time_outs], dtype=DEADLINE),
        service_names=builder.service_names,
        operation_keys=list(builder.operation_rows),
        call_names=builder.call_names,
    )


def _add_actions(builder: _Builder) -> None:
    """An action is an operation of the load generator that calls what the user requests."""
    users = builder.application.users
    for action in users.actions.values():
        first_call = len(builder.calls)
        for request in action.requests:
            for operation in filter(None, (request.operation, request.redirect)):
                call = Call(operation, FanOut(plus=1), users.request_timeout_seconds, "ignore")
                builder.add_call(call, follows_redirect=operation is request.redirect)
        builder.add_operation(users.service, Operation(cpu_ms=0), users.request_cpu_ms, first_call)


def _service_rows(builder: _Builder) -> Rows:
    rows = np.zeros(len(builder.service_names), dtype=SERVICE)
    for row, (name, service) in zip(rows, builder.application.services.items(), strict=True):
        row["has_sidecar"] = service.sidecar
        row["is_tcp"] = service.protocol == "tcp"
        row["threads"] = service.threads or NONE
        row["workers"] = service.workers or NONE
        row["max_requests"] = service.max_requests_in_progress
        row["background"] = service.background_cores
        row["distribution"], row["sigma"] = _distribution(service.demand)
        row["startup_seconds"] = service.startup_seconds
        row["demand_factor"] = 1
        _set_probe(row, name, service, builder)
    return rows


def _set_probe(row: np.void, name: str, service: Service, builder: _Builder) -> None:
    probe = service.probe
    row["has_probe"] = probe is not None
    if probe is None:
        return
    row["probe_period"] = probe.period_seconds
    row["probe_delay"] = probe.initial_delay_seconds
    row["probe_threshold"] = probe.failure_threshold
    row["probe_operation"] = len(builder.operations)
    row["probe_deadline"] = builder.deadline(probe.timeout_seconds)
    builder.add_operation(name, Operation(cpu_ms=probe.cpu_ms), 0, len(builder.calls))


def _state_row(application: Application) -> Rows:
    state = np.zeros(1, dtype=STATE)
    users, sidecar, variation = application.users, application.sidecar, application.variation
    state["network_head"] = state["network_tail"] = NONE
    state["network_seconds"] = application.network_latency_ms / 1000
    state["shortest_wait"], state["longest_wait"] = users.wait_seconds
    state["exponential_wait"] = users.wait_distribution == "exponential"
    state["session_items"] = users.session_items
    state["sidecar_seconds"] = sidecar.cpu_ms / 1000
    state["sidecar_tcp_seconds"] = sidecar.tcp_cpu_ms / 1000
    state["sidecar_distribution"], state["sidecar_sigma"] = _distribution(sidecar.demand)
    state["sidecar_background"] = sidecar.background_cores
    state["demand_sigma"] = variation.demand_sigma
    state["demand_autocorrelation"] = variation.demand_autocorrelation
    state["background_sigma"] = variation.background_sigma
    return state


def _distribution(demand: Demand) -> tuple[int, float]:
    kinds = {
        "constant": Distribution.CONSTANT,
        "exponential": Distribution.EXPONENTIAL,
        "lognormal": Distribution.LOGNORMAL,
    }
    return kinds[demand.distribution], lognormal_sigma(demand.cv)
