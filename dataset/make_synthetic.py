"""Makes `synthetic_online_boutique.csv`, a table that no cluster was measured for.

    python dataset/make_synthetic.py [FILE]

The application is modeled on Google's Online Boutique: its services, CPU requests and limits are those of
its manifests, the mean calls per request follow from its source and the mix of its load generator. The CPU
per request, the delays and the noise are assumptions of plausible size. A closed queueing network gives the
rest, minute by minute:

    users = throughput x (think time + response time)      the response-time law, at the entry service
    throughput of a service = visit ratio x throughput     forced flow
    CPU = background + CPU per request x throughput        the utilization law
    response time = delay + CPU per request / (1 - utilization) + the callees' response times
                                                           a processor-sharing station, nested calls

The same Python code gives the same file on every machine: figures are rounded to six digits.
"""

import csv
import math
import random
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kpp import schema

SEED = 20260105
STARTED_AT = 1767600000  # Unix seconds: 5 January 2026, 08:00 UTC
USER_COUNTS = range(15, 181, 15)
MINUTES_PER_EXPERIMENT = 41
PAUSE_SECONDS = 300  # between experiments: roll-out, warm-up and cooldown

ENTRY = "frontend"
THINK_TIME_SECONDS = 5.5 / (28 / 19)  # mean wait between tasks / mean requests per task
SIDECAR_CPU_SECONDS = 0.0003  # per request that the sidecar proxies, inbound or outbound
BACKGROUND_CORES = 0.003  # of a replica at rest, and of its sidecar
CFS_PERIOD_SECONDS = 0.1
MISSING_SHARE = 0.01

PERSISTENCE = 0.6  # correlation of a condition with itself one minute later
USERS_DEVIATION = 0.03  # relative, of the users that are active
DEMAND_DEVIATION = 0.08  # relative, of a service's CPU per request and delay
RESPONSE_TIME_DEVIATION = 0.03  # relative, of one measured value
CPU_DEVIATION = 0.03


@dataclass(frozen=True)
class Service:
    """A microservice with one replica."""

    cpu_seconds: float  # of the application, per request
    delay_seconds: float  # per request: network, disk, waiting that takes no CPU
    cpu_request_cores: float = 0.1
    cpu_limit_cores: float = 0.2
    calls: Mapping[str, float] = field(default_factory=dict)  # callee -> mean calls per request


# callers stand before their callees
SERVICES: Mapping[str, Service] = {
    "frontend": Service(
        0.0048,
        0.0015,
        calls={
            "checkoutservice": 0.0355,
            "recommendationservice": 0.714,
            "productcatalogservice": 4.654,
            "currencyservice": 2.904,
            "cartservice": 0.893,
            "adservice": 0.572,
            "shippingservice": 0.214,
        },
    ),
    "checkoutservice": Service(
        0.0030,
        0.0010,
        calls={
            "cartservice": 2.0,
            "productcatalogservice": 2.46,
            "currencyservice": 3.46,
            "shippingservice": 2.0,
            "paymentservice": 1.0,
            "emailservice": 1.0,
        },
    ),
    "recommendationservice": Service(0.0024, 0.0008, calls={"productcatalogservice": 1.0}),
    "productcatalogservice": Service(0.0004, 0.0003),
    "currencyservice": Service(0.0011, 0.0003),
    "cartservice": Service(0.0010, 0.0012, cpu_request_cores=0.2, cpu_limit_cores=0.3),
    "adservice": Service(0.0009, 0.0006, cpu_request_cores=0.2, cpu_limit_cores=0.3),
    "shippingservice": Service(0.0005, 0.0003),
    "paymentservice": Service(0.0014, 0.0006),
    "emailservice": Service(0.0022, 0.0009),
}


@dataclass(frozen=True)
class State:
    """What one service does in a minute."""

    throughput_rps: float
    cpu_cores: float
    sidecar_cpu_cores: float
    response_time_seconds: float
    throttled: float  # share of CFS periods, 0 to 1


class Condition:
    """A factor around 1 that drifts: its logarithm is an autoregressive process of first order."""

    def __init__(self, generator: random.Random, deviation: float) -> None:
        self._generator = generator
        self._deviation = deviation
        self._log = generator.gauss(0.0, deviation)

    def next(self) -> float:
        """The factor of the next minute."""
        fresh = self._generator.gauss(0.0, self._deviation * math.sqrt(1 - PERSISTENCE**2))
        self._log = PERSISTENCE * self._log + fresh
        return math.exp(self._log)


def visit_ratios() -> dict[str, float]:
    """Requests of each service per request of the entry service."""
    ratios = dict.fromkeys(SERVICES, 0.0) | {ENTRY: 1.0}
    for name, service in SERVICES.items():
        for callee, calls in service.calls.items():
            ratios[callee] += ratios[name] * calls
    return ratios


