from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from kpp.errors import InputError
from kpp.simulator.application import Probe
from kpp.simulator.cluster import Simulation
from kpp.simulator.kubernetes.nodes import NodeSize
from kpp.simulator.kubernetes.objects.resources import DEPLOYMENTS, PODS, Json
from kpp.simulator.promql import query_instant
from tests.simulator.simulations import (
    STARTED_AT,
    ask,
    boutique,
    patch_deployment,
    run_for,
    set_load,
    simulate,
    three_tier,
    true_count,
)


def deployment(simulation: Simulation, name: str) -> Json:
    return simulation.kubernetes.store.get(DEPLOYMENTS, name, "default")


def pods(simulation: Simulation, service: str) -> list[Json]:
    found = simulation.kubernetes.store.list_all(PODS, "default")
    return [pod for pod in found if pod["metadata"]["labels"]["app"] == service]


def scale(simulation: Simulation, name: str, replicas: int) -> None:
    patch_deployment(simulation, name, lambda spec: spec.update(replicas=replicas))


def served_since(simulation: Simulation, pod: str) -> int:
    """What a pod's sidecar has counted as served."""
    return sum(
        report.count
        for report in simulation.snapshot().reports
        if report.pod == pod and report.reporter == "destination"
    )


def test_it_is_handed_over_at_the_time_asked_for_with_all_pods_up_and_10_users() -> None:
    simulation = simulate(boutique())
    assert simulation.now == STARTED_AT
    for name, service in boutique().services.items():
        assert deployment(simulation, name)["status"]["readyReplicas"] == service.replicas
    snapshot = simulation.snapshot()
    assert all(pod.ready for pod in snapshot.pods)
    assert snapshot.user_count == 10
    assert true_count(snapshot, "frontend") > 0


def test_users_and_rate_come_from_the_load_generators_environment() -> None:
    simulation = simulate(three_tier())
    set_load(simulation, 200, spawn_rate=10)
    counts = []
    for _ in range(40):
        run_for(simulation, 1)
        counts.append(simulation.snapshot().user_count)
    assert counts[-1] == 200
    # while the old generator goes, both run; then 10 users come each second
    assert Counter(later - earlier for earlier, later in pairwise(counts))[10] >= 15


def test_without_a_load_generator_there_are_no_users_and_with_two_twice_as_many() -> None:
    simulation = simulate(three_tier())
    scale(simulation, "loadgenerator", 0)
    run_for(simulation, 30)
    assert simulation.snapshot().user_count == 0
    assert pods(simulation, "loadgenerator") == []

    scale(simulation, "loadgenerator", 2)
    run_for(simulation, 60)
    assert simulation.snapshot().user_count == 20


def test_what_locust_would_refuse_means_no_users(caplog: pytest.LogCaptureFixture) -> None:
    simulation = simulate(three_tier())

    def change(spec: Json) -> None:
        container = {
            **spec["template"]["spec"]["containers"][0],
            "env": [{"name": "USERS", "value": "many"}],
        }
        pod_spec = {**spec["template"]["spec"], "containers": [container]}
        spec["template"] = {**spec["template"], "spec": pod_spec}

    patch_deployment(simulation, "loadgenerator", change)
    run_for(simulation, 30)
    assert simulation.snapshot().user_count == 0
    assert "USERS=many is no number" in caplog.text


def test_new_replicas_serve_when_they_are_ready_and_old_ones_stop() -> None:
    simulation = simulate(three_tier())
    set_load(simulation, 50)
    scale(simulation, "web", 4)
    run_for(simulation, 60)
    names = {pod["metadata"]["name"] for pod in pods(simulation, "web")}
    assert len(names) == 4
    assert {pod.name for pod in simulation.snapshot().pods_of("web") if pod.ready} == names
    before = {name: served_since(simulation, name) for name in names}
    run_for(simulation, 30)
    gained = [served_since(simulation, name) - before[name] for name in names]
    assert min(gained) > 0.7 * max(gained), "requests spread over all"

    scale(simulation, "web", 1)
    run_for(simulation, 30)
    assert len(pods(simulation, "web")) == 1
    assert len(simulation.snapshot().pods_of("web")) == 1


