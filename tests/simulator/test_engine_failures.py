"""Time-outs, refusals, errors and restarts: what fails, with which code, and what goes on beside it."""

import itertools
from typing import Any

import pytest

from kpp.simulator.engine import Engine, EngineSnapshot, Node, Outcome
from tests.simulator.small_applications import build, measure, one_service, run

CONSTANT = {"distribution": "constant"}


def codes(snapshot: EngineSnapshot, reporter: str, destination: str) -> set[tuple[int, str, str]]:
    return {
        (report.response_code, report.grpc_status, report.response_flags)
        for report in snapshot.reports
        if (report.reporter, report.destination_service) == (reporter, destination)
    }


def web_and_store(store: dict[str, Any], on_failure: str = "fail") -> dict[str, dict[str, Any]]:
    calls = [{"operation": "store/get", "on_failure": on_failure}, "other/get"]
    return {
        "web": {"protocol": "http", "sidecar": True, "operations": {"get": {"cpu_ms": 1, "calls": calls}}},
        "store": {"sidecar": True, **store},
        "other": {"sidecar": True, "operations": {"get": {"cpu_ms": 1}}},
    }


def test_what_comes_on_top_of_the_bound_is_refused_as_in_engsets_loss_system() -> None:
    service_seconds, think_seconds, users, places = 0.05, 0.2, 40, 3
    weights = [1.0]  # of the states with n requests in service: those refused think again
    for busy in range(1, places + 1):
        weights.append(weights[-1] * (users - busy + 1) / think_seconds * service_seconds)
    throughput = (1 - weights[0] / sum(weights)) / service_seconds
    in_service = sum(busy * weight for busy, weight in enumerate(weights)) / sum(weights)

    application = one_service(50, think_seconds=think_seconds, threads=1, max_requests_in_progress=places)
    engine = Engine.with_pods(application, seed=1)
    engine.set_users(users, spawn_rate=40)
    before, after = run(engine, warmup_seconds=10, measured_seconds=1000)
    measured = measure(before, after)
    assert measured.throughput_rps == pytest.approx(throughput, rel=0.02)
    assert measured.response_time_seconds == pytest.approx(in_service / throughput, rel=0.02)
    assert after.operations[0].counts[Outcome.OVERFLOWED] > 7 * after.operations[0].succeeded


def test_an_overflow_fails_the_caller_fast_and_what_it_would_have_called_gets_lighter() -> None:
    store = {"threads": 1, "max_requests_in_progress": 2, "operations": {"get": {"cpu_ms": 40}}}
    engine = Engine.with_pods(build(web_and_store(store), think_seconds=0.3), seed=2)
    engine.set_users(60, spawn_rate=60)
    engine.advance(100)
    snapshot = engine.snapshot()
    truths = snapshot.service_truths()
    assert codes(snapshot, "destination", "web") == {(200, "", "-"), (500, "", "-")}
    assert codes(snapshot, "destination", "store") == {(200, "0", "-"), (200, "14", "UO")}
    assert codes(snapshot, "source", "store") == {(200, "0", "-"), (200, "14", "-")}
    assert truths["other"].request_count == pytest.approx(truths["store"].succeeded_count, abs=10)
    assert truths["web"].succeeded_count < 0.3 * truths["web"].request_count


def test_a_failure_that_is_ignored_hurts_nobody() -> None:
    store = {"max_requests_in_progress": 1, "operations": {"get": {"cpu_ms": 500}}}
    engine = Engine.with_pods(build(web_and_store(store, on_failure="ignore"), think_seconds=0.3), seed=3)
    engine.set_users(30, spawn_rate=30)
    engine.advance(60)
    truths = engine.snapshot().service_truths()
    assert truths["store"].succeeded_count < 0.5 * truths["store"].request_count
    assert truths["web"].succeeded_count == pytest.approx(truths["web"].request_count, abs=30)


