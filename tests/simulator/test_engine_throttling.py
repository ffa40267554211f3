"""CFS bandwidth control: what a quota allows, what it costs, and what the counters say of it."""

from itertools import pairwise

import pytest

from kpp.simulator.engine import Engine
from tests.simulator.small_applications import build, measure, one_service, run

PERIOD_SECONDS = 0.1


def test_no_window_has_more_cpu_than_its_quotas() -> None:
    limit_cores, threads = 0.3, 4
    application = one_service(7, think_seconds=0.2, cpu_limit_cores=limit_cores, threads=threads)
    engine = Engine.with_pods(application, seed=1)
    engine.set_users(30, spawn_rate=30)
    used, window_seconds = [0.0], 0.037
    for _ in range(1200):
        engine.advance(engine.now_seconds + window_seconds)
        used.append(engine.snapshot().pod("web-0").cpu_seconds)
    for span in (1, 3, 10, 100, 1000):
        quotas = int(span * window_seconds / PERIOD_SECONDS) + 2  # a window can touch so many periods
        most = max(later - earlier for earlier, later in zip(used, used[span:], strict=False))
        assert most <= quotas * limit_cores * PERIOD_SECONDS * (1 + 1e-9)


def test_work_is_conserved_under_throttling() -> None:
    application = one_service(20, think_seconds=0.5, cpu_limit_cores=0.25)
    engine = Engine.with_pods(application, seed=2)
    engine.set_users(40, spawn_rate=40)
    engine.advance(300)
    engine.set_users(0, spawn_rate=1)
    engine.advance(400)  # everything that is in progress ends
    after = engine.snapshot()
    truth = after.operations[0]
    assert truth.ended == truth.succeeded > 3000
    assert after.pod("web-0").cpu_seconds == pytest.approx(truth.demand_seconds_sum, rel=1e-9)


def test_a_lone_request_runs_its_quota_and_then_stops_till_the_next_period() -> None:
    """50 ms of work at 20 ms a period, back to back: four requests a second, whatever the phase."""
    demand = {"distribution": "constant"}
    application = one_service(50, think_seconds=0, cpu_limit_cores=0.2, demand=demand)
    engine = Engine.with_pods(application, seed=3)
    engine.set_users(1, spawn_rate=1)
    before, after = run(engine, warmup_seconds=1, measured_seconds=1000)
    assert measure(before, after).throughput_rps == pytest.approx(4.0, rel=1e-3)
    first, last = before.pod("web-0"), after.pod("web-0")
    assert last.cfs_periods is not None
    assert first.cfs_periods is not None
    assert last.cfs_periods - first.cfs_periods == pytest.approx(10_000, abs=1)
    assert (last.cfs_throttled_periods or 0) - (first.cfs_throttled_periods or 0) == pytest.approx(
        10_000, abs=1
    )
    paused = (last.cfs_throttled_seconds or 0) - (first.cfs_throttled_seconds or 0)
    assert paused == pytest.approx(800, rel=1e-3)


def test_at_no_time_have_more_periods_been_throttled_than_gone_by() -> None:
    application = one_service(7, think_seconds=0.2, cpu_limit_cores=0.3, threads=4)
    engine = Engine.with_pods(application, seed=6)
    engine.set_users(30, spawn_rate=30)
    counts = [(0, 0)]
    for _ in range(2000):
        engine.advance(engine.now_seconds + 0.037)
        pod = engine.snapshot().pod("web-0")
        counts.append((pod.cfs_periods or 0, pod.cfs_throttled_periods or 0))
    steps = [(later[0] - earlier[0], later[1] - earlier[1]) for earlier, later in pairwise(counts)]
    assert all(0 <= throttled <= periods for periods, throttled in steps)
    assert counts[-1][1] > 0.9 * counts[-1][0] > 600


def test_a_container_without_a_limit_counts_no_periods() -> None:
    engine = Engine.with_pods(one_service(5, think_seconds=0.1), seed=4)
    engine.set_users(3, spawn_rate=3)
    engine.advance(10)
    pod = engine.snapshot().pod("web-0")
    assert (pod.cpu_limit_cores, pod.cfs_periods, pod.cfs_throttled_periods) == (None, None, None)


def test_threads_that_run_at_once_use_the_quota_up_sooner() -> None:
    """At the same utilization of the limit, bursts on many cores are throttled where one core is not."""
    throttled = {}
    for threads in (1, 8):
        application = one_service(4, think_seconds=1.0, cpu_limit_cores=1.0, threads=threads)
        engine = Engine.with_pods(application, seed=5)
        engine.set_users(150, spawn_rate=150)
        _, after = run(engine, warmup_seconds=10, measured_seconds=300)
        throttled[threads] = after.pod("web-0").cfs_throttled_periods
    assert throttled[1] == 0
    assert (throttled[8] or 0) > 100


def test_background_cpu_takes_its_share_of_the_quota() -> None:
    application = one_service(10, think_seconds=0.1, cpu_limit_cores=0.25, background_cores=0.05)
    engine = Engine.with_pods(application, seed=6)
    engine.set_users(50, spawn_rate=50)
    before, after = run(engine, warmup_seconds=30, measured_seconds=600)
    assert measure(before, after).throughput_rps == pytest.approx(0.20 / 0.010, rel=0.02)
    used = after.pod("web-0").cpu_seconds - before.pod("web-0").cpu_seconds
    assert used / 600 == pytest.approx(0.25, rel=1e-3)


def test_a_throttled_callers_own_reports_contain_its_pauses_and_the_callees_do_not() -> None:
    services = {
        "web": {
            "sidecar": True,
            "cpu_limit_cores": 0.1,
            "operations": {"get": {"cpu_ms": 20, "calls": [{"operation": "store/get", "times": 4}]}},
        },
        "store": {"sidecar": True, "operations": {"get": {"cpu_ms": 2}}},
    }
    means = {}
    for limit_cores in (0.1, float("inf")):
        engine = Engine(build(services, think_seconds=0.5), seed=7)
        engine.add_pod("web", "web-0", cpu_limit_cores=limit_cores, ready_after_seconds=0)
        engine.add_pod("store", "store-0", ready_after_seconds=0)
        engine.add_pod("load", "load-0", ready_after_seconds=0)
        engine.set_users(4, spawn_rate=4)
        engine.advance(600)
        for report in engine.snapshot().reports:
            if report.destination_service == "store":
                means[limit_cores, report.reporter] = report.seconds_sum / report.count
    assert means[0.1, "source"] > means[0.1, "destination"] + 0.010
    assert means[float("inf"), "source"] < means[float("inf"), "destination"] + 0.001
    assert means[0.1, "destination"] == pytest.approx(means[float("inf"), "destination"], rel=0.3)


def test_a_new_limit_counts_at_once() -> None:
    engine = Engine.with_pods(one_service(10, think_seconds=0.1, cpu_limit_cores=0.2), seed=8)
    engine.set_users(60, spawn_rate=60)
    engine.advance(20)
    used = {}
    for limit_cores in (0.2, 0.4, None):
        engine.set_cpu_limit("web-0", limit_cores)
        before, after = run(engine, warmup_seconds=5, measured_seconds=60)
        used[limit_cores] = (after.pod("web-0").cpu_seconds - before.pod("web-0").cpu_seconds) / 60
    assert used[0.2] == pytest.approx(0.2, rel=0.01)
    assert used[0.4] == pytest.approx(0.4, rel=0.01)
    assert used[None] > 1.0
