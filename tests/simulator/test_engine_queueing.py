"""The engine against queueing theory: closed forms and exact mean value analysis, never its own output."""

import math
from typing import Any

import pytest

from kpp.simulator.engine import Engine, Node
from tests.simulator.small_applications import build, exact_mva, measure, one_service, run

BIG_NODE = (Node("big", 64.0),)


@pytest.mark.parametrize(
    "demand", [{"distribution": "exponential"}, {"distribution": "lognormal", "cv": 2.0}]
)
def test_one_service_is_an_m_m_1_queue_with_processor_sharing(
    demand: dict[str, object],
) -> None:
    service_seconds, think_seconds, users = 0.01, 20.0, 1400  # some 70 requests per second: a load of 0.7
    application = one_service(10, think_seconds=think_seconds, threads=1, demand=demand)
    engine = Engine.with_pods(application, seed=1, nodes=BIG_NODE)
    engine.set_users(users, spawn_rate=users / 10)
    measured = measure(*run(engine, warmup_seconds=200, measured_seconds=3000))
    utilization = measured.throughput_rps * service_seconds
    assert utilization == pytest.approx(0.7, rel=0.01)
    assert measured.response_time_seconds == pytest.approx(service_seconds / (1 - utilization), rel=0.03)


def test_two_threads_share_as_a_machine_repair_model_with_two_repairmen_says() -> None:
    service_seconds, think_seconds, users, threads = 0.2, 1.0, 12, 2
    weights = [1.0]  # of the states with n requests in service: a birth and death process
    for busy in range(1, users + 1):
        arrival_rate = (users - busy + 1) / think_seconds
        weights.append(weights[-1] * arrival_rate * service_seconds / min(busy, threads))
    in_service = sum(busy * weight for busy, weight in enumerate(weights)) / sum(weights)
    throughput = (users - in_service) / think_seconds

    application = one_service(200, think_seconds=think_seconds, threads=threads)
    engine = Engine.with_pods(application, seed=2, nodes=BIG_NODE)
    engine.set_users(users, spawn_rate=users)
    measured = measure(*run(engine, warmup_seconds=100, measured_seconds=20_000))
    assert measured.throughput_rps == pytest.approx(throughput, rel=0.01)
    assert measured.response_time_seconds == pytest.approx(in_service / throughput, rel=0.02)


@pytest.mark.parametrize("users", [1, 5, 15, 60])
def test_nested_calls_through_sidecars_are_a_closed_network_as_mean_value_analysis_has_it(users: int) -> None:
    think_seconds, hop_seconds = 1.0, 0.002
    web = {"get": {"cpu_ms": 30, "calls": [{"operation": "store/get", "times": 2}, "cache/get"]}}
    services = {
        "web": {"threads": 1, "sidecar": True, "operations": web},
        "store": {"threads": 1, "sidecar": True, "operations": {"get": {"cpu_ms": 12}}},
        "cache": {"threads": 1, "operations": {"get": {"cpu_ms": 8}}},
    }
    sidecar = {"workers": 1, "cpu_ms": 5, "demand": {"distribution": "exponential"}}
    application = build(
        services, think_seconds=think_seconds, sidecar=sidecar, network_latency_ms=1000 * hop_seconds
    )
    engine = Engine.with_pods(application, seed=3, nodes=BIG_NODE)
    engine.set_users(users, spawn_rate=100)
    measured = measure(*run(engine, warmup_seconds=100, measured_seconds=max(40_000 / users, 5_000)))

    # a sidecar spends 5 ms on each request that it proxies: web's on one in and three out, store's on two in
    stations = {"web": 0.030, "store": 2 * 0.012, "cache": 0.008, "web's": 4 * 0.005, "store's": 2 * 0.005}
    throughput, residence = exact_mva(list(stations.values()), think_seconds + 8 * hop_seconds, users)
    # the application's own response time lies between the two halves of what its sidecar does for the request
    inside = sum(residence) - residence[3] / 4 + 6 * hop_seconds
    assert measured.throughput_rps == pytest.approx(throughput, rel=0.03)
    assert measured.response_time_seconds == pytest.approx(inside, rel=0.03)


def test_a_limit_below_one_core_bounds_throughput_and_the_response_time_law_gives_the_rest() -> None:
    users, think_seconds, limit_cores, service_seconds = 100, 1.0, 0.25, 0.01
    application = one_service(10, think_seconds=think_seconds, cpu_limit_cores=limit_cores)
    engine = Engine.with_pods(application, seed=4)
    engine.set_users(users, spawn_rate=100)
    measured = measure(*run(engine, warmup_seconds=60, measured_seconds=2000))
    assert measured.throughput_rps == pytest.approx(limit_cores / service_seconds, rel=0.01)
    expected = users / measured.throughput_rps - think_seconds
    assert measured.response_time_seconds == pytest.approx(expected, rel=0.02)


def test_pods_of_a_node_share_its_cores_and_no_more() -> None:
    services: dict[str, dict[str, Any]] = {
        "web": {"operations": {"get": {"cpu_ms": 10, "calls": ["store/get"]}}},
        "store": {"operations": {"get": {"cpu_ms": 10}}},
    }
    application = build(services, think_seconds=1.0)
    engine = Engine.with_pods(application, seed=5, nodes=(Node("small", 2.0),))
    engine.set_users(400, spawn_rate=400)
    before, after = run(engine, warmup_seconds=30, measured_seconds=300)
    used = [after.pod(name).cpu_seconds - before.pod(name).cpu_seconds for name in ("web-0", "store-0")]
    assert sum(used) == pytest.approx(2.0 * 300, rel=1e-3)
    assert measure(before, after).throughput_rps == pytest.approx(2.0 / 0.020, rel=0.01)


def test_the_requests_of_a_service_with_one_worker_wait_in_line() -> None:
    """A worker is held during calls, so that the whole call is the service time of a first-come queue."""
    services: dict[str, dict[str, Any]] = {
        "web": {"workers": 1, "operations": {"get": {"cpu_ms": 0, "calls": ["store/get"]}}},
        "store": {"operations": {"get": {"cpu_ms": 20}}},
    }
    users, think_seconds = 8, 0.2
    engine = Engine.with_pods(build(services, think_seconds=think_seconds), seed=6, nodes=BIG_NODE)
    engine.set_users(users, spawn_rate=8)
    measured = measure(*run(engine, warmup_seconds=100, measured_seconds=10_000))
    throughput, residence = exact_mva([0.020], think_seconds, users)
    assert measured.throughput_rps == pytest.approx(throughput, rel=0.02)
    assert measured.response_time_seconds == pytest.approx(residence[0], rel=0.03)
    assert math.isfinite(residence[0])
