"""What can be read of a simulated cluster at an instant: a real cluster's counters, and the truth.

All counters start at 0: sidecars' with their pod, the container's with the container, the truth's with the
engine.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kpp.simulator.application import service_of
from kpp.simulator.engine.states import REFUSALS, Outcome


@dataclass(frozen=True)
class PodSnapshot:
    """One pod and its containers. What CFS counts is None where there is no limit, as on a real cluster."""

    name: str
    service: str
    node: str
    phase: Literal["starting", "running", "crashed", "terminating"]
    ready: bool
    started_at: float  # seconds on the virtual clock
    container_started_at: float
    restarts: int
    requests_in_progress: int
    cpu_seconds: float  # of the application's container
    sidecar_cpu_seconds: float | None  # None: no sidecar
    cpu_limit_cores: float | None
    cfs_periods: int | None
    cfs_throttled_periods: int | None
    cfs_throttled_seconds: float | None


@dataclass(frozen=True)
class RequestReport:
    """What one sidecar reports about the requests between two services that ended in one way.

    Istio shows TCP services without codes, counts and durations: of `protocol` tcp only the bytes are real.
    """

    pod: str  # whose sidecar reports
    reporter: Literal["source", "destination"]
    source_service: str
    destination_service: str
    protocol: Literal["http", "grpc", "tcp"]
    response_code: int
    grpc_status: str  # empty for HTTP, and where there was no answer
    response_flags: str
    outcome: Outcome
    count: int
    duration_ms_sum: int  # of durations truncated to whole milliseconds
    bucket_counts: NDArray[np.int64]  # (20,) cumulative, for `BUCKET_BOUNDS_MS` and +Inf
    seconds_sum: float  # of the exact durations
    request_bytes_sum: float
    response_bytes_sum: float


@dataclass(frozen=True)
class OperationTruth:
    """One operation: what was admitted and has ended, and what was refused (in `counts` only)."""

    operation: str  # service/operation
    counts: dict[Outcome, int]
    seconds_sum: float  # of the response times inside the application, callees included
    seconds_squared_sum: float
    demand_seconds_sum: float  # CPU used by requests that succeeded
    wasted_seconds_sum: float  # CPU used by the others

    @property
    def succeeded(self) -> int:
        """Requests that ended well."""
        return self.counts[Outcome.OK] + self.counts[Outcome.REDIRECTED]

    @property
    def ended(self) -> int:
        """Requests that were admitted and have ended."""
        return self.requested - sum(self.counts[outcome] for outcome in REFUSALS)

    @property
    def requested(self) -> int:
        """All requests, those refused included."""
        return sum(self.counts.values())

    def sums(self) -> NDArray[np.float64]:
        """All requests, those that succeeded, that ended, seconds of response times, seconds of demand."""
        values = (self.requested, self.succeeded, self.ended, self.seconds_sum, self.demand_seconds_sum)
        return np.array(values, dtype=np.float64)


@dataclass(frozen=True)
class ServiceTruth:
    """The truth about a service over a time; a mean over no request is NaN.

    The visit ratio of a service is its `request_count` over that of the entry service.
    """

    request_count: int  # all that came, refused ones included
    succeeded_count: int
    response_time_seconds: float  # mean inside the application, callees included
    demand_seconds: float  # mean CPU of the application for a request that succeeds


@dataclass(frozen=True)
class UserRequestTruth:
    """One kind of request as the load generator sees it, redirects followed."""

    name: str  # of the operation requested first
    count: int
    failures: int
    seconds_sum: float
    bucket_counts: NDArray[np.int64]  # (20,) cumulative, as in `RequestReport`


@dataclass(frozen=True)
class EngineSnapshot:
    """Everything at one instant."""

    at_seconds: float
    user_count: int  # users that are running
    pods: tuple[PodSnapshot, ...]
    reports: tuple[RequestReport, ...]
    operations: tuple[OperationTruth, ...]
    user_requests: tuple[UserRequestTruth, ...]

    def pods_of(self, service: str) -> tuple[PodSnapshot, ...]:
        """The pods of one service, those that are ending included."""
        return tuple(pod for pod in self.pods if pod.service == service)

    def service_truths(self, since: "EngineSnapshot | None" = None) -> dict[str, ServiceTruth]:
        """The truth about each service that offers operations, from an earlier snapshot or the start on."""
        earlier = {truth.operation: truth for truth in since.operations} if since is not None else {}
        sums: dict[str, NDArray[np.float64]] = {}
        for truth in self.operations:
            own = truth.sums() - (earlier[truth.operation].sums() if earlier else 0)
            service = service_of(truth.operation)
            sums[service] = sums.get(service, 0) + own
        return {service: _mean_truth(*own) for service, own in sums.items()}

    def pod(self, name: str) -> PodSnapshot:
        """One pod by its name.

        Raises:
            KeyError: there is none.
        """
        for pod in self.pods:
            if pod.name == name:
                return pod
        raise KeyError(name)


def _mean_truth(
    requested: float, succeeded: float, ended: float, seconds: float, demand: float
) -> ServiceTruth:
    return ServiceTruth(
        request_count=round(requested),
        succeeded_count=round(succeeded),
        response_time_seconds=seconds / ended if ended else math.nan,
        demand_seconds=demand / succeeded if succeeded else math.nan,
    )
