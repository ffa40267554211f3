import csv
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from kpp.collector.campaign.manifest import manifest_path
from kpp.collector.campaign.plan import Phase
from kpp.collector.collector import run_campaign
from kpp.collector.kubernetes_client import KubernetesClient
from kpp.collector.measurement import Measurement
from kpp.collector.prometheus_client import PrometheusClient
from kpp.errors import ConfigError, Interrupted, KppError, KubernetesError, PrometheusError, RolloutError
from tests.collector.boutique_load import SERVICES
from tests.collector.campaign_worlds import World, open_world
from tests.collector.fake_kubernetes import Fault
from tests.collector.fake_prometheus import NOT_READY


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path) as served:
        yield served


def test_a_campaign_measures_every_service_at_every_load(world: World) -> None:
    world.run()

    rows = world.rows()
    assert len(rows) == 2 * 3 * len(SERVICES)
    assert {row["Service"] for row in rows} == set(SERVICES)
    assert [row["User Count"] for row in rows] == ["10"] * 30 + ["30"] * 30
    assert all(value != "" for row in rows for value in row.values())
    frontend = [row for row in rows if row["Service"] == "frontend"]
    assert float(frontend[0]["CPU Limit"]) == 0.2
    assert float(frontend[0]["CPU Request"]) == 0.1
    assert float(frontend[0]["Replicas"]) == 1


def test_the_cluster_is_left_as_it_was_found(world: World) -> None:
    before = world.load_generator()
    others_before = {
        name: spec for name, spec in world.kubernetes.cluster.specs().items() if name != "loadgenerator"
    }

    world.run()

    assert world.load_generator() == before
    others = {
        name: spec for name, spec in world.kubernetes.cluster.specs().items() if name != "loadgenerator"
    }
    assert others == others_before
    written = {r.path for r in world.kubernetes.requests if r.method not in ("GET",)}
    leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
    load_generator = "/apis/apps/v1/namespaces/default/deployments/loadgenerator"
    assert written == {load_generator, leases, f"{leases}/kpp-campaign"}
    assert world.kubernetes.leases == {}


def test_the_load_of_each_experiment_arrives_in_its_turn(world: World) -> None:
    world.run()

    env = [
        {entry["name"]: entry["value"] for entry in patch["spec"]["template"]["spec"]["containers"][0]["env"]}
        for patch in world.kubernetes.patches
        if "template" in patch["spec"]
    ]
    assert env[:2] == [{"USERS": "10", "RATE": "5"}, {"USERS": "30", "RATE": "5"}]
    replicas = [p["spec"]["replicas"] for p in world.kubernetes.patches if "replicas" in p["spec"]]
    # stopped and started for each experiment, stopped for the cooldown between them, and restored
    assert replicas == [0, 1, 0, 0, 1, 1]


def test_samples_lie_on_the_grid_after_ramp_up_and_warm_up(world: World) -> None:
    world.run()

    entered = {(number, phase): at for number, phase, at in world.watcher.phases}
    warmup = entered[2, Phase.MEASURING] - entered[2, Phase.WARMUP]
    assert warmup == pytest.approx(30 / 5 + 60)
    measuring = entered[2, Phase.MEASURING]
    timestamps = sorted({float(row["Timestamp"]) for row in world.rows() if row["User Count"] == "30"})
    assert timestamps == pytest.approx([measuring + 60, measuring + 120, measuring + 180])
    # what a sample's window holds has been measured at full load, and lies as far back as the lag asks
    assert timestamps[0] - world.config.rate_window_seconds >= measuring
    full_load = entered[2, Phase.WARMUP] + 30 / 5
    assert timestamps[0] - world.config.cpu_rate_window_seconds >= full_load
    assert entered[1, Phase.COOLDOWN] - entered[1, Phase.MEASURING] == pytest.approx(3 * 60 + 30)
    assert entered[2, Phase.STARTING] - entered[1, Phase.COOLDOWN] >= 180


def test_a_slow_tick_delays_no_later_one(world: World) -> None:
    class SlowOnce(PrometheusClient):
        """Its second tick takes longer than the sampling interval."""

        ticks = 0

        def sample(self, *args: Any) -> Any:
            self.ticks += 1
            world.clock.sleep(100.0 if self.ticks == 2 else 0.5)
            return super().sample(*args)

    with KubernetesClient(world.config, world.clock, world.kubernetes.api_client()) as cluster:
        prometheus = SlowOnce(world.config, world.clock)
        run_campaign(world.config, cluster, prometheus, world.clock, world.watcher)
        prometheus.close()

    timestamps = sorted({float(row["Timestamp"]) for row in world.rows() if row["User Count"] == "10"})
    assert [later - earlier for earlier, later in pairwise(timestamps)] == pytest.approx([60.0, 60.0])


def test_each_tick_asks_a_constant_number_of_queries_at_one_instant(world: World) -> None:
    world.run()

    asked: dict[str, set[str]] = {}
    for request in world.prometheus.requests:
        if request.path == "/api/v1/query":  # two more, over a range, when samples were taken
            asked.setdefault(request.params["time"], set()).add(request.query)
    per_tick = [queries for queries in asked.values() if len(queries) > 2]
    assert len(per_tick) >= 6
    # the last tick's instant is that of the calls too
    assert max(len(queries) for queries in per_tick) <= 7 + 2
    over_ranges = [each for each in world.prometheus.requests if each.path == "/api/v1/query_range"]
    assert len(over_ranges) == 2 * len(per_tick)


