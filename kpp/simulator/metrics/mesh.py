"""Who is who in the mesh: what Istio's labels say about the source and the destination of a request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from kpp.simulator.application import Application
from kpp.simulator.engine import Outcome, RequestReport
from kpp.simulator.metrics.series import Labels

UNKNOWN = "unknown"
CLUSTER = "Kubernetes"
TRUST_DOMAIN = "cluster.local"


@dataclass(frozen=True)
class Workload:
    """One side of a request; all unknown where there is no sidecar that could tell."""

    name: str = UNKNOWN
    namespace: str = UNKNOWN
    principal: str = UNKNOWN
    cluster: str = UNKNOWN

    def labels(self, side: str) -> Labels:
        """The eight labels of that side; app and canonical service are named like the workload.

        Args:
            side: source or destination.
        """
        return (
            (f"{side}_workload", self.name),
            (f"{side}_workload_namespace", self.namespace),
            (f"{side}_principal", self.principal),
            (f"{side}_app", self.name),
            (f"{side}_version", UNKNOWN),  # the pods have no label `version`
            (f"{side}_canonical_service", self.name),
            (f"{side}_canonical_revision", UNKNOWN if self.name == UNKNOWN else "latest"),
            (f"{side}_cluster", self.cluster),
        )


@dataclass(frozen=True)
class Sizes:
    """The bytes that the smallest and the largest message of some operations has."""

    smallest: float
    largest: float


@dataclass(frozen=True)
class Mesh:
    """The workloads of one application in one namespace, by service, and how large their messages are."""

    namespace: str
    workloads: Mapping[str, Workload]
    request_sizes: Mapping[str, Sizes]
    response_sizes: Mapping[str, Sizes]
    _known_labels: dict[tuple[object, ...], Labels] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, application: Application, namespace: str, service_accounts: Mapping[str, str]) -> Self:
        """Describe an application.

        Args:
            application: what runs.
            namespace: where.
            service_accounts: of each service's pods.
        """
        workloads = {
            name: Workload(name, namespace, _principal(namespace, service_accounts[name]), CLUSTER)
            if service.sidecar
            else Workload()
            for name, service in application.services.items()
        }
        offered = {name: list(each.operations.values()) for name, each in application.services.items()}
        return cls(
            namespace,
            workloads,
            {name: _sizes([each.request_bytes for each in offered[name]]) for name in offered},
            {name: _sizes([each.response_bytes for each in offered[name]]) for name in offered},
        )

    def labels(self, report: RequestReport) -> Labels:
        """Istio's labels of a report: 25 with HTTP and gRPC, 23 with TCP, which has no codes."""
        key = (report.reporter, report.source_service, report.destination_service, report.outcome)
        if key not in self._known_labels:
            self._known_labels[key] = self._make_labels(report)
        return self._known_labels[key]

    def _make_labels(self, report: RequestReport) -> Labels:
        source = self.workloads[report.source_service]
        destination = self.workloads[report.destination_service]
        if report.outcome is Outcome.UNROUTED:
            destination = Workload()  # no pod was chosen whose labels could be known
        codes = (
            ("response_code", str(report.response_code)),
            ("grpc_response_status", report.grpc_status),
        )
        host = f"{report.destination_service}.{self.namespace}.svc.{TRUST_DOMAIN}"
        return (
            ("reporter", report.reporter),
            *source.labels("source"),
            *destination.labels("destination"),
            ("destination_service", host),
            ("destination_service_name", report.destination_service),
            ("destination_service_namespace", self.namespace),
            ("request_protocol", report.protocol),
            *(() if report.protocol == "tcp" else codes),
            ("response_flags", report.response_flags),
            ("connection_security_policy", _security_policy(report, source)),
        )


def _principal(namespace: str, service_account: str) -> str:
    return f"spiffe://{TRUST_DOMAIN}/ns/{namespace}/sa/{service_account}"


def _security_policy(report: RequestReport, source: Workload) -> str:
    """Only the server's sidecar knows; without a client's sidecar there is nobody to encrypt."""
    if report.reporter == "source":
        return UNKNOWN
    return "none" if source.name == UNKNOWN else "mutual_tls"


def _sizes(sizes: list[float]) -> Sizes:
    return Sizes(min(sizes, default=0.0), max(sizes, default=0.0))
