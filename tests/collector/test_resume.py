"""Campaigns that died, resumed and restored: in one process, on a clock that is turned by hand."""

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from kpp.collector.campaign.journal import Journal
from kpp.collector.campaign.journal_record import CampaignRecord, find_unrestored, journal_of, read_journal
from kpp.collector.campaign.manifest import manifest_path
from kpp.collector.campaign.plan import Experiment, Level, Phase, Plan, plan_campaign
from kpp.collector.campaign.resuming import refuse_other_settings, settings_of
from kpp.collector.cluster.state import ClusterState, Restored
from kpp.collector.collector import close_campaign, restore_campaign, resume_campaign, run_campaign
from kpp.collector.config import Config, read_config
from kpp.collector.kubernetes_client import KubernetesClient
from kpp.collector.measurement import Measurement
from kpp.collector.prometheus_client import PrometheusClient
from kpp.errors import (
    ClusterError,
    ConfigError,
    KubernetesError,
    LeaseLostError,
    PrometheusError,
    ShortfallError,
)
from tests.collector.boutique_load import SERVICES
from tests.collector.campaign_worlds import Watcher, open_world
from tests.collector.campaign_worlds import World as Campaign
from tests.collector.fake_kubernetes import Fault
from tests.collector.fake_prometheus import NOT_READY

LEVELS = [Level(10), Level(30, {"frontend": 2, "adservice": 3})]


class PowerCut(BaseException):
    """Ends a campaign, and everything that it would clean up."""


@dataclass
class Doomed(Watcher):
    """Cuts the power when a phase begins."""

    dies_at: tuple[int, Phase] | None = None

    def entered(self, experiment: Experiment, phase: Phase) -> None:
        super().entered(experiment, phase)
        if self.dies_at == (experiment.number, phase) and phase is not Phase.MEASURING:
            raise PowerCut

    def sampled(self, rows: Sequence[Measurement]) -> None:
        super().sampled(rows)
        number, phase, _ = self.phases[-1]
        if self.dies_at == (number, phase) and len(self.batches) % 3 == 2:  # in the middle of measuring
            raise PowerCut


class DeadClient(KubernetesClient):
    """Leaves the cluster as it is when its campaign dies, as kill -9 does."""

    def restore(self, state: ClusterState) -> Restored:
        raise PowerCut


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Campaign]:
    with open_world(tmp_path) as served:
        yield served


def die(world: Campaign, at: tuple[int, Phase], monkeypatch: pytest.MonkeyPatch) -> CampaignRecord:
    """Run a campaign until the power goes off, and read its journal."""
    watcher = Doomed(world.clock, dies_at=at)
    plan = plan_campaign(world.config, LEVELS)
    with monkeypatch.context() as patched:
        patched.setattr(Journal, "ended", lambda *_: None)
        patched.setattr("kpp.collector.cluster.lease.CampaignLease.release", lambda _: None)
        with (
            DeadClient(world.config, world.clock, world.kubernetes.api_client()) as cluster,
            PrometheusClient(world.config, world.clock) as prometheus,
            pytest.raises(PowerCut),
        ):
            run_campaign(world.config, cluster, prometheus, world.clock, watcher, plan)
    assert watcher.files is not None
    record = read_journal(journal_of(watcher.files.path))
    assert record is not None
    return record


def resume(world: Campaign, record: CampaignRecord, check: Callable[[], object] = lambda: None) -> None:
    with (
        KubernetesClient(world.config, world.clock, world.kubernetes.api_client()) as cluster,
        PrometheusClient(world.config, world.clock) as prometheus,
    ):
        resume_campaign(record, world.config, cluster, prometheus, world.clock, world.watcher, check)