def test_who_calls_whom_is_written_once_per_experiment(world: World) -> None:
    world.run()

    assert world.watcher.files is not None
    with world.watcher.files.calls_path.open(newline="") as file:
        calls = list(csv.DictReader(file))
    pairs = [(row["Caller"], row["Callee"], row["User Count"]) for row in calls]
    assert len(pairs) == len(set(pairs))
    frontend_to_ads = [
        float(row["Calls"]) for row in calls if (row["Caller"], row["Callee"]) == ("frontend", "adservice")
    ]
    assert frontend_to_ads == pytest.approx([0.572, 0.572], rel=0.1)


def test_the_manifest_records_settings_nodes_and_queries(world: World) -> None:
    world.run()

    assert world.watcher.files is not None
    record = json.loads(manifest_path(world.watcher.files.path).read_text())
    assert record["settings"]["user_counts"] == [10, 30]
    assert record["cpu_source"] == "containers"
    assert len(record["node_cores"]) == 2
    assert record["services"]["frontend"]["cpu_limit_cores"] == 0.2
    assert "istio_requests_total" in record["queries"]["throughput"]


@pytest.mark.parametrize("phase", [Phase.WARMUP, Phase.MEASURING, Phase.COOLDOWN])
def test_an_interruption_restores_the_cluster_and_keeps_what_was_collected(
    world: World, phase: Phase
) -> None:
    before = world.load_generator()
    config = replace(world.config, warmup_seconds=120.0)
    world.config, world.watcher.break_at = config, (1, phase)
    world.watcher.error = Interrupted("interrupted", mend="run again")

    with pytest.raises(Interrupted):
        world.run()

    assert world.load_generator() == before
    expected_ticks = {Phase.WARMUP: 0, Phase.MEASURING: 1, Phase.COOLDOWN: 3}[phase]
    assert sum(len(batch) for batch in world.watcher.batches) == expected_ticks * len(SERVICES)
    if expected_ticks:
        assert len(world.rows()) == expected_ticks * len(SERVICES)


def test_an_error_at_any_request_restores_the_cluster(world: World) -> None:
    before = world.load_generator()
    world.kubernetes.cluster.stall("loadgenerator", "ImagePullBackOff", "no such image")
    world.config = replace(world.config, rollout_timeout_seconds=30.0)

    with pytest.raises(RolloutError, match="ImagePullBackOff"):
        world.run()

    assert world.load_generator() == before
    assert list(world.config.output_directory.glob("*.csv")) == []


def test_a_restore_that_fails_tells_both_what_happened_and_how_to_restore_by_hand(world: World) -> None:
    def forbid(*_: object) -> None:
        world.kubernetes.fail_next(Fault(403, message="no longer"), times=100, method="PATCH")
        raise Interrupted("interrupted", mend="run again")

    world.watcher.sampled = forbid  # type: ignore[method-assign,assignment]  # breaks in after the first tick

    with pytest.raises(KubernetesError, match="kubectl patch deployment loadgenerator") as caught:
        world.run()

    chain: list[BaseException | None] = [caught.value]
    while chain[-1] is not None:
        chain.append(chain[-1].__context__)
    assert any(isinstance(error, Interrupted) for error in chain)


def test_a_lost_tick_is_a_gap_and_is_told(world: World, caplog: pytest.LogCaptureFixture) -> None:
    gone = {"left": 4}  # as many attempts as the client makes, and one more

    def lose_second_tick(rows: Sequence[Measurement]) -> None:
        world.watcher.batches.append(rows)
        if len(world.watcher.batches) == 1:
            world.prometheus.fail_next(NOT_READY, times=gone["left"] - 1)

    world.watcher.sampled = lose_second_tick  # type: ignore[method-assign]  # a tick goes wrong

    with caplog.at_level(logging.WARNING):
        world.run()

    timestamps = sorted({float(row["Timestamp"]) for row in world.rows() if row["User Count"] == "10"})
    assert [later - earlier for earlier, later in pairwise(timestamps)] == pytest.approx([120.0])
    assert "Tick 2 of experiment 1 is lost" in caplog.text


def test_an_experiment_without_any_sample_ends_the_campaign(world: World) -> None:
    before = world.load_generator()
    world.prometheus.answer("istio_requests_total", NOT_READY)

    with pytest.raises(PrometheusError):
        world.run()

    assert world.load_generator() == before
    assert {number for number, _, _ in world.watcher.phases} == {1}


@pytest.mark.parametrize("missing", ["prometheus", "kubernetes"])
def test_nothing_is_touched_when_a_side_cannot_be_reached(world: World, missing: str) -> None:
    if missing == "prometheus":
        world.prometheus.fail_next(NOT_READY, times=10)
    else:
        world.kubernetes.fail_next(Fault(403), times=10)

    with pytest.raises(KppError):
        world.run()

    assert world.kubernetes.patches == []
    assert list(world.config.output_directory.iterdir()) == []


def test_an_output_folder_that_cannot_be_made_is_told_before_the_cluster_is_touched(world: World) -> None:
    blocked = world.config.output_directory / "file"
    blocked.write_text("in the way")
    world.config = replace(world.config, output_directory=blocked)

    with pytest.raises(ConfigError, match="KPP_OUTPUT_DIRECTORY"):
        world.run()

    assert world.kubernetes.patches == []