def test_a_pod_gets_no_request_before_it_is_ready() -> None:
    simulation = simulate(three_tier())
    simulation.kubernetes.hold_back("web")
    scale(simulation, "web", 3)
    run_for(simulation, 60)
    (waiting,) = [pod for pod in simulation.snapshot().pods_of("web") if not pod.ready]
    assert served_since(simulation, waiting.name) == 0
    assert deployment(simulation, "web")["status"]["readyReplicas"] == 2

    simulation.kubernetes.release("web")
    run_for(simulation, 30)
    assert served_since(simulation, waiting.name) > 0


def test_a_deployments_cpu_limit_is_that_of_its_new_pods() -> None:
    simulation = simulate(three_tier())

    def change(spec: Json) -> None:
        container = dict(spec["template"]["spec"]["containers"][0])
        container["resources"] = {"limits": {"cpu": "150m"}, "requests": {"cpu": "100m"}}
        pod_spec = {**spec["template"]["spec"], "containers": [container]}
        spec["template"] = {**spec["template"], "spec": pod_spec}

    patch_deployment(simulation, "api", change)
    run_for(simulation, 60)
    assert {pod.cpu_limit_cores for pod in simulation.snapshot().pods_of("api")} == {0.15}

    def lift(spec: Json) -> None:
        container = {**spec["template"]["spec"]["containers"][0], "resources": {}}
        pod_spec = {**spec["template"]["spec"], "containers": [container]}
        spec["template"] = {**spec["template"], "spec": pod_spec}

    patch_deployment(simulation, "api", lift)
    run_for(simulation, 60)
    assert {pod.cpu_limit_cores for pod in simulation.snapshot().pods_of("api")} == {None}


def test_a_container_that_the_physics_finds_dead_has_restarted_for_kubernetes() -> None:
    impatient = Probe(period_seconds=5, timeout_seconds=1e-6, failure_threshold=1)
    services = {**three_tier().services, "api": replace(three_tier().services["api"], probe=impatient)}
    simulation = simulate(replace(three_tier(), services=services), replicas={"api": 1})
    run_for(simulation, 100)
    (pod,) = pods(simulation, "api")
    (true,) = simulation.snapshot().pods_of("api")
    (status,) = [each for each in pod["status"]["containerStatuses"] if each["name"] == "server"]
    assert status["restartCount"] == true.restarts > 1
    assert status["lastState"]["terminated"]["exitCode"] == 137
    assert not true.ready, "the back-off is long by now"
    assert not status["ready"]


def test_a_restart_on_demand_happens_once_on_both_sides_and_the_pod_serves_again() -> None:
    simulation = simulate(three_tier())
    set_load(simulation, 50)
    run_for(simulation, 30)
    simulation.kubernetes.restart_service("database")
    run_for(simulation, 5)
    (true,) = simulation.snapshot().pods_of("database")
    assert true.restarts == 1
    run_for(simulation, 60)
    (true,) = simulation.snapshot().pods_of("database")
    (pod,) = pods(simulation, "database")
    (status,) = [each for each in pod["status"]["containerStatuses"] if each["name"] == "server"]
    assert (true.restarts, status["restartCount"]) == (1, 1)
    assert true.ready
    assert status["ready"]


def test_the_load_generators_users_come_back_after_a_restart() -> None:
    simulation = simulate(three_tier())
    simulation.kubernetes.restart_service("loadgenerator")
    run_for(simulation, 1)
    assert simulation.snapshot().user_count == 0
    run_for(simulation, 30)
    assert simulation.snapshot().user_count == 10


def test_pods_run_on_the_nodes_that_kubernetes_chose() -> None:
    nodes = (NodeSize("one", 2.5, ip="192.168.49.2"), NodeSize("two", 3, ip="192.168.49.3"))
    simulation = simulate(three_tier(), nodes=nodes)
    chosen = {
        pod["metadata"]["name"]: pod["spec"]["nodeName"]
        for pod in simulation.kubernetes.store.list_all(PODS, "default")
    }
    assert {pod.name: pod.node for pod in simulation.snapshot().pods} == chosen
    assert set(chosen.values()) == {"one", "two"}
    assert ask(simulation, "sum by (instance) (machine_cpu_cores)") == {("one",): 2.5, ("two",): 3}


