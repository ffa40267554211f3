"""Whatever is ordered, in whatever sequence: nothing leaks, no counter goes back, all comes to rest."""

from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis import HealthCheck, given, settings
from pydantic import TypeAdapter

from kpp.simulator.application import Application
from kpp.simulator.engine import Engine, EngineSnapshot, Node

SERVICES = ("web", "shop", "store", "load")


def _fragile_application() -> Application:
    """Short time-outs, small bounds and impatient probes, so that everything that can go wrong does."""
    probe = {"period_seconds": 1, "timeout_seconds": 0.1, "failure_threshold": 2, "cpu_ms": 1}
    shop_calls = [{"operation": "store/get", "times": 3}, "store/put"]
    web_calls = ["shop/list", {"operation": "shop/buy", "timeout_seconds": 0.05, "on_failure": "ignore"}]
    services: dict[str, Any] = {
        "web": {"protocol": "http", "cpu_limit_cores": 0.3, "probe": probe},
        "shop": {
            "threads": 1,
            "workers": 3,
            "max_requests_in_progress": 6,
            "probe": probe,
            "cpu_limit_cores": 0.5,
        },
        "store": {
            "protocol": "tcp",
            "sidecar": False,
            "threads": 1,
            "max_requests_in_progress": 4,
            "probe": probe,
        },
        "load": {"threads": 1},
    }
    services["web"]["operations"] = {"get": {"cpu_ms": 3, "calls": web_calls, "response_code": 302}}
    services["shop"]["operations"] = {
        "list": {"cpu_ms": 4, "calls": shop_calls},
        "buy": {"cpu_ms": 6, "calls": ["store/put", "shop/list"]},  # calls itself, and can run out of workers
    }
    services["store"]["operations"] = {"get": {"cpu_ms": 2}, "put": {"cpu_ms": 5}}
    action = {"requests": [{"operation": "web/get", "redirect": "shop/list"}, "web/get"]}
    users = {
        "service": "load",
        "wait_seconds": (0.05, 0.2),
        "request_timeout_seconds": 0.4,
        "actions": {"do": action},
    }
    content = {
        "name": "fragile",
        "entry_service": "web",
        "services": services,
        "users": users,
        "network_latency_ms": 0.5,
        "variation": {"demand_sigma": 0.1, "demand_autocorrelation": 0.9, "background_sigma": 0.5},
    }
    return TypeAdapter(Application).validate_python(content)


APPLICATION = _fragile_application()
ORDERS = st.lists(
    st.tuples(
        st.sampled_from(
            ["add", "remove", "let go", "hold", "admit", "restart", "limit", "users", "stop", "wait"]
        ),
        st.integers(0, 30),
        st.floats(0, 3),
    ),
    max_size=25,
)


def carry_out(engine: Engine, order: str, number: int, seconds: float) -> None:
    """One order at one pod out of those that are there, as far as it makes sense."""
    names = engine.pod_names()
    name = names[number % len(names)] if names else None
    generators = [pod for pod in names if pod.startswith("load")]
    if order == "add":
        taken = set(names)
        free = next(
            f"{SERVICES[number % 4]}-{n}" for n in range(99) if f"{SERVICES[number % 4]}-{n}" not in taken
        )
        engine.add_pod(SERVICES[number % 4], free, ready_after_seconds=seconds if number % 2 else None)
    elif order in ("users", "stop") and generators:
        pod = generators[number % len(generators)]
        if order == "users":
            engine.set_users(number, spawn_rate=10, pod=pod)
        else:
            engine.stop_users(pod=pod)
    elif order == "restart" and name and engine.snapshot().pod(name).phase == "running":
        engine.restart_container(name)
    elif name and order in ("hold", "admit"):
        engine.set_ready(name, order == "admit")
    elif name and order == "limit":
        engine.set_cpu_limit(name, seconds or None)
    elif name and order in ("remove", "let go"):
        engine.remove_pod(name, grace_seconds=seconds if order == "let go" else 0)
    engine.advance(engine.now_seconds + seconds)


def totals(snapshot: EngineSnapshot) -> dict[tuple[str, ...], float]:
    """All counters of pods and containers, by what they belong to."""
    counters: dict[tuple[str, ...], float] = {}
    for pod in snapshot.pods:
        started = (str(pod.started_at), str(pod.container_started_at))
        counters["cpu", pod.name, *started] = pod.cpu_seconds
        counters["periods", pod.name, *started] = pod.cfs_periods or 0
        counters["throttled", pod.name, *started] = pod.cfs_throttled_seconds or 0
        counters["sidecar", pod.name, started[0]] = pod.sidecar_cpu_seconds or 0
        for report in snapshot.reports:
            if report.pod == pod.name:
                peers = (report.source_service, report.destination_service)
                key = (report.pod, started[0], report.reporter, *peers, report.outcome.name)
                counters["count", *key] = report.count
                counters["ms", *key] = report.duration_ms_sum
    return counters


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(orders=ORDERS, seed=st.integers(0, 1000), cores=st.sampled_from([0.5, 2.0, 16.0]))
def test_counters_only_grow_and_everything_comes_to_rest(
    orders: list[tuple[str, int, float]], seed: int, cores: float
) -> None:
    engine = Engine.with_pods(APPLICATION, seed=seed, nodes=(Node("a", cores), Node("b", cores)))
    engine.set_users(12, spawn_rate=20)
    earlier = totals(engine.snapshot())
    for order, number, seconds in orders:
        carry_out(engine, order, number, seconds)
        now = totals(engine.snapshot())
        for key, value in earlier.items():
            assert key not in now or now[key] >= value - 1e-9, key
        earlier = now
    for name in [name for name in engine.pod_names() if name.startswith("load")]:
        engine.stop_users(pod=name)
    engine.advance(engine.now_seconds + 30)
    _assert_at_rest(engine)


def _assert_at_rest(engine: Engine) -> None:
    """Nothing is in progress but a probe perhaps; nothing has leaked or was counted twice."""
    world = engine._world
    used = np.flatnonzero(world.requests["stage"])
    assert set(world.requests["kind"][used]) <= {2}
    assert world.state["free_request_count"][0] == len(world.requests) - len(used)
    assert not world.outstanding.any()
    assert not world.pods["open_requests"].any()
    assert world.pods["in_progress"].sum() == len(used) == world.pods["busy_workers"].sum()
    assert world.nodes["wanted"].sum() == world.stations["wanted"].sum()
    assert engine.snapshot().user_count == 0
