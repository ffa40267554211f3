"""Online Boutique under load, plausible at any time: what the fake Prometheus answers by default."""

import math
import time
import zlib
from collections.abc import Iterator, Mapping

# service: requests per request of the frontend, mean response time in seconds, CPU seconds per request
SERVICES: dict[str, tuple[float, float, float]] = {
    "adservice": (0.572, 0.003, 0.0021),
    "cartservice": (0.964, 0.004, 0.0018),
    "checkoutservice": (0.0355, 0.042, 0.0065),
    "currencyservice": (3.027, 0.0025, 0.0014),
    "emailservice": (0.0355, 0.006, 0.0030),
    "frontend": (1.0, 0.035, 0.0070),
    "paymentservice": (0.0355, 0.004, 0.0022),
    "productcatalogservice": (5.455, 0.002, 0.0006),
    "recommendationservice": (0.714, 0.009, 0.0034),
    "shippingservice": (0.285, 0.001, 0.0009),
}
CALLS: dict[tuple[str, str], float] = {  # caller, callee: calls per request of the frontend
    ("checkoutservice", "cartservice"): 0.071,
    ("checkoutservice", "currencyservice"): 0.123,
    ("checkoutservice", "emailservice"): 0.0355,
    ("checkoutservice", "paymentservice"): 0.0355,
    ("checkoutservice", "productcatalogservice"): 0.087,
    ("checkoutservice", "shippingservice"): 0.071,
    ("frontend", "adservice"): 0.572,
    ("frontend", "cartservice"): 0.893,
    ("frontend", "checkoutservice"): 0.0355,
    ("frontend", "currencyservice"): 2.904,
    ("frontend", "productcatalogservice"): 4.654,
    ("frontend", "recommendationservice"): 0.714,
    ("frontend", "shippingservice"): 0.214,
    ("recommendationservice", "productcatalogservice"): 0.714,
}
FRONTEND_RPS_PER_USER = 0.268  # at a think time of 5.5 s and 1.474 requests per task
SIDECAR_SECONDS = 0.0004  # CPU per request
IDLE_CORES = 0.002
CFS_PERIODS_PER_SECOND = 10.0  # of 100 ms

SAMPLES_IN_ANY_WINDOW = 1000.0  # as if it were scraped all the time: tests have rate windows of a second

Labels = dict[str, str]


def evaluate(
    query: str, at: float, user_count: float, pods: Mapping[str, str]
) -> Iterator[tuple[Labels, float]]:
    """Labels and value of each series of the answer, recognized by the metric; nothing for other metrics.

    Args:
        query: PromQL.
        at: Unix seconds; the load sways a little over time.
        user_count: of the load generator.
        pods: pod name to service name; every pod has a `server` and an `istio-proxy`.
    """
    if query.strip() == "vector(1)":
        yield {}, 1.0
    elif query.strip() == "vector(time())":
        yield {}, time.time()
    elif "count_over_time" in query:
        yield {}, SAMPLES_IN_ANY_WINDOW
    elif "timestamp(" in query:
        yield from _newest_samples(query, at, pods)
    elif "source_workload," in query:
        yield from _calls(user_count)
    elif "istio_" in query:
        yield from _requests(query, at, user_count)
    elif 'container!=""' in query:
        yield from _containers(query, at, user_count, pods)


def rate_of(service: str, at: float, user_count: float) -> float:
    """Requests per second that the service serves: within 5 % of what the visits say."""
    phase = zlib.crc32(service.encode()) % 360
    sway = 1 + 0.05 * math.sin(at / 97 + phase)
    return SERVICES[service][0] * FRONTEND_RPS_PER_USER * user_count * sway


def _newest_samples(query: str, at: float, pods: Mapping[str, str]) -> Iterator[tuple[Labels, float]]:
    """As if it were scraped all the time, too."""
    of_requests = [{"destination_workload": service, "instance": "1"} for service in SERVICES]
    for labels in of_requests if "istio_" in query else [{"pod": pod, "container": "server"} for pod in pods]:
        yield labels, at


def _calls(user_count: float) -> Iterator[tuple[Labels, float]]:
    for (caller, callee), calls in CALLS.items():
        labels = {"source_workload": caller, "destination_workload": callee}
        yield labels, calls * FRONTEND_RPS_PER_USER * user_count


def _requests(query: str, at: float, user_count: float) -> Iterator[tuple[Labels, float]]:
    for service, (_, response_time_seconds, _) in SERVICES.items():
        labels = {"destination_workload": service}
        if "grpc_response_status" in query:
            if service == "frontend":  # the others have no failures, so no series of them
                yield labels, 0.002 * rate_of(service, at, user_count)
        elif "istio_requests_total" in query:
            yield labels, rate_of(service, at, user_count)
        else:
            slower = 2.5 if "histogram_quantile" in query else 1.0
            yield labels, response_time_seconds * slower * (1 + user_count / 400)


def _containers(
    query: str, at: float, user_count: float, pods: Mapping[str, str]
) -> Iterator[tuple[Labels, float]]:
    replicas = list(pods.values())
    for pod, service in pods.items():
        rps = rate_of(service, at, user_count) / replicas.count(service)
        for container, seconds in (("server", SERVICES[service][2]), ("istio-proxy", SIDECAR_SECONDS)):
            labels = {"pod": pod, "container": container}
            if "cfs_throttled" in query:
                yield labels, 0.02 * CFS_PERIODS_PER_SECOND
            elif "cfs_periods" in query:
                yield labels, CFS_PERIODS_PER_SECOND
            else:
                yield labels, rps * seconds + IDLE_CORES
