"""The operational laws on the shipped application's own counters, and the figures that its source states."""

import dataclasses

import pytest

from kpp.simulator.application import Application, Variation
from kpp.simulator.application_file import read_application
from kpp.simulator.engine import Engine, EngineSnapshot, Outcome
from tests.simulator.small_applications import run

REPLICAS = {"frontend": 5, "productcatalogservice": 3, "currencyservice": 3, "recommendationservice": 2}
USERS = 100
# pauses of 5.5 s on average, 28 requests (redirects counted) in 19 actions: docs/simulator-physics.md
THINK_SECONDS_PER_REQUEST = 5.5 * 19 / 28
# a Monte-Carlo run of the Locust tasks over the published sources of the services, one million tasks
VISIT_RATIOS = {
    "productcatalogservice": 5.455,
    "currencyservice": 3.027,
    "redis-cart": 1.071,
    "cartservice": 0.964,
    "recommendationservice": 0.714,
    "adservice": 0.572,
    "shippingservice": 0.285,
    "checkoutservice": 0.0355,
    "paymentservice": 0.0355,
    "emailservice": 0.0355,
}


@pytest.fixture(scope="module")
def application() -> Application:
    return read_application("online_boutique")


@pytest.fixture(scope="module")
def light_load(application: Application) -> tuple[EngineSnapshot, EngineSnapshot]:
    engine = Engine.with_pods(application, seed=11, replicas=REPLICAS)
    engine.set_users(USERS, spawn_rate=10)
    return run(engine, warmup_seconds=120, measured_seconds=5400)


def test_forced_flow_has_the_visit_ratios_of_the_sources(
    light_load: tuple[EngineSnapshot, EngineSnapshot],
) -> None:
    before, after = light_load
    truths = after.service_truths(since=before)
    entry = truths["frontend"].request_count
    measured = {name: truth.request_count / entry for name, truth in truths.items() if name != "frontend"}
    rare = {"checkoutservice", "paymentservice", "emailservice"}  # some 5000 of them in the run
    for name, ratio in VISIT_RATIOS.items():
        assert measured[name] == pytest.approx(ratio, rel=0.05 if name in rare else 0.02), name


def test_the_response_time_law_holds_at_the_entry(light_load: tuple[EngineSnapshot, EngineSnapshot]) -> None:
    before, after = light_load
    truths = after.service_truths(since=before)
    throughput = truths["frontend"].request_count / (after.at_seconds - before.at_seconds)
    waited = sum(request.seconds_sum for request in after.user_requests)
    waited -= sum(request.seconds_sum for request in before.user_requests)
    response_time_seconds = waited / truths["frontend"].request_count
    assert throughput * (THINK_SECONDS_PER_REQUEST + response_time_seconds) == pytest.approx(USERS, rel=0.01)


def test_the_utilization_law_holds_at_every_service(
    application: Application, light_load: tuple[EngineSnapshot, EngineSnapshot]
) -> None:
    before, after = light_load
    elapsed = after.at_seconds - before.at_seconds
    for name, truth in after.service_truths(since=before).items():
        used = sum(pod.cpu_seconds for pod in after.pods_of(name)) - sum(
            pod.cpu_seconds for pod in before.pods_of(name)
        )
        service = application.services[name]
        demand = truth.demand_seconds * truth.succeeded_count
        probes = service.probe.cpu_ms / 1000 / service.probe.period_seconds if service.probe else 0
        background = len(after.pods_of(name)) * (service.background_cores + probes) * elapsed
        # the background varies from minute to minute: its mean over 90 minutes is known to some 4 %
        assert used == pytest.approx(demand + background, rel=0.01, abs=0.1 * background), name


def test_littles_law_holds_for_requests_in_progress(application: Application) -> None:
    engine = Engine.with_pods(application, seed=12, replicas={"frontend": 2})
    engine.set_users(150, spawn_rate=50)
    engine.advance(60)
    before, in_progress = engine.snapshot(), 0
    samples = 2500
    for _ in range(samples):
        engine.advance(engine.now_seconds + 0.237)  # no multiple of the CFS period
        in_progress += sum(
            int(engine._world.pods["in_progress"][row])
            for name, row in engine._roster.rows.items()
            if name.startswith("frontend")
        )
    after = engine.snapshot()
    truth = after.service_truths(since=before)["frontend"]
    throughput = truth.request_count / (after.at_seconds - before.at_seconds)
    assert in_progress / samples == pytest.approx(throughput * truth.response_time_seconds, rel=0.04)


@pytest.mark.parametrize("users", [300, 450])
def test_overload_flattens_throughput_at_the_limit_of_the_bottleneck(
    application: Application, users: int
) -> None:
    """One replica of everything: the frontend's limit of 0.2 cores bounds all."""
    engine = Engine.with_pods(dataclasses.replace(application, variation=Variation()), seed=users)
    engine.set_users(users, spawn_rate=50)
    before, after = run(engine, warmup_seconds=120, measured_seconds=250)
    truth = after.service_truths(since=before)["frontend"]
    frontend = application.services["frontend"]
    throughput = truth.succeeded_count / 250
    capacity = ((frontend.cpu_limit_cores or 0) - frontend.background_cores) / truth.demand_seconds
    assert throughput == pytest.approx(capacity, rel=0.02)
    used = after.pod("frontend-0").cpu_seconds - before.pod("frontend-0").cpu_seconds
    assert used / 250 == pytest.approx(0.2, rel=0.005)
    expected = users / throughput - THINK_SECONDS_PER_REQUEST
    assert truth.response_time_seconds == pytest.approx(expected, rel=0.05)


def test_a_service_pushed_too_far_collapses_and_what_depends_on_it_gets_lighter(
    application: Application,
) -> None:
    engine = Engine.with_pods(application, seed=13, replicas={"frontend": 6, "productcatalogservice": 3})
    engine.set_users(300, spawn_rate=50)
    calm = run(engine, warmup_seconds=120, measured_seconds=300)
    engine.set_users(900, spawn_rate=50)
    crowded = run(engine, warmup_seconds=200, measured_seconds=300)
    calm_truths, crowded_truths = (after.service_truths(since=before) for before, after in (calm, crowded))
    assert engine.snapshot().pod("currencyservice-0").restarts > 0
    for name in ("currencyservice", "adservice", "shippingservice"):  # called after the currencies, or so
        assert crowded_truths[name].succeeded_count < 0.7 * calm_truths[name].succeeded_count, name
    assert crowded_truths["frontend"].request_count > 1.5 * calm_truths["frontend"].request_count
    codes = {report.response_code for report in crowded[1].reports if report.outcome == Outcome.FAILED}
    assert 500 in codes