def flow(entry_rps: float, demand_factors: Mapping[str, float]) -> dict[str, State]:
    """Every service's state when the entry service completes `entry_rps`; without end where one cannot."""
    states: dict[str, State] = {}
    ratios = visit_ratios()
    for name in reversed(list(SERVICES)):
        service = SERVICES[name]
        throughput_rps = entry_rps * ratios[name]
        cpu_seconds = service.cpu_seconds * demand_factors[name]
        cpu_cores = BACKGROUND_CORES + cpu_seconds * throughput_rps
        utilization = cpu_cores / service.cpu_limit_cores
        callees = sum(calls * states[callee].response_time_seconds for callee, calls in service.calls.items())
        working = cpu_seconds / (1 - utilization) if utilization < 1 else math.inf
        proxied_rps = throughput_rps * (1 + sum(service.calls.values()))
        states[name] = State(
            throughput_rps=throughput_rps,
            cpu_cores=cpu_cores,
            sidecar_cpu_cores=BACKGROUND_CORES + SIDECAR_CPU_SECONDS * proxied_rps,
            response_time_seconds=service.delay_seconds * demand_factors[name] + working + callees,
            throttled=throttled_share(cpu_cores, service.cpu_limit_cores, cpu_seconds),
        )
    return states


def throttled_share(cpu_cores: float, limit_cores: float, cpu_seconds: float) -> float:
    """Share of CFS periods in which more work arrives than the quota allows.

    Work in a period: a Poisson number of requests, each exponential with mean `cpu_seconds`; normal
    approximation.
    """
    excess = (limit_cores - cpu_cores) * CFS_PERIOD_SECONDS
    variance = 2 * cpu_seconds * cpu_cores * CFS_PERIOD_SECONDS
    return 0.5 * math.erfc(excess / math.sqrt(2 * variance))


def solve(user_count: float, demand_factors: Mapping[str, float]) -> dict[str, State]:
    """The state in which the users' pauses and waiting add up: bisection on the throughput."""
    low, high = 0.0, user_count / THINK_TIME_SECONDS
    for _ in range(60):
        middle = (low + high) / 2
        response_time_seconds = flow(middle, demand_factors)[ENTRY].response_time_seconds
        if middle * (THINK_TIME_SECONDS + response_time_seconds) > user_count:
            high = middle
        else:
            low = middle
    return flow(low, demand_factors)


def truncated(mean_seconds: float) -> float:
    """What Envoy reports: each duration cut to whole milliseconds, here of exponential durations."""
    return 0.001 / math.expm1(0.001 / mean_seconds)


def measured(generator: random.Random, name: str, state: State) -> dict[str, float]:
    """What a minute's measurement shows of the state."""

    def disturbed(value: float, deviation: float) -> float:
        return value * math.exp(generator.gauss(0.0, deviation))

    completions = state.throughput_rps * 60
    throughput_rps = max(round(generator.gauss(completions, math.sqrt(completions))), 1) / 60
    periods = 60 / CFS_PERIOD_SECONDS
    return {
        schema.RESPONSE_TIME: disturbed(truncated(state.response_time_seconds), RESPONSE_TIME_DEVIATION),
        schema.THROUGHPUT: throughput_rps,
        schema.CPU_USAGE: disturbed(state.cpu_cores, CPU_DEVIATION),
        schema.REPLICAS: 1,
        schema.CPU_REQUEST: SERVICES[name].cpu_request_cores,
        schema.CPU_LIMIT: SERVICES[name].cpu_limit_cores,
        schema.SIDECAR_CPU_USAGE: disturbed(state.sidecar_cpu_cores, CPU_DEVIATION),
        schema.THROTTLED: round(state.throttled * periods) / periods,
        schema.ERROR_RATE: 0,
        schema.RESPONSE_TIME_P95: disturbed(
            math.log(20) * state.response_time_seconds, RESPONSE_TIME_DEVIATION
        ),
    }


def rows() -> Iterator[dict[str, str]]:
    """The table's rows, in the order of time."""
    generator = random.Random(SEED)
    users = Condition(generator, USERS_DEVIATION)
    demands = {name: Condition(generator, DEMAND_DEVIATION) for name in SERVICES}
    timestamp = STARTED_AT
    for user_count in USER_COUNTS:
        for _ in range(MINUTES_PER_EXPERIMENT):
            states = solve(
                user_count * users.next(), {name: factor.next() for name, factor in demands.items()}
            )
            for name in SERVICES:
                values = measured(generator, name, states[name])
                cells = {column: f"{value:.6g}" for column, value in values.items()}
                for column in (*schema.TARGETS, schema.RESPONSE_TIME_P95):
                    if generator.random() < MISSING_SHARE:
                        cells[column] = ""
                yield {
                    schema.TIMESTAMP: str(timestamp),
                    schema.SERVICE: name,
                    schema.USER_COUNT: str(user_count),
                    **cells,
                }
            timestamp += 60
        timestamp += PAUSE_SECONDS


def write_table(path: Path) -> None:
    """Write the table, with the columns of `kpp.schema`."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(
            file, [*schema.REQUIRED_COLUMNS, *schema.OPTIONAL_COLUMNS], lineterminator="\n"
        )
        writer.writeheader()
        writer.writerows(rows())


if __name__ == "__main__":
    write_table(
        Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("synthetic_online_boutique.csv")
    )
