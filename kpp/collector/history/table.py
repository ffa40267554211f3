"""From answers to the table of measurements: services found, columns computed, rows in the order of time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from kpp.collector.history.columns import (
    Pods,
    PodValues,
    cores_of_a_replica,
    fill_errors,
    find_named_pods,
    find_owned_pods,
    group_by_pod,
    share_throttled,
    sum_cores,
)
from kpp.collector.history.instants import Floats, Grid
from kpp.collector.history.ranges import Answered
from kpp.collector.profiles.profile import Labels, Signal
from kpp.collector.prometheus.coverage import MOST_LEFT_OUT, POD
from kpp.collector.prometheus.signals import Call, is_possible
from kpp.schema import (
    CPU_LIMIT,
    CPU_REQUEST,
    CPU_USAGE,
    ERROR_RATE,
    OPTIONAL_COLUMNS,
    REPLICAS,
    REQUIRED_COLUMNS,
    RESPONSE_TIME,
    RESPONSE_TIME_P95,
    SERVICE,
    SIDECAR_CPU_USAGE,
    THROTTLED,
    THROUGHPUT,
    TIMESTAMP,
    USER_COUNT,
    is_dns_label,
)

UNKNOWN = "unknown"  # Istio's word for a workload that is none of the mesh


@dataclass(frozen=True)
class Answers:
    """All that was asked, by signal; what the profile lacks is not there."""

    grid: Grid
    answered: Mapping[Signal, Answered]
    labels: Labels

    def by_name(self, signal: Signal, label: str) -> dict[str, Floats]:
        """The arrays of a signal by one label."""
        answered = self.answered.get(signal)
        return {name: values for (name,), values in (answered.by(label) if answered else {}).items()}

    def rates_of_requests(self, signal: Signal) -> dict[str, Floats]:
        """The arrays of a signal by workload, without those whose window is cut by a gap in the scrapes."""
        left_out = self.by_name(Signal.NEWEST_REQUESTS, self.labels.workload)
        rates = self.by_name(signal, self.labels.workload)
        return {name: _drop_cut(values, left_out.get(name)) for name, values in rates.items()}

    def cores_used(self) -> dict[str, dict[str, Floats]]:
        """CPU by pod and container, or by pod where there is no other."""
        by_pod = group_by_pod(self.answered.get(Signal.CPU_BY_CONTAINER))
        return by_pod or group_by_pod(self.answered.get(Signal.CPU_BY_POD))

    def without_cut(self, cores: PodValues) -> PodValues:
        """The same, without that of windows which are cut."""
        left_out = self.by_name(Signal.NEWEST_CPU, POD)
        return {
            pod: {name: _drop_cut(values, left_out.get(pod)) for name, values in containers.items()}
            for pod, containers in cores.items()
        }


def _drop_cut(rates: Floats, left_out: Floats | None) -> Floats:
    return rates if left_out is None else np.where(left_out > MOST_LEFT_OUT, np.nan, rates)


def find_services(answers: Answers, left_out: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The workloads that served requests, by name; and those whose name is no name of a service."""
    unwanted = {*left_out, UNKNOWN, ""}
    names = {*answers.by_name(Signal.THROUGHPUT, answers.labels.workload)} - unwanted
    usable = sorted(filter(is_dns_label, names))
    return tuple(usable), tuple(sorted(names - set(usable)))


def make_table(answers: Answers, services: Sequence[str], users: Floats) -> pd.DataFrame:
    """The measurements with all columns, a row for each service and each instant with a known load."""
    kept = users > 0  # NaN is not
    columns = _ColumnsOfServices(answers)
    table = pd.concat([columns.of(service, users)[kept] for service in services])
    table = table.sort_values([TIMESTAMP, SERVICE], kind="stable")[[*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS]]
    return table.astype({USER_COUNT: "Int64", REPLICAS: "Int64"}).reset_index(drop=True)


def find_calls(answers: Answers, services: Sequence[str]) -> tuple[Call, ...]:
    """Who called whom how often per request that the caller served, over the whole range."""
    answered = answers.answered.get(Signal.CALLS)
    names = (answers.labels.caller, answers.labels.workload)
    served = answers.by_name(Signal.THROUGHPUT, answers.labels.workload)
    calls = []
    for (caller, callee), made in sorted((answered.by(*names) if answered else {}).items()):
        if caller in services and callee in services:
            ratio = np.nansum(made) / total if (total := np.nansum(served[caller])) > 0 else 0.0
            if ratio > 0 and is_possible(float(ratio)):
                calls.append(Call(caller, callee, float(ratio)))
    return tuple(calls)


class _ColumnsOfServices:
    """All columns, of one service after the other."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        answered, workload = answers.answered, answers.labels.workload
        self._by_workload = {
            column: answers.by_name(signal, workload) for column, signal in _COLUMNS_OF_QUOTIENTS.items()
        } | {column: answers.rates_of_requests(signal) for column, signal in _COLUMNS_OF_RATES.items()}
        self._replicas = answers.by_name(Signal.REPLICAS, "deployment")
        self._used = answers.cores_used()
        self._cores = answers.without_cut(self._used)
        self._throttled = group_by_pod(answered.get(Signal.THROTTLED_PERIODS))
        self._periods = group_by_pod(answered.get(Signal.PERIODS))
        self._requests = group_by_pod(answered.get(Signal.CPU_REQUESTS))
        self._limits = group_by_pod(answered.get(Signal.CPU_LIMITS))
        self._pods = find_owned_pods(answered.get(Signal.PODS)) or find_named_pods(self._used)

    def of(self, service: str, users: Floats) -> pd.DataFrame:
        """The columns of one service, a row per instant."""
        grid, sidecar = self._answers.grid, self._answers.labels.sidecar
        pods: Pods = self._pods.get(service, {})
        missing = np.full(grid.count, np.nan)
        of_requests = {column: named.get(service, missing) for column, named in self._by_workload.items()}
        if Signal.ERROR_RATE in self._answers.answered:
            of_requests[ERROR_RATE] = fill_errors(of_requests[ERROR_RATE], of_requests[THROUGHPUT])

        def of_a_replica(amounts: PodValues) -> Floats:
            return cores_of_a_replica(amounts, self._used, pods, sidecar, grid.count)

        return pd.DataFrame(
            {
                TIMESTAMP: grid.instants,
                SERVICE: service,
                USER_COUNT: users,
                **of_requests,
                CPU_USAGE: sum_cores(self._cores, pods, sidecar, of_sidecar=False, count=grid.count),
                SIDECAR_CPU_USAGE: sum_cores(self._cores, pods, sidecar, of_sidecar=True, count=grid.count),
                THROTTLED: share_throttled(self._throttled, self._periods, pods, sidecar, grid.count),
                REPLICAS: self._replicas.get(service, missing),
                CPU_REQUEST: of_a_replica(self._requests),
                CPU_LIMIT: of_a_replica(self._limits),
            }
        )


_COLUMNS_OF_RATES = {THROUGHPUT: Signal.THROUGHPUT, ERROR_RATE: Signal.ERROR_RATE}
_COLUMNS_OF_QUOTIENTS = {RESPONSE_TIME: Signal.RESPONSE_TIME, RESPONSE_TIME_P95: Signal.RESPONSE_TIME_P95}
