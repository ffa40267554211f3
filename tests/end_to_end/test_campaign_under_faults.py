"""Campaigns in which something goes wrong: nothing measured is lost, none invented, the load is put back."""

import csv
import logging
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from kpp.collector.campaign.plan import Experiment, Phase
from kpp.collector.csv_writer import MEASUREMENT_COLUMNS
from kpp.collector.history.importing import Request, import_history
from kpp.collector.history.instants import Grid
from kpp.collector.history.loads import Interval
from kpp.collector.measurement import Measurement
from kpp.errors import RolloutError
from kpp.schema import SERVICE, TIMESTAMP
from kpp.simulator.fault_file import (
    AnyFault,
    DelayFault,
    PrometheusFault,
    RefuseFault,
    ResetFault,
    Server,
    ServiceFault,
)
from kpp.simulator.fault_plan import plan_faults
from kpp.simulator.faults import FaultScript
from kpp.simulator.kubernetes.objects.resources import DEPLOYMENTS
from tests.end_to_end.campaigns import Witness, World, serve_world
from tests.end_to_end.test_imported_history import Quiet
from tests.simulator.simulations import simulate, three_tier

USERS = (10, 30)
TICKS = 4
SERVICES = {"web", "api"}  # the database speaks TCP
SETTINGS: dict[str, Any] = {
    "user_counts": USERS,
    "measured_seconds": 60.0 * TICKS,
    "cooldown_seconds": 30.0,
    "rollout_timeout_seconds": 120.0,
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with serve_world(simulate(three_tier()), tmp_path) as served:
        yield served


def load_found(world: World) -> tuple[int, list[dict[str, str]]]:
    """The load generator's replicas and variables."""
    spec = world.simulation.kubernetes.store.get(DEPLOYMENTS, "loadgenerator", "default")["spec"]
    return spec["replicas"], spec["template"]["spec"]["containers"][0]["env"]


def written(campaign: Witness) -> set[tuple[float, str]]:
    """Instant and service of each row on disk."""
    assert campaign.files is not None
    with campaign.files.path.open() as file:
        return {(round(float(row["Timestamp"]), 3), row["Service"]) for row in csv.DictReader(file)}


def ticks(campaign: Witness) -> set[float]:
    return {round(row.timestamp, 3) for row in campaign.rows}


def assert_true(campaign: Witness, row: Measurement) -> None:
    """The row says what happened in its window."""
    truth = campaign.truth_of(row)
    assert row.throughput_rps == pytest.approx(truth.throughput_rps, rel=0.12, abs=0.2), row
    assert row.response_time_seconds == pytest.approx(truth.reported_milliseconds / 1000, rel=0.25), row


@dataclass
class FaultyCampaign(Witness):
    """Lets faults begin when the first experiment is measured; their times count from there."""

    faults: Sequence[AnyFault] = ()
    scripts: dict[Server, FaultScript] = field(default_factory=dict)

    def entered(self, experiment: Experiment, phase: Phase) -> None:
        super().entered(experiment, phase)
        if (experiment.number, phase) == (1, Phase.MEASURING):
            plan_faults(self.faults, self.simulation, self.scripts)


def prepare(world: World, *faults: AnyFault, **settings: Any) -> FaultyCampaign:
    plain = world.witness(**{**SETTINGS, **settings})
    return FaultyCampaign(
        plain.simulation, plain.clock, plain.config, faults=faults, scripts=world.served.scripts
    )


def collect_with(world: World, *faults: AnyFault, **settings: Any) -> FaultyCampaign:
    campaign = prepare(world, *faults, **settings)
    world.run(campaign)
    return campaign


@pytest.mark.parametrize(
    "fault",
    [
        RefuseFault(fault="refuse", code=429, retry_after_seconds=2, times=3),
        RefuseFault(fault="refuse", code=500, times=3),
        RefuseFault(fault="refuse", code=503, method="GET", times=3),
        RefuseFault(fault="refuse", code=409, method="PATCH", times=2),
        ResetFault(fault="reset", times=3),
        ResetFault(fault="reset", method="PATCH", is_done=True, times=2),
        DelayFault(fault="delay", seconds=0.2, times=5),
        RefuseFault(fault="refuse", server="prometheus", code=503, times=2),
        ResetFault(fault="reset", server="prometheus", times=2),
        DelayFault(fault="delay", server="prometheus", seconds=0.2, times=5),
    ],
    ids=lambda fault: f"{fault.server}-{fault.fault}-{getattr(fault, 'code', '')}{fault.method or ''}",
)
def test_faults_that_pass_cost_no_row(
    world: World, fault: RefuseFault | ResetFault | DelayFault, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    before = load_found(world)
    plan_faults([fault], world.simulation, world.served.scripts)  # at the start, and when it measures

    campaign = collect_with(world, fault)

    assert caplog.text.count("scripted fault for") == 2 * (fault.times or 1)
    assert_nothing_lost(campaign)
    assert load_found(world) == before


def assert_nothing_lost(campaign: Witness) -> None:
    assert written(campaign) == {(at, service) for at in campaign.grid for service in SERVICES}
    for row in campaign.rows:
        assert_true(campaign, row)


def test_answers_that_come_after_the_time_out_are_asked_for_again(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    before = load_found(world)

    campaign = collect_with(
        world,
        DelayFault(fault="delay", method="GET", seconds=1.5, times=1),
        DelayFault(fault="delay", server="prometheus", seconds=1.5, times=1),
        request_timeout_seconds=1.0,
    )

    assert caplog.text.count("scripted fault for") == 2
    assert_nothing_lost(campaign)
    assert load_found(world) == before


def test_while_prometheus_is_down_ticks_are_lost_and_the_others_are_true(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    before = load_found(world)

    # down from 70 s to 170 s of measuring: ticks 1 and 2, asked for at 90 s and 150 s, get no answer
    campaign = collect_with(world, PrometheusFault(fault="prometheus-down", at=70, lasts_seconds=100))

    lost = set(campaign.grid) - ticks(campaign)
    assert lost == set(sorted(campaign.grid)[:2])
    assert written(campaign) == {(at, service) for at in ticks(campaign) for service in SERVICES}
    assert "is lost" in caplog.text
    for row in campaign.rows:
        if row.timestamp > min(campaign.grid) + 130 or row.user_count == USERS[1]:
            assert_true(campaign, row)
    assert load_found(world) == before


def test_a_gap_in_the_scrapes_leaves_cells_empty(world: World) -> None:
    before = load_found(world)

    # nothing is scraped from 0 s to 190 s: no window that ends by then holds two samples
    campaign = collect_with(world, PrometheusFault(fault="scrape-gap", at=0, lasts_seconds=190))

    assert written(campaign) == {(at, service) for at in campaign.grid for service in SERVICES}
    instants = sorted(campaign.grid)
    empty = [row for row in campaign.rows if round(row.timestamp, 3) in instants[1:3]]
    assert len(empty) == 2 * len(SERVICES)
    for row in empty:
        measured = (row.throughput_rps, row.response_time_seconds, row.cpu_cores, row.error_rate_rps)
        assert measured == (None, None, None, None)
        assert row.replicas == 2, "Kubernetes went on answering"
    for row in campaign.rows:
        if row.user_count == USERS[1]:
            assert_true(campaign, row)
    assert load_found(world) == before


def test_a_gap_over_a_part_of_a_window_leaves_its_rates_empty_and_its_neighbors_alone(world: World) -> None:
    before = load_found(world)

    # from the second window into the third; of CPU, whose windows are longer, it lies inside of the third
    campaign = collect_with(world, PrometheusFault(fault="scrape-gap", at=95, lasts_seconds=55))

    assert written(campaign) == {(at, service) for at in campaign.grid for service in SERVICES}
    instants = sorted(campaign.grid)
    cut, cpu_cut = instants[1:3], [instants[1], instants[3]]
    for row in campaign.rows:
        at = round(row.timestamp, 3)
        assert row.response_time_seconds is not None, "a quotient of two rates is not too low"
        if at in cut:
            assert (row.throughput_rps, row.error_rate_rps) == (None, None)
        else:
            assert_true(campaign, row)
        if at in cpu_cut:
            assert (row.cpu_cores, row.sidecar_cpu_cores) == (None, None)
        else:
            assert row.cpu_cores == pytest.approx(campaign.truth_of(row, intervals=2).cpu_cores, rel=0.2)
    assert load_found(world) == before

    first = [row for row in campaign.rows if row.user_count == USERS[0]]
    request = Request(
        grid=Grid(first[0].timestamp, 60, TICKS),
        intervals=(Interval(instants[0] - 120.1, instants[TICKS - 1] + 0.1, USERS[0]),),
    )
    imported = import_history(campaign.config, request, world.pace, Quiet())
    table = pd.read_csv(imported.files.measurements)
    collected = pd.DataFrame([astuple(row) for row in first], columns=MEASUREMENT_COLUMNS)
    collected = collected.sort_values([TIMESTAMP, SERVICE], ignore_index=True)
    pd.testing.assert_frame_equal(table, collected, check_dtype=False, rtol=1e-9)


def test_when_pods_are_replaced_their_counters_reset_and_no_value_is_invented(world: World) -> None:
    before = load_found(world)

    campaign = collect_with(world, ServiceFault(fault="replace", at=90, service="api"))

    assert written(campaign) == {(at, service) for at in campaign.grid for service in SERVICES}
    for row in campaign.rows:
        most_rps = max(other.throughput_rps or 0 for other in campaign.rows if other.service == row.service)
        assert row.throughput_rps is not None
        assert 0 < row.throughput_rps <= most_rps
        assert row.cpu_cores is None or 0 < row.cpu_cores < 2 * 0.5
    for row in campaign.rows:
        if row.user_count == USERS[1]:
            assert_true(campaign, row)
    web = [row for row in campaign.rows if row.service == "web" and row.user_count == USERS[0]]
    assert max(row.error_rate_rps or 0 for row in web) > 0, "requests failed while the pods were gone"
    assert load_found(world) == before


def test_when_a_container_restarts_its_cpu_counter_does_and_no_value_is_invented(world: World) -> None:
    before = load_found(world)

    campaign = collect_with(world, ServiceFault(fault="restart", at=90, service="api"))

    assert written(campaign) == {(at, service) for at in campaign.grid for service in SERVICES}
    for row in campaign.rows:
        assert row.cpu_cores is not None
        assert 0 < row.cpu_cores < 2 * 0.5
        if row.user_count == USERS[1]:
            assert_true(campaign, row)
    assert load_found(world) == before


def test_a_load_generator_that_never_gets_ready_ends_the_campaign_and_keeps_what_was_measured(
    world: World,
) -> None:
    before = load_found(world)
    campaign = prepare(world, ServiceFault(fault="never-ready", at=100, service="loadgenerator"))

    with pytest.raises(RolloutError, match="loadgenerator"):
        world.run(campaign)

    first = {at for at, user_count in campaign.grid.items() if user_count == USERS[0]}
    assert len(first) == TICKS
    assert written(campaign) == {(at, service) for at in first for service in SERVICES}
    for row in campaign.rows:
        assert_true(campaign, row)
    assert load_found(world) == before
