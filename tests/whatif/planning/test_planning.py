"""Plans against independent truth: exact mean value analysis, and the simulator."""

from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kpp.errors import ConfigError
from kpp.schema import CPU_LIMIT, CPU_REQUEST, CPU_USAGE, read_measurements
from kpp.simulator.application_file import read_application
from kpp.simulator.engine import Engine
from kpp.simulator.engine.engine import Node
from kpp.whatif.calibrated import CalibratedModel
from kpp.whatif.campaign import make_campaign, read_calls
from kpp.whatif.model import EXTRAPOLATING, Campaign
from kpp.whatif.planning.objectives import Objective
from kpp.whatif.planning.planning import Plan, find_replicas, spread_over_services
from kpp.whatif.planning.steps import Question
from kpp.whatif.registry import make_model
from tests.queueing.closed_systems import THREE_TIERS, Chain

DATASET = Path(__file__).parents[3] / "dataset"
CHAIN = Chain(THREE_TIERS, noise=0.0, minutes=4)
REQUEST_CORES = 0.5


@cache
def chain_model() -> CalibratedModel:
    """Of three tiers, web, app and database, measured far from saturation."""
    rows = CHAIN.measure([10, 20, 40, 60]).assign(**{CPU_REQUEST: REQUEST_CORES})
    return CalibratedModel.fit(partial(make_model, "queueing"), Campaign(rows, CHAIN.calls()))


def ask(
    *objectives: Objective, users: float = 300.0, start: dict[str, int] | None = None, most: int = 20
) -> Plan:
    return find_replicas(chain_model(), Question(objectives, users, most), start or {})


def exact_rps(replicas: dict[str, int], users: int) -> float:
    """Requests per second of the chain with so many servers of each tier, by exact mean value analysis."""
    tiers = tuple(replace(tier, replicas=replicas[tier.name]) for tier in THREE_TIERS)
    return replace(CHAIN, tiers=tiers).solve(users)[0][1]


def test_replicas_go_where_the_bottleneck_is_until_the_throughput_is_reached() -> None:
    """A replica of app serves 1 / 10 ms, one of database 1 / (2 x 6 ms): 150 req/s need two of each."""
    plan = ask(Objective("web", "throughput", 150.0))

    assert plan.reached
    assert plan.last.replicas == {"web": 1, "app": 2, "database": 2}
    assert [step.changed for step in plan.steps] == [None, "database", "app"]
    assert [exact_rps(dict(step.replicas), 300) >= 150 for step in plan.steps] == [False, False, True]
    assert plan.steps[0].is_saturated
    assert plan.steps[0].bottleneck == "database"
    assert plan.steps[0].verdict == EXTRAPOLATING
    assert "1 database replica saturates at" in plan.steps[0].reason


def test_cpu_is_brought_below_a_share_of_the_request() -> None:
    """The table's own law: CPU = background x replicas + demand x throughput."""
    plan = ask(Objective("app", "cpu", 0.6), users=60.0)

    assert plan.reached
    throughput = 60 / (1 + 0.03)  # 10 ms, two calls of 6 ms and some waiting
    needed = next(
        count
        for count in range(1, 20)
        if (0.01 * count + 0.008 * throughput) / (count * REQUEST_CORES) <= 0.6
    )
    assert plan.last.replicas == {"web": 1, "app": needed, "database": 1}


def test_what_holds_already_needs_no_step() -> None:
    plan = ask(Objective("web", "response-time", 1.0), users=20.0)

    assert plan.reached
    assert len(plan.steps) == 1
    assert plan.last.replicas == plan.measured == {"web": 1, "app": 1, "database": 1}


def test_no_service_gets_more_than_is_allowed() -> None:
    plan = ask(Objective("web", "throughput", 290.0), users=300.0, most=2)

    assert not plan.reached
    assert max(plan.last.replicas.values()) <= 2
    assert plan.why.endswith("has 2 replicas, and no more are allowed")


def test_what_no_replica_brings_is_not_promised() -> None:
    """22 ms are own times of the three tiers, whatever their number."""
    plan = ask(Objective("web", "response-time", 0.005), users=60.0)

    assert not plan.reached
    assert plan.why == "one replica more of any service brings the prediction nearer by less than 1 %"
    assert len(plan.steps) < 10


def test_the_start_can_be_chosen_and_what_is_needed_stays() -> None:
    plan = ask(Objective("web", "throughput", 150.0), start={"app": 4})

    assert plan.steps[0].replicas == {"web": 1, "app": 4, "database": 1}
    assert plan.last.replicas == {"web": 1, "app": 4, "database": 2}
    assert plan.measured == {"web": 1, "app": 1, "database": 1}


