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
from kpp.collector.cluster.services import Service
from kpp.collector.config import Config
from kpp.collector.prometheus_client import CpuSource, PrometheusClient
from tests.collector.fake_prometheus import FakePrometheus, Request, Response, matrix, vector

AT = 1_700_000_610.0
REPLICAS = 3
SCRAPE_SECONDS = 15


def newest(request: Request, names: list[dict[str, str]]) -> Response:
    """When the newest sample was taken, at every look that is asked for."""
    start, end, step = (float(request.params[name]) for name in ("start", "end", "step"))
    looks = np.arange(start, end + 0.001, step).tolist()
    points = [(at, f"{SCRAPE_SECONDS * (at // SCRAPE_SECONDS):.3f}") for at in looks]
    return matrix([(each, points) for each in names])


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
    targets = [{"destination_workload": service, "instance": pod} for pod, service in pods.items()]
    names = [{"pod": pod} for pod in pods]
    seconds = []
    with FakePrometheus() as fake:
        fake.answer(lambda request: "istio" in request.query, of_workloads)
        fake.answer(lambda request: "container_" in request.query, of_pods)
        fake.answer(lambda each: "timestamp(istio" in each.query, lambda each: newest(each, targets))
        fake.answer(lambda each: "timestamp(container" in each.query, lambda each: newest(each, names))
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
