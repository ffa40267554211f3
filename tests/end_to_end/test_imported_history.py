"""What is imported afterwards is what a campaign measured while it ran, to the last digit but one."""

from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path

import pandas as pd
import pytest

from kpp.collector.csv_writer import MEASUREMENT_COLUMNS
from kpp.collector.history.importing import Imported, Request, import_history
from kpp.collector.history.instants import Grid
from kpp.collector.history.loads import Interval
from kpp.schema import SERVICE, TIMESTAMP, USER_COUNT, read_measurements
from kpp.whatif.campaign import make_campaign
from kpp.whatif.registry import make_model
from kpp.whatif.scenario import make_scenario
from tests.end_to_end.campaigns import Witness, World, serve_world
from tests.simulator.simulations import boutique, simulate

USERS = (40, 120)
TICKS = 4


class Quiet:
    """An observer that counts."""

    chunk_count = 0
    advanced_count = 0

    def started(self, chunk_count: int) -> None:
        self.chunk_count += chunk_count

    def advanced(self) -> None:
        self.advanced_count += 1


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    with serve_world(simulate(boutique(), replicas={"currencyservice": 2}), folder) as world:
        yield world


@pytest.fixture(scope="module")
def campaign(world: World) -> Witness:
    return world.collect(user_counts=USERS, measured_seconds=60 * TICKS)


def take(world: World, campaign: Witness, request: Request) -> tuple[Imported, pd.DataFrame]:
    observer = Quiet()
    imported = import_history(campaign.config, request, world.pace, observer)
    assert observer.chunk_count == observer.advanced_count > 0
    return imported, pd.read_csv(imported.files.measurements)


def test_imported_rows_are_those_that_were_measured(world: World, campaign: Witness, tmp_path: Path) -> None:
    collected = pd.DataFrame([astuple(row) for row in campaign.rows], columns=MEASUREMENT_COLUMNS)
    parts = []
    for number, user_count in enumerate(USERS):
        instants = sorted(at for at, users in campaign.grid.items() if users == user_count)
        request = Request(
            grid=Grid(collected[TIMESTAMP].iloc[number * TICKS * 10], 60, TICKS),
            intervals=(Interval(instants[0] - 120.1, instants[-1] + 0.1, user_count),),
            output=tmp_path / f"{user_count}.csv",
        )
        parts.append(take(world, campaign, request)[1])
    imported = pd.concat(parts, ignore_index=True)
    assert list(imported.columns) == list(MEASUREMENT_COLUMNS)
    assert len(imported) == len(campaign.rows)
    pd.testing.assert_frame_equal(imported, collected, check_dtype=False, rtol=1e-9)


def test_the_whole_time_is_imported_with_the_request_rate_as_load(
    world: World, campaign: Witness, tmp_path: Path
) -> None:
    start = campaign.rows[0].timestamp - 240
    count = int((campaign.rows[-1].timestamp - start) // 60) + 1
    request = Request(grid=Grid(start, 60, count), output=tmp_path / "performance_results_day.csv")
    imported, frame = take(world, campaign, request)

    entry = frame[frame[SERVICE] == "frontend"]
    assert (entry[USER_COUNT] - entry["Throughput (req/s)"]).abs().max() <= 0.5
    assert imported.instants_left_out == request.grid.count - entry[TIMESTAMP].nunique() > 0
    table = read_measurements([imported.files.measurements])
    assert set(table.frame[SERVICE]) == {*boutique().services} - {"redis-cart", "loadgenerator"}
    assert imported.files.calls.name == "performance_calls_day.csv"
    calls = pd.read_csv(imported.files.calls).set_index(["Caller", "Callee"])["Calls"]
    assert calls["frontend", "adservice"] == pytest.approx(16 / 28, rel=0.1)
    assert calls["checkoutservice", "paymentservice"] == pytest.approx(1, rel=0.25)


def test_the_what_if_models_take_the_request_rate_for_the_load(
    world: World, campaign: Witness, tmp_path: Path
) -> None:
    start = campaign.rows[0].timestamp - 60
    count = int((campaign.rows[-1].timestamp - start) // 60) + 1
    imported, _ = take(world, campaign, Request(grid=Grid(start, 60, count), output=tmp_path / "rate.csv"))
    model = make_model("linear")
    model.fit(make_campaign(read_measurements([imported.files.measurements])))
    scenario = make_scenario(["frontend", "adservice"], [15, 25], {}, float("nan"))
    rates = model.predict(scenario)["Throughput (req/s)"]
    expected = [load * visits for load in (15, 25) for visits in (1, 16 / 28)]
    assert rates.to_numpy() == pytest.approx(expected, rel=0.1)


def test_the_users_come_from_a_metric(world: World, campaign: Witness, tmp_path: Path) -> None:
    request = Request(
        grid=Grid(campaign.rows[0].timestamp, 60, TICKS),
        users_query='scalar(sum(rate(istio_requests_total{source_workload="loadgenerator",'
        'reporter="destination"}[1m]))) * vector(10)',
        output=tmp_path / "users.csv",
    )
    frame = take(world, campaign, request)[1]
    entry = frame[frame[SERVICE] == "frontend"]
    assert list(entry[USER_COUNT]) == [round(10 * value) for value in entry["Throughput (req/s)"]]