def test_without_a_ready_pod_the_callers_sidecar_answers() -> None:
    store = {"replicas": 0, "operations": {"get": {"cpu_ms": 1}}}
    engine = Engine.with_pods(build(web_and_store(store), think_seconds=0.3), seed=4)
    engine.set_users(5, spawn_rate=5)
    engine.advance(30)
    snapshot = engine.snapshot()
    assert codes(snapshot, "source", "store") == {(200, "14", "UH")}
    assert codes(snapshot, "destination", "store") == set()
    assert codes(snapshot, "destination", "web") == {(500, "", "-")}


def test_work_that_was_given_up_is_wasted_and_bounded_by_what_was_begun() -> None:
    services: dict[str, dict[str, Any]] = {
        "web": {
            "operations": {
                "get": {"cpu_ms": 1, "calls": [{"operation": "store/get", "timeout_seconds": 0.1}]},
            }
        },
        "store": {
            "threads": 1,
            "demand": CONSTANT,
            "operations": {"get": {"cpu_ms": 60, "calls": ["rest/get"]}},
        },
        "rest": {"demand": CONSTANT, "operations": {"get": {"cpu_ms": 1000}}},
    }
    engine = Engine.with_pods(build(services, think_seconds=1), seed=5)
    engine.set_users(1, spawn_rate=1)
    engine.advance(300)
    engine.set_users(0, spawn_rate=1)
    engine.advance(310)
    store, rest = (
        next(t for t in engine.snapshot().operations if t.operation == f"{s}/get") for s in ("store", "rest")
    )
    assert store.succeeded == rest.succeeded == 0
    # half of store's work comes before its call; rest has begun its own when the caller gives up, and ends it
    assert store.wasted_seconds_sum == pytest.approx(0.030 * store.ended, rel=1e-9)
    assert rest.wasted_seconds_sum == pytest.approx(1.0 * rest.ended, rel=1e-9)
    assert engine.snapshot().pod("rest-0").cpu_seconds == pytest.approx(rest.wasted_seconds_sum, rel=1e-9)


def test_a_service_that_misses_its_probes_is_restarted_with_growing_pauses() -> None:
    probe = {"period_seconds": 5, "timeout_seconds": 0.5, "failure_threshold": 2, "cpu_ms": 1}
    application = one_service(100, think_seconds=0.1, threads=1, probe=probe, startup_seconds=2, workers=4)
    engine = Engine.with_pods(application, seed=6, nodes=(Node("n", 4.0),))
    engine.set_users(60, spawn_rate=60)
    restarted_at, restarts = [], 0
    while engine.now_seconds < 400:
        engine.advance(engine.now_seconds + 0.5)
        pod = engine.snapshot().pod("web-0")
        if pod.restarts > restarts:
            restarts = pod.restarts
            restarted_at.append(engine.now_seconds)
            assert not pod.ready
    assert len(restarted_at) >= 5
    gaps = [later - earlier for earlier, later in itertools.pairwise(restarted_at)]
    # each life lasts two probes, and before it comes the kubelet's back-off: none, 10, 20, 40 s
    more = [later - earlier for earlier, later in itertools.pairwise(gaps)]
    assert more[:3] == pytest.approx([10, 10, 20], abs=3)
    assert engine.snapshot().operations[0].counts[Outcome.LOST] > 0


def test_a_restarted_container_counts_from_zero_and_its_sidecar_goes_on() -> None:
    engine = Engine.with_pods(
        build(web_and_store({"operations": {"get": {"cpu_ms": 20}}}), think_seconds=0.1), seed=7
    )
    engine.set_users(20, spawn_rate=20)
    engine.advance(60)
    before = engine.snapshot()
    engine.restart_container("store-0")
    crashed = engine.snapshot()
    engine.advance(70)
    after = engine.snapshot()
    assert crashed.pod("store-0").restarts == 1
    assert not crashed.pod("store-0").ready
    assert after.pod("store-0").cpu_seconds < before.pod("store-0").cpu_seconds
    assert (after.pod("store-0").sidecar_cpu_seconds or 0) > (before.pod("store-0").sidecar_cpu_seconds or 0)
    assert after.pod("store-0").container_started_at >= 60 > after.pod("store-0").started_at
    assert (200, "14", "UC") in codes(after, "destination", "store")
