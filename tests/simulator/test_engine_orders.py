"""What can be ordered while a cluster runs: users, pods, endpoints."""

from typing import Any

import pytest

from kpp.errors import ConfigError
from kpp.simulator.engine import Engine, Node, Outcome
from tests.simulator.small_applications import build, measure, one_service, run


def test_users_start_at_the_spawn_rate() -> None:
    engine = Engine.with_pods(one_service(1, think_seconds=5), seed=1)
    engine.set_users(100, spawn_rate=4)
    counts = []
    for second in (0, 5, 10, 24.9, 100):
        engine.advance(second)
        counts.append(engine.snapshot().user_count)
    assert counts == [1, 21, 41, 100, 100]


def test_fewer_users_finish_what_they_do_and_stopped_ones_give_it_up() -> None:
    application = one_service(2000, think_seconds=1, sidecar=True)
    engine = Engine.with_pods(application, seed=2)
    engine.set_users(40, spawn_rate=1000)
    engine.advance(10)
    engine.set_users(10, spawn_rate=1)
    engine.advance(100)
    calm = engine.snapshot()
    assert calm.user_count == 10
    assert calm.operations[0].counts[Outcome.GIVEN_UP] == 0
    engine.stop_users()
    assert engine.snapshot().user_count == 0
    engine.advance(110)
    stopped = engine.snapshot()
    assert stopped.operations[0].counts[Outcome.GIVEN_UP] > 0
    engine.advance(200)
    assert engine.snapshot().operations == stopped.operations


def test_two_load_generators_overlap_and_users_go_with_their_pod() -> None:
    engine = Engine.with_pods(one_service(1, think_seconds=1), seed=3)
    engine.set_users(30, spawn_rate=100)
    engine.advance(5)
    engine.add_pod("load", "load-new", ready_after_seconds=0)
    engine.set_users(50, spawn_rate=100, pod="load-new")
    engine.advance(10)
    assert engine.snapshot().user_count == 80
    engine.remove_pod("load-0")
    assert engine.snapshot().user_count == 50
    with pytest.raises(ConfigError, match="no load generator 'load-0'"):
        engine.set_users(1, spawn_rate=1, pod="load-0")


def test_a_pod_gets_requests_from_when_it_is_ready_to_when_it_is_removed() -> None:
    engine = Engine.with_pods(one_service(10, think_seconds=0.2, threads=1), seed=4)
    engine.set_users(60, spawn_rate=60)
    engine.advance(20)
    engine.add_pod("web", "web-1", ready_after_seconds=7)
    engine.advance(26.9)
    assert engine.snapshot().pod("web-1").cpu_seconds == 0
    assert not engine.snapshot().pod("web-1").ready
    measured = measure(*run(engine, warmup_seconds=20, measured_seconds=60))
    assert measured.throughput_rps == pytest.approx(2 / 0.010, rel=0.03)
    engine.set_ready("web-0", ready=False)
    alone = measure(*run(engine, warmup_seconds=5, measured_seconds=60))
    assert alone.throughput_rps == pytest.approx(1 / 0.010, rel=0.03)
    engine.set_ready("web-0", ready=True)
    engine.remove_pod("web-1")
    back = measure(*run(engine, warmup_seconds=5, measured_seconds=60))
    assert back.throughput_rps == pytest.approx(1 / 0.010, rel=0.03)
    assert "web-1" not in engine.pod_names()


def test_a_pod_that_never_gets_ready_stays_so() -> None:
    engine = Engine.with_pods(one_service(10, think_seconds=0.2), seed=5)
    engine.add_pod("web", "web-1", ready_after_seconds=float("inf"))
    engine.advance(10_000)
    assert engine.snapshot().pod("web-1").phase == "starting"


@pytest.mark.parametrize(("grace_seconds", "outcome"), [(0, Outcome.LOST), (30, Outcome.OK)])
def test_a_removed_pod_finishes_what_it_has_within_its_grace_and_fails_it_otherwise(
    grace_seconds: float, outcome: Outcome
) -> None:
    demand = {"distribution": "constant"}
    application = one_service(500, think_seconds=0, sidecar=True, demand=demand)
    engine = Engine.with_pods(application, seed=6)
    engine.set_users(1, spawn_rate=1)
    engine.advance(0.3)
    engine.remove_pod("web-0", grace_seconds=grace_seconds)
    assert engine.pod_names() == (["load-0"] if grace_seconds == 0 else ["web-0", "load-0"])
    engine.advance(1)
    assert engine.pod_names() == ["load-0"]
    seen = engine.snapshot().user_requests[0]
    assert seen.failures == (seen.count if outcome == Outcome.LOST else seen.count - 1)


