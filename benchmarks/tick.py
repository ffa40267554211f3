"""Times one tick of the collector, over real HTTP, against the fake Prometheus of the tests.

    python benchmarks/tick.py SERVICES [--ticks 5]

Prints JSON: queries of a tick, and the median seconds of one, the fake's own time included. Each service has
three pods.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # the fake is one of the tests' parts

from kpp.clock import ManualClock
from kpp.collector.config import Config
from kpp.collector.prometheus_client import CpuSource, PrometheusClient
from kpp.collector.services import Service
from tests.collector.fake_prometheus import FakePrometheus, matrix, vector

AT = 1_700_000_610.0
REPLICAS = 3
SCRAPE_SECONDS = 15


def looks(window_seconds: int) -> list[tuple[float, str]]:
    """When the newest sample was taken, fifteen times in each of three windows, and half a minute after."""
    instants = np.arange(AT - 3 * window_seconds, AT + 30, window_seconds / 15)
    return [(at, f"{SCRAPE_SECONDS * (at // SCRAPE_SECONDS):.3f}") for at in instants.tolist()]


def main() -> None:
    """Sample some ticks and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("services", type=int)
    parser.add_argument("--ticks", type=int, default=5)
    arguments = parser.parse_args()

    services = [Service(f"service-{number}", f"service-{number}") for number in range(arguments.services)]
    pods = {f"{service.name}-{replica}": service.name for service in services for replica in range(REPLICAS)}
    of_workloads = vector([({"destination_workload": service.name}, 1.5) for service in services])
    of_pods = vector(
        [
            ({"pod": pod, "container": container}, 0.25)
            for pod in pods
            for container in ("server", "istio-proxy")
        ]
    )
    of_scrapes = matrix(
        [({"destination_workload": each, "instance": pod}, looks(60)) for pod, each in pods.items()]
    )
    of_looks = matrix(
        [({"pod": pod, "container": each}, looks(120)) for pod in pods for each in ("server", "istio-proxy")]
    )
    seconds = []
    with FakePrometheus() as fake:
        fake.answer(lambda request: "istio" in request.query, of_workloads)
        fake.answer(lambda request: "container_" in request.query, of_pods)
        fake.answer(lambda request: "timestamp(istio" in request.query, of_scrapes)
        fake.answer(lambda request: "timestamp(container" in request.query, of_looks)
        config = Config(prometheus_url=fake.url, namespace="shop")
        with PrometheusClient(config, ManualClock(AT)) as client:
            for _ in range(arguments.ticks):
                began = time.perf_counter()
                signals = client.sample(AT, pods, services, CpuSource.CONTAINERS)
                seconds.append(time.perf_counter() - began)
                assert all(each.throughput_rps == 1.5 and each.cpu_cores == 0.75 for each in signals.values())
        queries = len(fake.requests) / arguments.ticks
    json.dump({"queries": queries, "seconds": statistics.median(seconds)}, sys.stdout)


if __name__ == "__main__":
    main()
