"""What is measured of a service in one tick, and how it follows from the answers of Prometheus; no calls."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

from kpp.collector.profiles.profile import Labels
from kpp.collector.prometheus.answer import Sample

LARGEST_VALUE = 1e12  # a larger one would be refused in a table


class CpuSource(StrEnum):
    """What the container runtime labels, and so where CPU usage is read."""

    CONTAINERS = "containers"
    PODS = "pods"  # application and sidecar cannot be told apart


@dataclass(frozen=True)
class Signals:
    """One service over one rate window; None is not measured, and never 0."""

    response_time_seconds: float | None  # mean
    throughput_rps: float | None
    cpu_cores: float | None  # all replicas together, without the sidecars; with `CpuSource.PODS`, with them
    sidecar_cpu_cores: float | None  # all replicas together
    throttled: float | None  # share of the application's CFS periods, 0 to 1; None without a CPU limit
    error_rate_rps: float | None
    response_time_p95_seconds: float | None


@dataclass(frozen=True)
class Call:
    """How many requests a caller makes to a callee per request that it serves."""

    caller: str
    callee: str
    calls: float


@dataclass(frozen=True)
class RequestAnswers:
    """What Istio says, by workload; only values that can be."""

    throughput: Mapping[str, float]
    response_time: Mapping[str, float]
    response_time_p95: Mapping[str, float]
    error_rate: Mapping[str, float] | None  # None: it was not asked for

    def without(self, cut: frozenset[str]) -> Self:
        """Without the rates of some workloads; what is a quotient of two rates stays."""
        return replace(
            self,
            throughput=_leave_out(self.throughput, cut),
            error_rate=None if self.error_rate is None else _leave_out(self.error_rate, cut),
        )


@dataclass(frozen=True)
class CpuAnswers:
    """What cAdvisor says, by pod and container (empty with `CpuSource.PODS`); only values that can be."""

    cores: Mapping[tuple[str, str], float]
    throttled_periods: Mapping[tuple[str, str], float]
    periods: Mapping[tuple[str, str], float]
    sidecar: str = Labels().sidecar  # the container that is not the application

    def without(self, cut: frozenset[str]) -> Self:
        """Without the cores of some pods; throttling, a quotient of two rates, stays."""
        return replace(self, cores={key: value for key, value in self.cores.items() if key[0] not in cut})


NO_CPU = CpuAnswers({}, {}, {})


def _leave_out(values: Mapping[str, float], names: frozenset[str]) -> dict[str, float]:
    return {name: value for name, value in values.items() if name not in names}


def by_workload(samples: Iterable[Sample], label: str) -> dict[str, float]:
    """Values by the label that names workloads; without NaN (nothing was served) and what cannot be."""
    return {labels.get(label, ""): value for labels, value in _possible(samples)}


def by_container(samples: Iterable[Sample]) -> dict[tuple[str, str], float]:
    """Values by (pod, container); without what cannot be."""
    return {
        (labels.get("pod", ""), labels.get("container", "")): value for labels, value in _possible(samples)
    }


def join_signals(workload: str, pods: frozenset[str], requests: RequestAnswers, cpu: CpuAnswers) -> Signals:
    """Put together what was measured of one service, which `pods` run."""
    throughput_rps = requests.throughput.get(workload)
    return Signals(
        response_time_seconds=requests.response_time.get(workload),
        throughput_rps=throughput_rps,
        cpu_cores=_sum_cores(cpu, pods, of_sidecar=False),
        sidecar_cpu_cores=_sum_cores(cpu, pods, of_sidecar=True),
        throttled=_share_throttled(cpu, pods),
        error_rate_rps=_find_error_rate(requests, workload),
        response_time_p95_seconds=requests.response_time_p95.get(workload),
    )


def split_by_service(cpu: CpuAnswers, pods: Mapping[str, str]) -> Mapping[str, CpuAnswers]:
    """Each service's own part of the answers, in one pass: a thousand services have many thousand series.

    Args:
        cpu: of all pods.
        pods: pod name to service name; series of other pods are left out.

    Returns:
        By service, for those that have pods.
    """

    def split(values: Mapping[tuple[str, str], float]) -> Mapping[str, Mapping[tuple[str, str], float]]:
        parts: defaultdict[str, dict[tuple[str, str], float]] = defaultdict(dict)
        for key, value in values.items():
            if key[0] in pods:
                parts[pods[key[0]]][key] = value
        return parts

    cores, throttled_periods, periods = map(split, (cpu.cores, cpu.throttled_periods, cpu.periods))
    return {
        service: CpuAnswers(
            cores.get(service, {}), throttled_periods.get(service, {}), periods.get(service, {}), cpu.sidecar
        )
        for service in {*pods.values()}
    }


def _find_error_rate(requests: RequestAnswers, workload: str) -> float | None:
    """Istio has no series of failures before the first one: with traffic, that is a true zero."""
    if requests.error_rate is None:
        return None
    return requests.error_rate.get(workload, 0.0 if requests.throughput.get(workload) else None)


def _sum_cores(cpu: CpuAnswers, pods: frozenset[str], *, of_sidecar: bool) -> float | None:
    """The cores of all `pods` together; None when one of them has no series, as the sum would be too low.

    So it is for a minute after a pod was started: a rate needs two samples. A pod counts as measured with its
    first container of the kind, because init containers come and go and would make a service look incomplete.
    """
    measured = [
        (pod, value)
        for (pod, container), value in cpu.cores.items()
        if pod in pods and (container == cpu.sidecar) == of_sidecar
    ]
    if not pods or {pod for pod, _ in measured} != pods:
        return None
    return math.fsum(value for _, value in measured)


def _share_throttled(cpu: CpuAnswers, pods: frozenset[str]) -> float | None:
    """Throttled periods in all periods, over the pods that have them: unlike a sum, a share bears a gap."""
    limited = [
        key
        for key in cpu.periods
        if key in cpu.throttled_periods and key[0] in pods and key[1] != cpu.sidecar
    ]
    periods = math.fsum(cpu.periods[key] for key in limited)
    if periods <= 0:
        return None
    return min(math.fsum(cpu.throttled_periods[key] for key in limited) / periods, 1.0)


def calls_per_request(
    samples: Iterable[Sample],
    served: Mapping[str, float],
    service_of: Mapping[str, str],
    names: Labels,
) -> tuple[Call, ...]:
    """Divide what each caller asked of each callee by what the caller served itself.

    Args:
        samples: requests by caller and workload.
        served: requests served, by workload, over the same time.
        service_of: workload to service; others are no callers and no callees.
        names: the labels of caller and workload.

    Returns:
        The calls, by caller and callee; without callers that served nothing and pairs without a call.
    """
    calls = []
    for labels, count in _possible(samples):
        caller, callee = labels.get(names.caller, ""), labels.get(names.workload, "")
        if caller in service_of and callee in service_of and served.get(caller, 0.0) > 0 and count > 0:
            calls.append(Call(service_of[caller], service_of[callee], count / served[caller]))
    possible = (call for call in calls if is_possible(call.calls))
    return tuple(sorted(possible, key=lambda call: (call.caller, call.callee)))


def _possible(samples: Iterable[Sample]) -> Iterator[tuple[dict[str, str], float]]:
    return ((sample.metric, sample.value[1]) for sample in samples if is_possible(sample.value[1]))


def is_possible(value: float) -> bool:
    """Whether a value can have been measured: not NaN, not infinite, not negative, not absurdly large.

    >>> is_possible(0.25), is_possible(float("nan")), is_possible(-1.0)
    (True, False, False)
    """
    return 0 <= value <= LARGEST_VALUE