def test_requests_spread_evenly_over_replicas_and_avoid_the_slow_one() -> None:
    application = one_service(10, think_seconds=0.5, threads=1, replicas=4)
    engine = Engine.with_pods(application, seed=7)
    engine.set_users(100, spawn_rate=100)
    before, after = run(engine, warmup_seconds=10, measured_seconds=200)
    even = [after.pod(f"web-{n}").cpu_seconds - before.pod(f"web-{n}").cpu_seconds for n in range(4)]
    assert max(even) < 1.05 * min(even)
    engine.set_cpu_limit("web-0", 0.2)
    before, after = run(engine, warmup_seconds=10, measured_seconds=200)
    uneven = [after.pod(f"web-{n}").cpu_seconds - before.pod(f"web-{n}").cpu_seconds for n in range(4)]
    assert uneven[0] < 0.6 * min(uneven[1:])


def test_pods_go_to_the_node_with_the_fewest_for_its_cores() -> None:
    nodes = (Node("small", 2.0), Node("large", 6.0))
    engine = Engine.with_pods(one_service(1, think_seconds=1, replicas=7), seed=8, nodes=nodes)
    placed = [pod.node for pod in engine.snapshot().pods]
    assert placed.count("large") == 3 * placed.count("small")
    engine.add_pod("web", "web-x", node="small")
    assert engine.snapshot().pod("web-x").node == "small"


def test_there_can_be_more_pods_and_users_than_rows() -> None:
    engine = Engine.with_pods(one_service(1, think_seconds=10, replicas=40), seed=9)
    engine.set_users(5000, spawn_rate=5000)
    engine.advance(30)
    for number in range(40, 120):
        engine.add_pod("web", f"web-{number}", ready_after_seconds=0)
    before, after = run(engine, warmup_seconds=5, measured_seconds=30)
    assert measure(before, after).throughput_rps == pytest.approx(5000 / 10.001, rel=0.02)
    assert all(after.pod(name).cpu_seconds > 0 for name in engine.pod_names() if name.startswith("web"))


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (lambda engine: engine.add_pod("nothing", "x"), "no service 'nothing'"),
        (lambda engine: engine.add_pod("web", "web-0"), "a pod 'web-0' already"),
        (lambda engine: engine.add_pod("web", "x", node="nowhere"), "no node 'nowhere'"),
        (lambda engine: engine.remove_pod("x"), "no pod 'x'"),
        (lambda engine: engine.set_ready("x", True), "no pod 'x'"),
        (lambda engine: engine.set_cpu_limit("web-0", 0), "CPU limit of 0"),
        (lambda engine: engine.set_users(-1, 1), "-1 users"),
        (lambda engine: engine.set_users(1, 0), "0 per second"),
        (lambda engine: engine.stop_users(pod="web-0"), "no load generator 'web-0'"),
        (lambda engine: engine.advance(-1), "cannot go"),
        (lambda engine: engine.advance(float("inf")), "cannot go"),
        (lambda engine: Engine(engine.application, seed=1, nodes=()), "nodes with cores"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(order: Any, message: str) -> None:
    engine = Engine.with_pods(one_service(1, think_seconds=1), seed=10)
    with pytest.raises(ConfigError, match=message):
        order(engine)


def test_a_session_collects_items_and_loses_them() -> None:
    """Each put adds one of three items at random; k distinct ones are expected from the occupancy formula."""
    operations = {
        "put": {"cpu_ms": 0, "session": "add_item"},
        "get": {"cpu_ms": 0, "calls": [{"operation": "store/get", "times": {"per_item": 1}}]},
        "clear": {"cpu_ms": 0, "session": "clear_items"},
    }
    services: dict[str, dict[str, Any]] = {
        "web": {"operations": operations},
        "store": {"operations": {"get": {"cpu_ms": 0}}},
    }
    requests = ["web/put", "web/put", "web/put", "web/get", "web/clear", "web/get"]
    users = {"session_items": 3, "actions": {"shop": {"requests": requests}}}
    engine = Engine.with_pods(build(services, think_seconds=0.5, users=users), seed=11)
    engine.set_users(50, spawn_rate=50)
    engine.advance(300)
    truths = engine.snapshot().service_truths()
    gets = truths["web"].request_count / 6
    distinct_after_three_draws = 3 * (1 - (2 / 3) ** 3)
    assert truths["store"].request_count / gets == pytest.approx(distinct_after_three_draws, rel=0.01)


def test_what_is_done_once_is_done_once() -> None:
    services: dict[str, dict[str, Any]] = {
        "web": {"operations": {"get": {"cpu_ms": 1}, "login": {"cpu_ms": 1}}}
    }
    actions = {"get": {"requests": ["web/get"]}, "login": {"weight": 0, "requests": ["web/login"]}}
    engine = Engine.with_pods(
        build(services, think_seconds=1, users={"on_start": "login", "actions": actions}), seed=12
    )
    engine.set_users(50, spawn_rate=1000)
    engine.advance(100)
    counts = {truth.operation: truth.succeeded for truth in engine.snapshot().operations}
    assert counts["web/login"] == 50
    assert counts["web/get"] > 4000