def test_a_widened_caller_is_no_relief_for_its_callee() -> None:
    """With one web replica at its limit the database has less to do than with two."""
    narrow = replace(THREE_TIERS[0], service_seconds=0.02, demand_seconds=0.02)
    chain = Chain((narrow, *THREE_TIERS[1:]), noise=0.0, minutes=4)
    campaign = Campaign(chain.measure([5, 10, 20, 30]), chain.calls())
    model = CalibratedModel.fit(partial(make_model, "queueing"), campaign)

    plan = find_replicas(model, Question([Objective("database", "response-time", 0.0059)], 300.0), {})

    assert plan.steps[0].bottleneck == "web"
    assert plan.steps[0].is_saturated
    assert plan.last.replicas["web"] == 1


@settings(deadline=None, max_examples=8)
@given(
    users=st.integers(1, 3000),
    milliseconds=st.floats(5, 2000),
    share=st.floats(0.05, 1.5),
    most=st.integers(1, 6),
    certain=st.booleans(),
)
def test_a_plan_is_minimal_or_says_why_it_stopped(
    users: int, milliseconds: float, share: float, most: int, certain: bool
) -> None:
    objectives = [
        Objective("web", "response-time", milliseconds / 1000),
        *spread_over_services([Objective("all", "cpu", share)], ["app", "database", "web"]),
    ]
    question = Question(objectives, float(users), most, certain)

    plan = find_replicas(chain_model(), question, {})

    for before, after in zip(plan.steps, plan.steps[1:], strict=False):
        changes = {name: after.replicas[name] - before.replicas[name] for name in after.replicas}
        assert sorted(map(abs, changes.values())) == [0, 0, 1]
    assert all(count <= most for step in plan.steps for count in step.replicas.values())
    excesses = [
        each.excess(outcome, certain=certain)
        for each, outcome in zip(objectives, plan.last.outcomes, strict=True)
    ]
    assert plan.reached == (max(excesses) <= 1 + 1e-9)
    assert plan.reached == (plan.why == "")


def test_what_cannot_be_planned_is_refused() -> None:
    linear = CalibratedModel.fit(partial(make_model, "linear"), Campaign(CHAIN.measure([20, 40, 60])))
    with pytest.raises(ConfigError, match="linear knows nothing of saturation; leave --model out"):
        find_replicas(linear, Question([Objective("web", "response-time", 1.0)], 50.0), {})

    without = Campaign(CHAIN.measure([20, 40, 60]))
    model = CalibratedModel.fit(partial(make_model, "queueing"), without)
    with pytest.raises(
        ConfigError, match="web:cpu<=60% cannot be judged: no CPU Usage or CPU request of web"
    ):
        find_replicas(model, Question([Objective("web", "cpu", 0.6)], 50.0), {})

    with pytest.raises(ConfigError, match="names 'shop', which was not measured; the services are app, web"):
        spread_over_services([Objective("shop", "cpu", 0.6)], ["app", "web"])


def test_services_without_a_capacity_are_named() -> None:
    rows = CHAIN.measure([20, 40, 60]).assign(**{CPU_USAGE: np.nan}).drop(columns=CPU_LIMIT)
    model = CalibratedModel.fit(partial(make_model, "queueing"), Campaign(rows, CHAIN.calls()))

    plan = find_replicas(model, Question([Objective("web", "response-time", 0.005)], 50.0), {})

    assert not plan.reached
    assert plan.unscalable == ("app", "database", "web")
    assert len(plan.steps) == 1


def simulated_response_time(users: int, replicas: dict[str, int]) -> float:
    """Seconds at the frontend of the simulated cluster, over two minutes after a warm-up."""
    engine = Engine.with_pods(
        read_application("online_boutique"), seed=3, nodes=[Node("node", 8.0)], replicas=replicas
    )
    engine.set_users(users, spawn_rate=20)
    engine.advance(90.0)
    before = engine.snapshot()
    engine.advance(210.0)
    return engine.snapshot().service_truths(since=before)["frontend"].response_time_seconds


def test_the_simulated_cluster_keeps_the_objective_with_the_answer_and_not_one_step_before() -> None:
    """From the shipped campaign, 20 to 110 users; the answer is for 400, where two services saturate."""
    table = DATASET / "performance_results_simulated_normal.csv"
    calls = read_calls([DATASET / "performance_calls_simulated_normal.csv"])
    model = CalibratedModel.fit(
        partial(make_model, "hybrid"), make_campaign(read_measurements([table]), calls)
    )

    plan = find_replicas(model, Question([Objective("frontend", "response-time", 0.5)], 400.0), {})

    assert plan.reached
    before, answer = plan.steps[-2].replicas, plan.last.replicas
    assert simulated_response_time(400, dict(answer)) < 0.4
    assert simulated_response_time(400, dict(before)) > 0.6
