"""A profile: the queries for one kind of mesh and exporters, by the signal that each gives."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kpp.collector.queries import Query


class Signal(StrEnum):
    """What a query gives; the value is its place in a profile's file, `section.key`."""

    THROUGHPUT = "requests.throughput"
    RESPONSE_TIME = "requests.response_time"
    RESPONSE_TIME_P95 = "requests.response_time_p95"
    ERROR_RATE = "requests.error_rate"
    CALLS = "requests.calls"
    NEWEST_REQUESTS = "requests.newest_sample"
    CPU_BY_CONTAINER = "cpu.by_container"
    CPU_BY_POD = "cpu.by_pod"
    THROTTLED_PERIODS = "cpu.throttled_periods"
    PERIODS = "cpu.periods"
    NEWEST_CPU = "cpu.newest_sample"
    PODS = "objects.pods"
    REPLICAS = "objects.replicas"
    CPU_REQUESTS = "objects.cpu_requests"
    CPU_LIMITS = "objects.cpu_limits"

    @property
    def section(self) -> str:
        """The part of the file in which it stands."""
        return self.partition(".")[0]


NEEDED = (Signal.THROUGHPUT, Signal.RESPONSE_TIME)  # and one of the two CPU usages
CPU_SECTION = "cpu"


@dataclass(frozen=True)
class Labels:
    """Names that the answers of a mesh have."""

    workload: str = "destination_workload"  # of the Deployment that serves
    caller: str = "source_workload"  # of the Deployment that asks
    sidecar: str = "istio-proxy"  # the container that is not the application


@dataclass(frozen=True)
class Profile:
    """Queries by signal; one that is not there leaves its column empty."""

    name: str
    description: str
    queries: Mapping[Signal, Query]
    labels: Labels = field(default_factory=Labels)

    def texts(
        self, namespace: str, window_seconds: int, cpu_window_seconds: int
    ) -> Iterator[tuple[Signal, str]]:
        """Every query as it is sent, with the range of its section."""
        for signal, query in self.queries.items():
            seconds = cpu_window_seconds if signal.section == CPU_SECTION else window_seconds
            yield signal, query.text(namespace, seconds)