def test_a_pod_that_fits_nowhere_does_not_run() -> None:
    simulation = simulate(three_tier(), nodes=(NodeSize("small", 1.5),))
    everything = simulation.kubernetes.store.list_all(PODS, "default")
    placed = {pod["metadata"]["name"] for pod in everything if "nodeName" in pod["spec"]}
    assert len(placed) < len(everything)
    assert {pod.name for pod in simulation.snapshot().pods} == placed


def test_an_application_that_kubernetes_refuses_is_bad_input() -> None:
    greedy = replace(three_tier().services["api"], cpu_request_cores=2, cpu_limit_cores=1)
    services = {**three_tier().services, "api": greedy}
    with pytest.raises(InputError, match="must be less than or equal to cpu limit of 1"):
        simulate(replace(three_tier(), services=services))


def test_users_of_the_application_are_a_number() -> None:
    generator = replace(three_tier().services["loadgenerator"], environment={"USERS": "many"})
    services = {**three_tier().services, "loadgenerator": generator}
    with pytest.raises(InputError, match="environment of loadgenerator: USERS is 'many'"):
        simulate(replace(three_tier(), services=services))


def test_a_deployment_that_the_application_does_not_know_runs_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    simulation = simulate(three_tier())
    template = {
        "metadata": {"labels": {"app": "tool"}},
        "spec": {"containers": [{"name": "a", "image": "b:1"}]},
    }
    spec = {"selector": {"matchLabels": {"app": "tool"}}, "template": template}
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "tool"}, "spec": spec}
    simulation.kubernetes.install([manifest])
    run_for(simulation, 60)
    assert deployment(simulation, "tool")["status"]["readyReplicas"] == 1
    assert simulation.snapshot().pods_of("tool") == ()
    assert "runs nothing that is simulated" in caplog.text


def stored(simulation: Simulation) -> dict[str, tuple[list[int], list[float]]]:
    """All samples of a cluster's Prometheus."""
    answer = ask_matrix(simulation, '{__name__=~".+"}[1h]')
    return {series: ([at for at, _ in its], [value for _, value in its]) for series, its in answer.items()}


def ask_matrix(simulation: Simulation, query: str) -> dict[str, list[tuple[int, float]]]:
    answer: Any = query_instant(simulation.samples, query, round(simulation.now * 1000))
    return {
        repr(sorted(each["metric"].items())): [(at, float(value)) for at, value in each["values"]]
        for each in answer["result"]
    }


def test_the_same_seed_gives_the_same_samples_however_small_the_steps() -> None:
    one, other = simulate(three_tier(), seed=5), simulate(three_tier(), seed=5)
    for simulation in (one, other):
        set_load(simulation, 60)
    run_for(one, 100)
    while other.now < one.now:
        other.advance_to(min(other.now + 0.7, one.now))
    assert stored(one) == stored(other)


def test_another_seed_gives_another_run() -> None:
    one, other = simulate(three_tier(), seed=5), simulate(three_tier(), seed=6)
    counts = [true_count(each.snapshot(), "web") for each in (one, other)]
    assert counts[0] != counts[1]


@pytest.fixture(scope="module")
def loaded() -> Simulation:
    """The boutique after ten minutes of 80 users."""
    simulation = simulate(boutique(), replicas={"currencyservice": 2})
    set_load(simulation, 80)
    run_for(simulation, 600)
    return simulation


def test_requests_count_double_without_a_filter_on_the_reporter(loaded: Simulation) -> None:
    before, at = loaded.snapshot(), loaded.now
    run_for(loaded, 300)
    for service in ("frontend", "currencyservice", "cartservice"):
        true_rps = (true_count(loaded.snapshot(), service) - true_count(before, service)) / 300
        selector = f'destination_workload="{service}"'
        once = ask(loaded, f'sum(rate(istio_requests_total{{{selector}, reporter="destination"}}[300s]))')
        double = ask(loaded, f"sum(rate(istio_requests_total{{{selector}}}[300s]))")
        assert once[()] == pytest.approx(true_rps, rel=0.02)
        assert double[()] == pytest.approx(2 * true_rps, rel=0.02)
    assert loaded.now == at + 300