def read(record: CampaignRecord) -> CampaignRecord:
    """What the journal says by now."""
    found = read_journal(record.path)
    assert found is not None
    return found


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.WARMUP, Phase.MEASURING])
def test_a_dead_campaign_goes_on_with_the_first_experiment_that_is_not_completed(
    world: Campaign, number: int, phase: Phase, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = world.kubernetes.cluster.specs()
    record = die(world, (number, phase), monkeypatch)
    assert record.outcome is None
    assert not record.is_restored
    assert world.kubernetes.leases != {}

    resume(world, record)

    assert {number for number, _, _ in world.watcher.phases} == set(range(number, 3))
    rows = world.rows()
    assert len({(row["Timestamp"], row["Service"]) for row in rows}) == len(rows) == 2 * 3 * len(SERVICES)
    assert [row["User Count"] for row in rows] == ["10"] * 30 + ["30"] * 30
    assert world.kubernetes.cluster.specs() == before
    assert world.kubernetes.leases == {}
    finished = read_journal(record.path)
    assert finished is not None
    assert finished.is_finished
    assert finished.is_restored
    assert manifest_path(journal_of(record.path).with_suffix(".csv")).suffix == ".json"


def test_experiments_have_the_replicas_that_were_asked_for(world: Campaign) -> None:
    before = world.kubernetes.cluster.specs()
    seen: dict[int, tuple[int, int, int]] = {}

    class Looking(Watcher):
        def entered(self, experiment: Experiment, phase: Phase) -> None:
            super().entered(experiment, phase)
            specs = world.kubernetes.cluster.specs()
            if phase is Phase.MEASURING:
                names = ("frontend", "adservice", "cartservice")
                first, second, third = (specs[name]["replicas"] for name in names)
                seen[experiment.number] = (first, second, third)

    world.watcher = Looking(world.clock)
    levels = [*LEVELS, Level(20, {"frontend": 3})]
    with (
        KubernetesClient(world.config, world.clock, world.kubernetes.api_client()) as cluster,
        PrometheusClient(world.config, world.clock) as prometheus,
    ):
        plan = plan_campaign(world.config, levels)
        run_campaign(world.config, cluster, prometheus, world.clock, world.watcher, plan)

    assert seen == {1: (1, 1, 1), 2: (2, 3, 1), 3: (3, 1, 1)}
    replicas = {(row["User Count"], row["Service"]): row["Replicas"] for row in world.rows()}
    assert replicas["30", "adservice"] == "3"
    assert replicas["20", "adservice"] == "1"
    assert world.kubernetes.cluster.specs() == before


def test_replicas_of_what_is_no_service_are_refused_before_anything_is_touched(world: Campaign) -> None:
    plan = plan_campaign(world.config, [Level(10, {"front-end": 2})])
    with (
        KubernetesClient(world.config, world.clock, world.kubernetes.api_client()) as cluster,
        PrometheusClient(world.config, world.clock) as prometheus,
        pytest.raises(ConfigError, match=r"front-end, which is no service here.*frontend"),
    ):
        run_campaign(world.config, cluster, prometheus, world.clock, world.watcher, plan)
    assert world.kubernetes.patches == []
    assert list(world.config.output_directory.iterdir()) == []


def restore(world: Campaign, record: CampaignRecord) -> Restored:
    with KubernetesClient(world.config, world.clock, world.kubernetes.api_client()) as cluster:
        return restore_campaign(record, cluster, world.clock)


def test_restoring_says_what_it_changed_and_the_second_time_nothing(
    world: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = world.kubernetes.cluster.specs()
    record = die(world, (2, Phase.WARMUP), monkeypatch)

    assert restore(world, record).changes == (
        "Deployment loadgenerator: replicas 1, USERS=30, RATE=5 in container main -> "
        "replicas 1, USERS=10, RATE=1 in container main",
        "Deployment adservice: replicas 3 -> replicas 1",
        "Deployment frontend: replicas 2 -> replicas 1",
    )
    assert world.kubernetes.cluster.specs() == before
    assert restore(world, record) == Restored()
    assert world.kubernetes.leases == {}


@pytest.mark.parametrize("is_there", [True, False])
def test_another_cluster_is_not_put_back_as_the_campaigns_was(
    world: Campaign, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    record = die(world, (2, Phase.WARMUP), monkeypatch)
    deployments = world.kubernetes.deployments
    for each in deployments.values():
        each["metadata"]["uid"] += " of another cluster"
    if not is_there:
        del deployments["loadgenerator"]
    before = world.kubernetes.cluster.specs()

    with pytest.raises(
        KubernetesError, match=r"may be another cluster, and nothing was written.*--kube-context.*--gone"
    ):
        restore(world, record)

    assert world.kubernetes.cluster.specs() == before
    assert not read(record).is_restored, "what is still changed elsewhere must not count as restored"

    gone = close_campaign(record, "loadgenerator", world.clock).gone

    assert (
        gone[0] == "Deployment loadgenerator is gone; it had replicas 1, USERS=10, RATE=1 in container main"
    )
    assert len(gone) == 3
    assert world.kubernetes.cluster.specs() == before
    assert read(record).is_restored
    assert read(record).gone == gone
    assert close_campaign(record, "loadgenerator", world.clock) == Restored(), "it is closed"


def test_what_is_gone_is_told_the_rest_put_back_and_that_is_the_end(
    world: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = world.kubernetes.cluster.specs()
    record = die(world, (2, Phase.WARMUP), monkeypatch)
    del world.kubernetes.deployments["loadgenerator"]
    del world.kubernetes.deployments["adservice"]

    restored = restore(world, record)

    assert restored.changes == ("Deployment frontend: replicas 2 -> replicas 1",)
    assert restored.gone == (
        "Deployment loadgenerator is gone; it had replicas 1, USERS=10, RATE=1 in container main",
        "Deployment adservice is gone; it had replicas 1",
    )
    assert world.kubernetes.cluster.specs().items() <= before.items()
    assert read(record).is_restored
    assert read(record).gone == restored.gone
    assert find_unrestored(world.config.output_directory) is None


def test_what_was_made_anew_is_left_and_told_with_the_command_that_puts_it_back(
    world: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = world.kubernetes.cluster.specs()
    record = die(world, (2, Phase.WARMUP), monkeypatch)
    world.kubernetes.deployments["loadgenerator"]["metadata"]["uid"] = "new"
    world.kubernetes.deployments["frontend"]["metadata"]["uid"] = "new"
    left = world.kubernetes.cluster.specs()

    restored = restore(world, record)

    after = world.kubernetes.cluster.specs()
    assert restored.changes == ("Deployment adservice: replicas 3 -> replicas 1",)
    assert {name for name, spec in after.items() if spec != before[name]} == {"loadgenerator", "frontend"}
    assert all(after[name] == left[name] for name in ("loadgenerator", "frontend"))
    load_generator, frontend = restored.gone
    assert "was made anew and is left as it is, with replicas 1, USERS=30, RATE=5 in" in load_generator
    assert "kubectl patch deployment loadgenerator --namespace default" in load_generator
    assert frontend.startswith(
        "Deployment frontend was made anew and is left as it is, with replicas 2; it had replicas 1"
    )
    with pytest.raises(ClusterError, match="the load generator was made anew since the campaign began"):
        resume(world, record)


def test_a_journal_without_the_services_uids_is_put_back_too(
    world: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = world.kubernetes.cluster.specs()
    record = die(world, (2, Phase.WARMUP), monkeypatch)
    lines = [json.loads(line) for line in record.path.read_text().splitlines()]
    for event in lines:
        event.get("state", {}).pop("service_uids", None)
    record.path.write_text("".join(f"{json.dumps(event)}\n" for event in lines))

    assert len(restore(world, record).changes) == 3
    assert world.kubernetes.cluster.specs() == before


def test_a_campaign_whose_load_generator_is_made_anew_meanwhile_does_not_end_well(world: Campaign) -> None:
    class Remaking(Watcher):
        def entered(self, experiment: Experiment, phase: Phase) -> None:
            super().entered(experiment, phase)
            if (experiment.number, phase) == (2, Phase.WARMUP):
                world.kubernetes.deployments["loadgenerator"]["metadata"]["uid"] = "new"

    world.watcher = Remaking(world.clock)
    with pytest.raises(
        KubernetesError, match="while it was measured: Deployment loadgenerator was made anew"
    ):
        world.run()

    (journal,) = world.config.output_directory.glob("performance_journal_*")
    record = read_journal(journal)
    assert record is not None
    assert (record.outcome, record.is_restored, len(record.gone)) == ("failed", True, 1)


@pytest.mark.parametrize("is_dead", [True, False])
def test_what_a_campaign_needs_is_checked_when_it_is_put_back_and_before_it_goes_on(
    world: Campaign, monkeypatch: pytest.MonkeyPatch, is_dead: bool
) -> None:
    before = world.kubernetes.cluster.specs()
    record = die(world, (2, Phase.WARMUP), monkeypatch)
    if not is_dead:
        restore(world, record)
    seen = []

    def refuse() -> None:
        seen.append(world.kubernetes.cluster.specs())
        raise ShortfallError("no", mend="mend it")

    with pytest.raises(ShortfallError):
        resume(world, record, refuse)

    assert seen == [before]
    assert read(record).is_restored
    assert read(record).outcome == "failed"
    assert world.kubernetes.leases == {}
    resume(world, record)
    assert read(record).is_finished


def test_what_was_put_back_is_told_when_a_campaign_goes_on(
    world: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = die(world, (2, Phase.WARMUP), monkeypatch)
    manifest = manifest_path(record.measurements).read_bytes()

    resume(world, record)

    assert manifest_path(record.measurements).read_bytes() == manifest, "it tells of the beginning"
    told = "\n".join(world.watcher.changes)
    assert all(f"Deployment {name}: " in told for name in ("loadgenerator", "frontend", "adservice"))


@pytest.mark.parametrize("go_on", [restore, resume])
def test_what_a_killed_process_was_writing_is_removed(
    world: Campaign, monkeypatch: pytest.MonkeyPatch, go_on: Callable[[Campaign, CampaignRecord], object]
) -> None:
    record = die(world, (2, Phase.STARTING), monkeypatch)
    folder = record.path.parent
    for kind in ("campaign", "quality"):
        (name,) = [path.name for path in folder.glob(f"performance_{kind}_*")]
        (folder / f".{name}.4711.tmp").write_bytes(b"half")
    other = folder / ".performance_campaign_20200101-000000.json.4711.tmp"
    other.write_bytes(b"of a campaign that may be alive")

    go_on(world, record)

    assert [path for path in folder.iterdir() if path.suffix == ".tmp"] == [other]


def test_a_new_campaign_does_not_take_for_its_own_what_a_dead_one_left(
    world: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = die(world, (1, Phase.WARMUP), monkeypatch)
    world.clock.sleep(1000)
    left = world.kubernetes.cluster.specs()

    with pytest.raises(ClusterError, match=r"left it when it died.*--resume.*kpp restore"):
        world.run()

    assert world.kubernetes.cluster.specs() == left
    assert len(list(world.config.output_directory.glob("performance_journal_*"))) == 1
    restore(world, record)
    world.run()


def test_a_new_campaign_is_refused_whichever_of_the_dead_ones_left_this_cluster_changed(
    world: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = die(world, (1, Phase.WARMUP), monkeypatch)
    of_elsewhere = older.path.read_text().replace(
        str(older.state and older.state.load_uid), "of another cluster"
    )
    newer = older.path.with_name("performance_journal_20991231-235959.jsonl")
    newer.write_text(of_elsewhere)
    world.clock.sleep(1000)

    with pytest.raises(ClusterError, match=rf"kpp restore {older.path}"):
        world.run()


def test_a_campaign_does_not_go_on_with_what_another_one_left(
    world: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = die(world, (2, Phase.WARMUP), monkeypatch)
    restore(world, record)
    world.clock.sleep(1000)
    other = die(world, (1, Phase.WARMUP), monkeypatch)
    world.clock.sleep(1000)
    left = world.kubernetes.cluster.specs()

    with pytest.raises(ClusterError, match=f"as campaign {other.stem} left it"):
        resume(world, record)

    assert world.kubernetes.cluster.specs() == left
    restore(world, other)
    resume(world, record)


def test_a_campaign_that_restored_itself_is_resumed_with_what_is_there_now(
    world: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = die(world, (2, Phase.STARTING), monkeypatch)
    restore(world, record)
    world.kubernetes.cluster.patch_deployment("loadgenerator", {"spec": {"replicas": 4}})
    world.kubernetes.cluster.settle()
    before = world.kubernetes.cluster.specs()
    record = read_journal(record.path) or record

    resume(world, record)

    assert world.kubernetes.cluster.specs() == before


@pytest.mark.parametrize("change", ["service", "load generator"])
def test_another_application_is_not_gone_on_with(
    world: Campaign, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    record = die(world, (2, Phase.STARTING), monkeypatch)
    if change == "service":
        del world.kubernetes.deployments["emailservice"]
    else:
        world.kubernetes.deployments["loadgenerator"]["metadata"]["uid"] = "another"

    with pytest.raises(ClusterError, match=r"gone: emailservice|made anew"):
        resume(world, record)


def test_a_service_with_another_image_is_gone_on_with_and_a_warning(
    world: Campaign, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    record = die(world, (2, Phase.STARTING), monkeypatch)
    deployment = copy.deepcopy(world.kubernetes.deployments["adservice"])
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = "adservice:2"
    world.kubernetes.deployments["adservice"] = deployment

    resume(world, record)

    assert "have changed since the campaign began, of adservice" in caplog.text


def test_a_campaign_whose_namespace_was_taken_over_changes_nothing_more(world: Campaign) -> None:
    other = {"kpp/campaign": "another", "kpp/host": "h", "kpp/process": "1"}

    class TakenOver(Watcher):
        def entered(self, experiment: Experiment, phase: Phase) -> None:
            super().entered(experiment, phase)
            if phase is Phase.MEASURING:
                lease = copy.deepcopy(world.kubernetes.leases["kpp-campaign"])
                lease["metadata"] |= {"annotations": other, "resourceVersion": "x"}
                lease["spec"]["holderIdentity"] = "bert@server"
                world.kubernetes.leases["kpp-campaign"] = lease

    world.watcher = TakenOver(world.clock)
    with pytest.raises(LeaseLostError, match=r"bert@server.*kpp restore"):
        world.run()

    assert {"name": "USERS", "value": "10"} in world.kubernetes.patches[-2]["spec"]["template"]["spec"][
        "containers"
    ][0]["env"]
    assert world.kubernetes.leases["kpp-campaign"]["spec"]["holderIdentity"] == "bert@server"
    (journal,) = world.config.output_directory.glob("performance_journal_*")
    record = read_journal(journal)
    assert record is not None
    assert (record.outcome, record.is_restored) == ("failed", False)


def test_a_second_campaign_on_the_namespace_is_refused_and_leaves_no_file(world: Campaign) -> None:
    class Second(Watcher):
        def entered(self, experiment: Experiment, phase: Phase) -> None:
            super().entered(experiment, phase)
            if phase is Phase.WARMUP:
                patches = len(world.kubernetes.patches)
                folder = world.config.output_directory / "second"
                rival = replace(
                    world, config=replace(world.config, output_directory=folder), watcher=Watcher(self.clock)
                )
                with pytest.raises(KubernetesError, match="another campaign has the namespace"):
                    rival.run()
                assert list(folder.iterdir()) == []
                assert len(world.kubernetes.patches) == patches

    world.watcher = Second(world.clock)
    world.run()
    assert len(world.rows()) == 2 * 3 * len(SERVICES)


def test_settings_that_matter_have_to_be_the_same(world: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    record = die(world, (1, Phase.WARMUP), monkeypatch)
    recorded = settings_of(record)
    assert read_config({}, {}, None, recorded) == world.config
    (world.config.output_directory / ".env").write_text(
        "KPP_USER_COUNTS=1,2,3\nPROMETHEUS_URL=http://elsewhere:1\n"
    )

    free = read_config({"rollout_timeout_seconds": 5}, {}, world.config.output_directory / ".env", recorded)
    assert (free.user_counts, free.prometheus_url) == ((10, 30), "http://elsewhere:1")
    refuse_other_settings(record, free)

    options = {"user_counts": "10,30,50", "warmup_seconds": "90"}
    with pytest.raises(
        ConfigError,
        match=r"KPP_USER_COUNTS is 10,30,50 and was 10,30; KPP_WARMUP_SECONDS is 90\.0 and was 60\.0",
    ):
        refuse_other_settings(record, read_config(options, {}, None, recorded))


def test_queries_have_to_be_the_same(world: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    record = die(world, (1, Phase.WARMUP), monkeypatch)
    refuse_other_settings(record, world.config)
    changed = replace(record, queries={**record.queries, "throughput": "vector(1)"})

    with pytest.raises(ConfigError, match="the profile istio-sidecar has another text for throughput"):
        refuse_other_settings(changed, world.config)


def test_the_cluster_is_put_back_although_prometheus_is_away(
    world: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = world.kubernetes.cluster.specs()
    record = die(world, (2, Phase.WARMUP), monkeypatch)
    world.prometheus.fail_next(NOT_READY, times=100)

    with pytest.raises(PrometheusError):
        resume(world, record)

    assert world.kubernetes.cluster.specs() == before
    assert len(world.kubernetes.leases) == 0


def test_what_can_be_put_back_is_although_something_cannot(
    world: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = world.kubernetes.cluster.specs()
    record = die(world, (2, Phase.WARMUP), monkeypatch)
    world.kubernetes.fail_next(Fault(403, message="no longer"), path="deployments/adservice", method="PATCH")

    with pytest.raises(
        KubernetesError, match=r"^Deployment adservice in namespace default: .*no longer.*kubectl patch"
    ) as caught:
        restore(world, record)

    assert "loadgenerator" not in str(caught.value)
    differing = {name for name, spec in world.kubernetes.cluster.specs().items() if spec != before[name]}
    assert differing == {"adservice"}
    assert restore(world, record).changes == ("Deployment adservice: replicas 3 -> replicas 1",)


def test_the_journal_has_everything_before_the_cluster_is_touched(
    world: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    patch = KubernetesClient.stop_load
    found: list[list[dict[str, Any]]] = []

    def looking(client: KubernetesClient) -> None:
        (path,) = world.config.output_directory.glob("performance_journal_*")
        found.append([json.loads(line) for line in path.read_text().splitlines()])
        patch(client)

    monkeypatch.setattr(KubernetesClient, "stop_load", looking)
    world.run()

    campaign, cluster, phase = found[0]
    assert campaign["settings"]["namespace"] == "default"
    assert [each["user_count"] for each in campaign["experiments"]] == [10, 30]
    assert cluster["services"]["frontend"]["images"] != {}
    assert cluster["kubernetes_version"].startswith("v1.")
    assert cluster["api_server"].startswith("http://127.0.0.1:")
    assert cluster["services"]["frontend"]["cpu_limit_cores"] == 0.2
    assert cluster["state"]["load"]["variables"][0]["entry"] == {"name": "USERS", "value": "10"}
    assert (phase["event"], phase["experiment"], phase["phase"]) == ("phase", 1, "starting")


def test_a_plan_tells_its_scaled_services() -> None:
    assert plan_campaign(Config(), LEVELS).scaled_services == ("adservice", "frontend")
    assert Plan(()).scaled_services == ()
