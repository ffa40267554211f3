"""An application as data: its services, who calls whom, what the users do, and what it all costs in CPU."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from kpp.schema import is_dns_label


def _check_name(text: str) -> str:
    if not is_dns_label(text):
        raise ValueError("a name in Kubernetes has lower-case letters, digits and '-', at most 63 characters")
    return text


def _as_fan_out(times: object) -> object:
    return {"plus": times} if isinstance(times, int) else times


def _as_mapping(step: object) -> object:
    return {"operation": step} if isinstance(step, str) else step


Name = Annotated[str, AfterValidator(_check_name)]
Count = Annotated[int, Field(ge=1)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
OperationKey = Annotated[str, Field(pattern=r"^[^/]+/.+$")]  # service/operation

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class FanOut:
    """How often a call is made one after the other: `plus + per_item x items`, kept within 0 and `at_most`.

    >>> FanOut(plus=9, per_item=-1, at_most=5).times(items=6)
    3
    """

    plus: int = 0
    per_item: int = 0
    at_most: Annotated[int, Field(ge=0)] | None = None

    def times(self, items: int) -> int:
        """The number of calls when the user's session holds `items` distinct items."""
        count = max(self.plus + self.per_item * items, 0)
        return count if self.at_most is None else min(count, self.at_most)


Times = Annotated[FanOut, BeforeValidator(_as_fan_out)]


@dataclass(frozen=True, config=_STRICT)
class Call:
    """A synchronous call that an operation makes; the next one starts when this one has answered."""

    operation: OperationKey
    times: Times = FanOut(plus=1)
    timeout_seconds: Positive | None = None
    on_failure: Literal["fail", "ignore"] = "fail"


@dataclass(frozen=True, config=_STRICT)
class Operation:
    """What one kind of request costs and calls.

    The application's CPU for one request is `cpu_ms` plus the service's `call_cpu_ms` for each call made.
    """

    cpu_ms: NotNegative
    calls: tuple[Annotated[Call, BeforeValidator(_as_mapping)], ...] = ()
    response_code: Literal[200, 302] = 200
    session: Literal["add_item", "clear_items"] | None = None  # what a success does to the user's items
    request_bytes: NotNegative = 300
    response_bytes: NotNegative = 600


@dataclass(frozen=True, config=_STRICT)
class Demand:
    """How the CPU that requests need varies around its mean."""

    distribution: Literal["constant", "exponential", "lognormal"] = "lognormal"
    cv: NotNegative = 0.5  # of the lognormal; exponential has 1, constant 0


@dataclass(frozen=True, config=_STRICT)
class Probe:
    """The kubelet's readiness and liveness probe: too many failures in a row restart the container."""

    period_seconds: Positive = 10
    timeout_seconds: Positive = 1
    failure_threshold: Count = 3
    initial_delay_seconds: NotNegative = 0
    cpu_ms: NotNegative = 0.2


@dataclass(frozen=True, config=_STRICT)
class Service:
    """A microservice: how it is deployed, how its runtime behaves, and the operations that it offers."""

    image: str = ""
    language: str = ""
    container: Name = "server"
    protocol: Literal["http", "grpc", "tcp"] = "grpc"
    port: Count | None = None  # of the Kubernetes Service; None: nothing calls it
    target_port: Count | None = None  # of the container; None: the same
    port_name: str | None = None  # None: the protocol
    environment: dict[str, str] = Field(default_factory=dict)
    replicas: Annotated[int, Field(ge=0)] = 1
    cpu_request_cores: Positive | None = None
    cpu_limit_cores: Positive | None = None  # None: not throttled
    memory_request: str | None = None
    memory_limit: str | None = None
    sidecar: bool = True
    threads: Count | None = (
        None  # cores that the runtime can use at once; 1: single-threaded; None: the node's
    )
    workers: Count | None = None  # requests served at once, the others wait in line; None: all
    max_requests_in_progress: Count = 1000  # of one replica; what comes on top is refused with 503
    background_cores: NotNegative = 0  # of one replica: garbage collection, timers, keep-alives
    demand: Demand = Demand()
    call_cpu_ms: NotNegative = 0  # the client's side of each call made
    startup_seconds: NotNegative = 5
    probe: Probe | None = None
    operations: dict[str, Operation] = Field(default_factory=dict)


@dataclass(frozen=True, config=_STRICT)
class Sidecar:
    """The proxy beside each replica. Its CPU lies outside the application's limit."""

    workers: Count = 2
    cpu_ms: NotNegative = 0.25  # per request proxied, inbound or outbound, answer included
    tcp_cpu_ms: NotNegative = 0.1  # the same for plain TCP
    background_cores: NotNegative = 0
    demand: Demand = Demand()
    cpu_request_cores: Positive | None = 0.1
    cpu_limit_cores: Positive | None = 2.0
    memory_request: str | None = "128Mi"
    memory_limit: str | None = "1Gi"


@dataclass(frozen=True, config=_STRICT)
class UserRequest:
    """One request of a user; a `redirect` is followed at once and is a request of its own on the server."""

    operation: OperationKey
    redirect: OperationKey | None = None


@dataclass(frozen=True, config=_STRICT)
class UserAction:
    """A Locust task: requests one after the other; a failed one does not stop the rest."""

    requests: Annotated[tuple[Annotated[UserRequest, BeforeValidator(_as_mapping)], ...], Field(min_length=1)]
    weight: NotNegative = 1


@dataclass(frozen=True, config=_STRICT)
class Users:
    """The closed workload: each user does an action, waits for the answers, pauses, and goes on."""

    service: Name  # whose pods run the users
    actions: dict[str, UserAction]
    wait_seconds: tuple[NotNegative, NotNegative] = (1, 10)  # uniform between these
    wait_distribution: Literal["uniform", "exponential"] = "uniform"  # exponential: with the mean of the two
    request_timeout_seconds: Positive = 60
    request_cpu_ms: NotNegative = 0  # the load generator's own CPU for each request
    on_start: str | None = None  # the action done once before the first
    session_items: Annotated[int, Field(ge=0, le=62)] = 0  # distinct items that a session can hold


@dataclass(frozen=True, config=_STRICT)
class Variation:
    """Noise from minute to minute: a factor exp(sigma x - sigma^2 / 2), x a stationary AR(1) process."""

    demand_sigma: NotNegative = 0
    demand_autocorrelation: Annotated[float, Field(ge=0, lt=1)] = 0
    background_sigma: NotNegative = 0  # independent from minute to minute and from pod to pod


@dataclass(frozen=True, config=_STRICT)
class Application:
    """All of it. `read_application` also checks that the names fit together."""

    name: Name
    entry_service: Name
    services: dict[Name, Service]
    users: Users
    sidecar: Sidecar = Sidecar()
    variation: Variation = Variation()
    network_latency_ms: NotNegative = 0  # one way, between any two pods
    description: str = ""

    def operations(self) -> Iterator[tuple[str, Operation]]:
        """Every operation with its key, `service/operation`, in the file's order."""
        for service_name, service in self.services.items():
            for name, operation in service.operations.items():
                yield f"{service_name}/{name}", operation


def service_of(operation_key: str) -> str:
    """The service that an operation's key names.

    >>> service_of("frontend/GET /product/id")
    'frontend'
    """
    return operation_key.partition("/")[0]