def test_cpu_counts_double_without_a_filter_on_the_container(loaded: Simulation) -> None:
    before = {pod.name: pod for pod in loaded.snapshot().pods}
    run_for(loaded, 300)
    cores: dict[str, float] = {}
    for pod in loaded.snapshot().pods:
        earlier = before[pod.name]
        assert pod.sidecar_cpu_seconds is not None
        assert earlier.sidecar_cpu_seconds is not None
        used = pod.cpu_seconds - earlier.cpu_seconds + pod.sidecar_cpu_seconds - earlier.sidecar_cpu_seconds
        cores[pod.name] = used / 300
    rate = "sum by (pod) (rate(container_cpu_usage_seconds_total{{{}}}[300s]))"
    once = ask(loaded, rate.format('container!="", pod!=""'))
    double = ask(loaded, rate.format('pod!=""'))
    for name, true_cores in cores.items():
        assert once[(name,)] == pytest.approx(true_cores, rel=0.08)  # its samples are up to 15 s old
        assert double[(name,)] == pytest.approx(2 * true_cores, rel=0.08)


def test_every_target_is_up_and_scraped_every_15_seconds(loaded: Simulation) -> None:
    up = ask(loaded, "count by (job) (up == 1)")
    assert up == {("kubernetes-pods",): 13, ("kubernetes-nodes-cadvisor",): 1, ("kube-state-metrics",): 1}
    times = ask_matrix(loaded, "up[10m]")
    assert len(times) == 15
    for samples in times.values():
        assert set(np.round(np.diff([at for at, _ in samples]), 3)) == {15.0}
    assert len({samples[0][0] for samples in times.values()}) == 3, "not all at once"


def test_the_series_of_a_pod_that_is_gone_end_but_its_cpu_lingers() -> None:
    simulation = simulate(three_tier())
    (pod,) = [each["metadata"]["name"] for each in pods(simulation, "database")]
    before = simulation.now
    scale(simulation, "database", 0)
    run_for(simulation, 60)
    assert ask(simulation, f'istio_build{{pod="{pod}"}}', before)
    assert ask(simulation, f'istio_build{{pod="{pod}"}}') == {}
    assert ask(simulation, f'container_cpu_usage_seconds_total{{pod="{pod}"}}'), "no marker ends them"
    run_for(simulation, 300)
    assert ask(simulation, f'container_cpu_usage_seconds_total{{pod="{pod}"}}') == {}


def test_a_gap_in_the_scrapes_is_a_gap_in_the_series() -> None:
    simulation = simulate(three_tier())
    gap_at = simulation.now
    simulation.set_scraping(False)
    run_for(simulation, 120)
    simulation.set_scraping(True)
    run_for(simulation, 60)
    for samples in ask_matrix(simulation, "up[5m]").values():
        assert not [at for at, _ in samples if gap_at < at <= gap_at + 120]
        assert [at for at, _ in samples if at > gap_at + 120]


def test_it_lives_on_when_nothing_is_planned_any_more() -> None:
    simulation = simulate(three_tier())
    while simulation.kubernetes.next_transition_at is not None:  # events of Kubernetes end after an hour
        simulation.advance_to(simulation.kubernetes.next_transition_at)
    served = true_count(simulation.snapshot(), "web")
    run_for(simulation, 60)
    assert true_count(simulation.snapshot(), "web") > served


def test_what_is_on_the_agenda_happens_at_its_time_in_order() -> None:
    simulation = simulate(three_tier())
    happened: list[tuple[str, float]] = []
    for name, seconds in (("b", 7.3), ("a", 2.0), ("past", -5.0)):
        at = simulation.now + seconds

        def note(name: str = name) -> None:
            happened.append((name, simulation.now - STARTED_AT))

        simulation.call_at(at, note)
    run_for(simulation, 10)
    assert happened == [("past", 0.0), ("a", pytest.approx(2.0)), ("b", pytest.approx(7.3))]
