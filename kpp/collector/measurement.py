"""One row of the table of measurements."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:  # loading it takes the Kubernetes client with it
    from kpp.collector.cluster.services import Resources
    from kpp.collector.prometheus.signals import Signals


@dataclass(frozen=True)
class Measurement:
    """How one service did over one rate window, the fields in the order of the table's columns.

    None is not measured. A present value is a finite number.
    """

    timestamp: float  # the window's end, Unix seconds
    service: str
    user_count: int
    response_time_seconds: float | None
    throughput_rps: float | None
    cpu_cores: float | None  # all replicas together
    replicas: int | None
    cpu_request_cores: float | None  # of one replica
    cpu_limit_cores: float | None  # of one replica
    sidecar_cpu_cores: float | None  # all replicas together
    throttled: float | None  # share of CFS periods, 0 to 1
    error_rate_rps: float | None
    response_time_p95_seconds: float | None

    @classmethod
    def join(
        cls, timestamp: float, service: str, user_count: int, signals: "Signals", resources: "Resources"
    ) -> Self:
        """Put together what Prometheus and Kubernetes say of one service."""
        return cls(
            timestamp=timestamp,
            service=service,
            user_count=user_count,
            response_time_seconds=signals.response_time_seconds,
            throughput_rps=signals.throughput_rps,
            cpu_cores=signals.cpu_cores,
            replicas=resources.replicas,
            cpu_request_cores=resources.cpu_request_cores,
            cpu_limit_cores=resources.cpu_limit_cores,
            sidecar_cpu_cores=signals.sidecar_cpu_cores,
            throttled=signals.throttled,
            error_rate_rps=signals.error_rate_rps,
            response_time_p95_seconds=signals.response_time_p95_seconds,
        )
