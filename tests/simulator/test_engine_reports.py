"""What sidecars report: whole milliseconds, Envoy's buckets, both ends, codes; and what Locust sees."""

from typing import Any

import numpy as np
import pytest

from kpp.simulator.engine import BUCKET_BOUNDS_MS, Engine, EngineSnapshot, Outcome, RequestReport
from tests.simulator.small_applications import build

CONSTANT = {"distribution": "constant"}


def reports_of(snapshot: EngineSnapshot, reporter: str, destination: str) -> list[RequestReport]:
    return [
        report
        for report in snapshot.reports
        if (report.reporter, report.destination_service) == (reporter, destination)
    ]


def test_durations_are_truncated_to_whole_milliseconds_at_either_end() -> None:
    """0.2 ms in each sidecar each way, 0.3 ms on the network each way, 2.5 ms of work: 2.9 and 3.9 ms."""
    web = {"sidecar": True, "demand": CONSTANT, "operations": {"get": {"cpu_ms": 2.5}}}
    application = build(
        {"web": web},
        think_seconds=1,
        load_sidecar=True,
        sidecar={"cpu_ms": 0.4, "demand": CONSTANT},
        network_latency_ms=0.3,
    )
    engine = Engine.with_pods(application, seed=1)
    engine.set_users(1, spawn_rate=1)
    engine.advance(200)
    (destination,) = reports_of(engine.snapshot(), "destination", "web")
    (source,) = reports_of(engine.snapshot(), "source", "web")
    assert destination.seconds_sum == pytest.approx(0.0029 * destination.count, rel=1e-9)
    assert destination.duration_ms_sum == 2 * destination.count
    assert source.seconds_sum == pytest.approx(0.0039 * source.count, rel=1e-9)
    assert source.duration_ms_sum == 3 * source.count
    # 2 ms and 3 ms both lie above 1 and not above 5
    for report in (destination, source):
        assert report.bucket_counts.tolist() == [0, 0] + [report.count] * (len(BUCKET_BOUNDS_MS) - 1)


def test_buckets_are_those_of_numpy_and_both_ends_count_alike() -> None:
    services = {
        "web": {"sidecar": True, "operations": {"get": {"cpu_ms": 6, "calls": ["store/get"]}}},
        "store": {"sidecar": True, "operations": {"get": {"cpu_ms": 3}}},
    }
    engine = Engine.with_pods(build(services, think_seconds=0.1, load_sidecar=True), seed=2)
    engine.set_users(30, spawn_rate=30)
    engine.advance(60)
    engine.set_users(0, spawn_rate=1)
    engine.advance(70)
    snapshot = engine.snapshot()
    for service in ("web", "store"):
        (destination,), (source,) = (reports_of(snapshot, end, service) for end in ("destination", "source"))
        assert destination.count == source.count == destination.bucket_counts[-1] == source.bucket_counts[-1]
        assert source.seconds_sum > destination.seconds_sum > destination.duration_ms_sum / 1000
        # truncation takes half a millisecond on average from durations that are spread over many
        assert destination.seconds_sum * 1000 - destination.duration_ms_sum == pytest.approx(
            0.5 * destination.count, rel=0.1
        )
        assert np.all(np.diff(destination.bucket_counts) >= 0)


def test_a_redirect_is_two_requests_to_the_sidecars_and_one_to_the_user() -> None:
    operations = {"put": {"cpu_ms": 10, "response_code": 302}, "get": {"cpu_ms": 20}}
    web = {"sidecar": True, "protocol": "http", "demand": CONSTANT, "operations": operations}
    action = {"requests": [{"operation": "web/put", "redirect": "web/get"}, "web/get"]}
    application = build({"web": web}, think_seconds=1, users={"actions": {"do": action}})
    engine = Engine.with_pods(application, seed=3)
    engine.set_users(5, spawn_rate=5)
    engine.advance(300)
    engine.set_users(0, spawn_rate=1)
    engine.advance(310)
    snapshot = engine.snapshot()
    by_code = {report.response_code: report.count for report in reports_of(snapshot, "destination", "web")}
    seen = {request.name: request for request in snapshot.user_requests}
    assert by_code[200] == 2 * by_code[302]
    assert seen["put"].count == seen["get"].count == by_code[302]
    assert (
        seen["put"].seconds_sum / seen["put"].count
        > 0.030
        > seen["get"].seconds_sum / seen["get"].count
        > 0.020
    )


def test_a_service_without_a_sidecar_reports_nothing() -> None:
    services: dict[str, dict[str, Any]] = {
        "web": {"operations": {"get": {"cpu_ms": 1, "calls": ["store/get"]}}},
        "store": {"sidecar": True, "operations": {"get": {"cpu_ms": 1}}},
    }
    engine = Engine.with_pods(build(services, think_seconds=0.1), seed=4)
    engine.set_users(3, spawn_rate=3)
    engine.advance(30)
    snapshot = engine.snapshot()
    assert {(report.reporter, report.pod) for report in snapshot.reports} == {("destination", "store-0")}
    assert snapshot.reports[0].source_service == "web"
    assert snapshot.pod("web-0").sidecar_cpu_seconds is None


def test_a_sidecars_cpu_is_outside_the_limit_and_counts_every_request_it_proxies() -> None:
    services: dict[str, dict[str, Any]] = {
        "web": {
            "sidecar": True,
            "cpu_limit_cores": 0.1,
            "operations": {"get": {"cpu_ms": 2, "calls": [{"operation": "store/get", "times": 3}]}},
        },
        "store": {"sidecar": True, "operations": {"get": {"cpu_ms": 0.1}}},
    }
    sidecar = {"cpu_ms": 5, "demand": CONSTANT, "workers": 4}
    engine = Engine.with_pods(build(services, think_seconds=0.1, sidecar=sidecar), seed=5)
    engine.set_users(40, spawn_rate=40)
    engine.advance(60)
    engine.set_users(0, spawn_rate=1)
    engine.advance(80)
    snapshot = engine.snapshot()
    requests = snapshot.service_truths()["web"].request_count
    web = snapshot.pod("web-0")
    assert web.sidecar_cpu_seconds == pytest.approx(requests * 4 * 0.005, rel=1e-9)  # one in, three out
    assert (web.sidecar_cpu_seconds or 0) / 60 > 3 * 0.1


def test_the_codes_of_a_call_that_was_given_up() -> None:
    calls = [{"operation": "store/get", "timeout_seconds": 0.05, "on_failure": "ignore"}]
    services: dict[str, dict[str, Any]] = {
        "web": {"sidecar": True, "operations": {"get": {"cpu_ms": 1, "calls": calls}}},
        "store": {"sidecar": True, "demand": CONSTANT, "operations": {"get": {"cpu_ms": 300}}},
    }
    engine = Engine.with_pods(build(services, think_seconds=1), seed=6)
    engine.set_users(2, spawn_rate=2)
    engine.advance(100)
    snapshot = engine.snapshot()
    for reporter in ("source", "destination"):
        (report,) = reports_of(snapshot, reporter, "store")
        assert (report.response_code, report.grpc_status, report.response_flags) == (0, "", "DC")
        assert report.outcome == Outcome.GIVEN_UP
    (web,) = reports_of(snapshot, "destination", "web")
    assert (web.response_code, web.grpc_status, web.response_flags) == (200, "0", "-")
    assert web.seconds_sum / web.count == pytest.approx(0.052, abs=0.004)  # the time-out, and little else
