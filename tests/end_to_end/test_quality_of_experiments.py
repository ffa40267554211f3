"""What a campaign says of its own experiments, compared with what was done to the cluster meanwhile."""

import csv
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import fmean

import pytest

from kpp.collector.campaign.journal_record import CampaignRecord, journal_of, read_journal
from kpp.collector.campaign.plan import Phase, plan_campaign
from kpp.collector.quality.quality_file import quality_path
from kpp.errors import ShortfallError
from kpp.simulator.faults import Fault, Refuse
from kpp.simulator.kubernetes.objects.resources import DEPLOYMENTS
from tests.end_to_end.campaigns import Witness, World, serve_world
from tests.simulator.simulations import patch_deployment, set_load, simulate, three_tier


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with serve_world(simulate(three_tier()), tmp_path) as serving:
        yield serving


def quality_of(campaign: Witness) -> list[dict[str, str]]:
    assert campaign.files is not None
    with quality_path(campaign.files.path).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def journal(campaign: Witness) -> CampaignRecord:
    assert campaign.files is not None
    record = read_journal(journal_of(campaign.files.path))
    assert record is not None
    return record


def measuring_began(campaign: Witness) -> list[float]:
    return [at for _, phase, at in campaign.phases if phase is Phase.MEASURING]


def test_a_quiet_campaign_has_nothing_to_remark(world: World) -> None:
    campaign = world.collect(user_counts=(20, 40), repeat=2, measured_seconds=360)
    rows = quality_of(campaign)
    assert [row["User Count"] for row in rows] == ["20", "40", "20", "40"]
    assert [row["Remarks"] for row in rows] == [""] * 4
    assert {row["Steadiness"] for row in rows} == {"steady"}
    assert {(row["Samples"], row["Missing"], row["Restarts"], row["Errors"]) for row in rows} == {
        ("6", "0.0", "0", "0.0")
    }
    web = [row.throughput_rps or 0 for row in campaign.rows if row.service == "web"]
    assert float(rows[0]["Throughput (req/s)"]) == pytest.approx(fmean(web[:6]))
    # 1 to 5 s of pause in a task of 6/5 requests
    assert [float(row["Think Time (s)"]) for row in rows] == pytest.approx([3 / 1.2] * 4, rel=0.1)
    assert [float(row["Achieved Load"]) for row in rows] == pytest.approx([1] * 4, abs=0.1)
    assert {row["Load Generator Ready"] for row in rows} == {"1.0"}


def test_restarts_and_new_pods_are_counted(world: World) -> None:
    simulation, campaign = world.simulation, world.witness(user_counts=(20,), measured_seconds=300)

    def disturb() -> None:
        simulation.kubernetes.restart_service("api")
        patch_deployment(simulation, "web", lambda spec: spec.update(replicas=1))

    simulation.call_at(simulation.now + 200, disturb)
    world.run(campaign)
    (row,) = quality_of(campaign)
    assert (row["Restarts"], row["Pods Replaced"]) == ("2", "1")
    assert "2 restarts, 1 pods replaced" in row["Remarks"]


def test_an_experiment_goes_on_until_it_is_steady(world: World) -> None:
    """More users come in each of its first five minutes."""
    simulation = world.simulation
    campaign = world.witness(
        user_counts=(5,), measured_seconds=300, until_steady=True, max_measured_seconds=1800
    )
    plan = plan_campaign(campaign.config)
    starts_at = simulation.now + plan.experiments[0].warmup_seconds + 20
    for minute in range(5):
        users = 10 * (minute + 2)
        simulation.call_at(starts_at + 60 * minute, partial(set_load, simulation, users))
    world.run(campaign)
    (row,) = quality_of(campaign)
    extended = float(row["Extended (s)"])
    assert 120 <= extended < 1500
    assert row["Steadiness"] == "steady"
    assert len(campaign.rows) == 2 * (5 + extended / 60)
    assert journal(campaign).row_count == len(campaign.rows)


def test_one_that_never_gets_steady_ends_at_the_bound(world: World) -> None:
    simulation = world.simulation
    campaign = world.witness(
        user_counts=(5,), measured_seconds=300, until_steady=True, max_measured_seconds=480
    )
    for minute in range(12):
        users = 5 * (minute + 2)
        simulation.call_at(simulation.now + 60 * minute + 60, partial(set_load, simulation, users))
    world.run(campaign)
    (row,) = quality_of(campaign)
    assert (row["Samples"], row["Extended (s)"], row["Steadiness"]) == ("8", "180.0", "drifting")
    assert "it drifts: throughput by +" in row["Remarks"]


def test_a_campaign_that_breaks_the_application_ends_and_keeps_its_rows(world: World) -> None:
    simulation = world.simulation
    found = simulation.kubernetes.store.get(DEPLOYMENTS, "loadgenerator", "default")["spec"]
    campaign = world.witness(
        user_counts=(20, 30), measured_seconds=300, cooldown_seconds=60, error_budget=0.05
    )

    def lose_api() -> None:
        patch_deployment(simulation, "api", lambda spec: spec.update(replicas=0))

    simulation.call_at(simulation.now + 600, lose_api)
    with pytest.raises(ShortfallError, match=r"and the error budget is 5\.0%") as error:
        world.run(campaign)
    assert error.value.exit_code == 5

    assert simulation.kubernetes.store.get(DEPLOYMENTS, "loadgenerator", "default")["spec"] == found
    assert campaign.files is not None
    lines = campaign.files.path.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + len(campaign.rows)
    assert {row.user_count for row in campaign.rows} == {20, 30}
    rows = quality_of(campaign)
    assert [row["User Count"] for row in rows] == ["20", "30"]
    assert "of the requests failed" in rows[1]["Remarks"]
    record = journal(campaign)
    assert (record.outcome, record.is_restored, [*record.completed]) == ("failed", True, [1])


def test_without_a_budget_it_goes_on(world: World) -> None:
    campaign = world.witness(user_counts=(20,), measured_seconds=300)
    world.simulation.call_at(
        world.simulation.now + 200,
        lambda: patch_deployment(world.simulation, "api", lambda spec: spec.update(replicas=0)),
    )
    world.run(campaign)
    (row,) = quality_of(campaign)
    assert float(row["Errors"]) > 0.05


def test_what_is_only_good_to_know_costs_no_sample(world: World) -> None:
    """For some minutes the load generator's Deployment cannot be read."""
    campaign = world.witness(user_counts=(20,), measured_seconds=300)
    refused = Fault(Refuse(403), method="GET", path="/deployments/loadgenerator$", times=None)
    starts_at = world.simulation.now + 200
    world.served.scripts["kubernetes"].add(replace(refused, begins_at=starts_at, ends_at=starts_at + 150))
    world.run(campaign)
    assert len(campaign.rows) == 2 * 5
    (row,) = quality_of(campaign)
    assert (row["Samples"], row["Missing"], row["Load Generator Ready"]) == ("5", "0.0", "1.0")
