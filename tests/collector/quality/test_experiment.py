"""The judgment of an experiment: each thing that may be wrong, and nothing where all is well."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from kpp.cli.campaigns.quality_text import print_quality
from kpp.collector.quality.errors import FEWEST_REQUESTS, error_share, keep_to_budget
from kpp.collector.quality.experiment import ExperimentQuality, judge_experiment
from kpp.collector.quality.load import OfferedLoad, find_achieved, lightest
from kpp.collector.quality.pods import PodChanges, compare_pods, read_restarts
from kpp.collector.quality.quality_file import (
    COLUMNS,
    find_achieved_loads,
    quality_path,
    render_quality,
    write_quality,
)
from kpp.collector.quality.remarks import find_remarks
from kpp.collector.quality.trend import Steadiness
from kpp.errors import ShortfallError
from tests.collector.quality.experiments import ENTRY, OTHER, THINK_SECONDS, record, row


def remarks_of(quality: ExperimentQuality) -> str:
    (achieved,) = find_achieved_loads([quality])
    return "; ".join(find_remarks(quality, achieved))


def test_where_all_is_well_there_is_no_remark() -> None:
    quality = judge_experiment(record(readiness=[(1, 1)] * 10))
    assert quality.steadiness is Steadiness.STEADY
    assert (quality.missing_share, quality.error_share, quality.ready_share) == (0.0, 0.0, 1.0)
    assert (quality.throughput_variation, quality.response_time_variation) == (0.0, 0.0)
    assert quality.load.think_time_seconds == pytest.approx(THINK_SECONDS)
    assert remarks_of(quality) == ""


@pytest.mark.parametrize(
    ("made", "remark"),
    [
        (
            record(change=lambda tick: {"response_time_seconds": 1.0 + tick / 10}),
            "it drifts: response time by +45% (p = 5.5e-07)",
        ),
        (
            record(change=lambda tick: {"response_time_seconds": 1.0 + (tick % 2)}),
            "the response time scatters by 35% from sample to sample",
        ),
        (record(lost_tick_count=10), "50% of the values are missing"),
        (record(change=lambda _: {"cpu_cores": None}), "17% of the values are missing"),
        (record(change=lambda _: {"error_rate_rps": 0.25}), "10.0% of the requests failed"),
        (
            record(pods_before={"a": 0, "b": 2}, pods_after={"b": 4, "c": 0}),
            "2 restarts, 1 pods replaced",
        ),
        (
            record(change=lambda _: {"throttled": 0.5}),
            "frontend was throttled in 50% of its periods",
        ),
        (record(readiness=[(1, 1), (0, 1)]), "the load generator was ready 50% of the time"),
    ],
)
def test_what_is_wrong_is_said(made: Any, remark: str) -> None:
    assert remarks_of(judge_experiment(made)) == remark


def test_an_experiment_of_few_samples_is_too_short_and_no_more_is_said() -> None:
    quality = judge_experiment(record(tick_count=4))
    assert quality.steadiness is Steadiness.TOO_SHORT
    assert remarks_of(quality) == ""


def test_one_that_was_extended_is_judged_by_its_last_ticks() -> None:
    """It settles in its first five minutes."""
    made = record(tick_count=15, change=lambda tick: {"response_time_seconds": max(6 - tick, 1.0)})
    assert judge_experiment(made).steadiness is Steadiness.DRIFTING
    assert made.steadiness() is Steadiness.DRIFTING
    assert made.steadiness(last=10) is Steadiness.STEADY
    assert judge_experiment(made, steady_over=10).steadiness is Steadiness.STEADY


def test_the_users_who_were_not_there_are_told_by_the_lightest_experiment() -> None:
    """The load generator reaches 60 of 100 users: the rest makes no requests."""
    full = {"throughput_rps": 60 / (1.0 + THINK_SECONDS)}
    light, heavy = judge_experiment(record(20)), judge_experiment(record(100, change=lambda _: full))
    loads = find_achieved_loads([heavy, light])
    assert [each.share for each in loads if each] == pytest.approx([0.6, 1.0])
    assert [each.is_as_asked for each in loads if each] == [False, True]
    assert next(find_remarks(heavy, loads[0])) == "the load was 60% of what was asked for (± 6%)"


@given(
    users=st.integers(1, 1000),
    think=st.floats(0.5, 10),
    times=st.tuples(st.floats(0.001, 5), st.floats(0.001, 5)),
    share=st.floats(0.1, 1),
)
def test_the_share_of_users_is_that_of_the_closed_loop(
    users: int, think: float, times: tuple[float, float], share: float
) -> None:
    reference = OfferedLoad(users, users / (think + times[0]), times[0], 600)
    there = users * 10 * share
    load = OfferedLoad(users * 10, there / (think + times[1]), times[1], 600)
    achieved = find_achieved(load, lightest([load, reference]))
    assert achieved is not None
    assert achieved.share == pytest.approx(share, rel=1e-6)


def test_few_requests_leave_more_open() -> None:
    reference = OfferedLoad(1, 0.25, 1.0, 120)
    short, long = OfferedLoad(10, 2.0, 1.0, 60), OfferedLoad(10, 2.0, 1.0, 6000)
    few, many = find_achieved(short, reference), find_achieved(long, OfferedLoad(1, 0.25, 1.0, 60000))
    assert few is not None
    assert many is not None
    assert few.share == many.share == pytest.approx(0.8)
    assert few.is_as_asked
    assert not many.is_as_asked


def test_without_traffic_nothing_is_known() -> None:
    quality = judge_experiment(
        record(change=lambda _: {"throughput_rps": None, "response_time_seconds": None})
    )
    assert quality.load.think_time_seconds is None
    assert find_achieved_loads([quality]) == [None]
    assert quality.error_share is None


def test_restarts_are_read_off_the_pods() -> None:
    def pod(name: str, *counts: int) -> Any:
        return {
            "metadata": {"name": name},
            "status": {
                "containerStatuses": [{"restartCount": count} for count in counts],
                "initContainerStatuses": [{"restartCount": 1}],
            },
        }

    pods = [pod("a-1", 0, 2), pod("load-1", 5), {"metadata": {"name": "b-1"}}]
    assert read_restarts(pods, {"a-1": "a", "b-1": "b"}) == {"a-1": 3, "b-1": 0}
    assert compare_pods({"a-1": 3}, {"a-1": 2}) == PodChanges(restarts=0, replaced=0)
    assert compare_pods(None, {"a-1": 2}) is None


@pytest.mark.parametrize(
    ("error_rate", "budget", "is_broken"),
    [(0.2, 0.05, True), (0.1, 0.05, False), (2.5, None, False), (0.01, 0.0, True), (2.5, 1.0, False)],
)
def test_the_error_budget(error_rate: float, budget: float | None, is_broken: bool) -> None:
    """2.5 requests a second at the entry, so 0.125 may fail."""
    rows = record(change=lambda _: {"error_rate_rps": error_rate}).rows
    if not is_broken:
        keep_to_budget(rows, ENTRY, budget, 60)
        return
    with pytest.raises(
        ShortfallError, match=f"of 1500 requests failed, and the error budget is {budget:.1%}"
    ):
        keep_to_budget(rows, ENTRY, budget, 60)


def test_what_others_than_the_entry_fail_in_is_no_matter_of_the_budget() -> None:
    rows = [row(ENTRY, 1), row(OTHER, 1, error_rate_rps=2.5)]
    keep_to_budget(rows, ENTRY, 0.05, 60)
    with pytest.raises(ShortfallError):
        keep_to_budget(rows, "not-measured", 0.05, 60)


def test_a_few_requests_are_no_share() -> None:
    broken = row(ENTRY, 1, error_rate_rps=2.5)
    seconds = FEWEST_REQUESTS / 2.5
    keep_to_budget([broken], ENTRY, 0.05, seconds - 1)
    with pytest.raises(ShortfallError):
        keep_to_budget([broken], ENTRY, 0.05, seconds)


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 100)), min_size=1, max_size=10))
def test_the_share_of_errors_counts_requests_and_not_minutes(rates: list[tuple[float, float]]) -> None:
    rows = [row(ENTRY, 1, error_rate_rps=errors, throughput_rps=served) for errors, served in rates]
    served = sum(each for _, each in rates)
    share = error_share(rows)
    if served > 0:
        assert share == pytest.approx(sum(each for each, _ in rates) / served)
    else:
        assert share is None


def test_the_file_has_a_row_for_each_experiment(tmp_path: Path) -> None:
    made = [judge_experiment(record(20)), judge_experiment(record(10, tick_count=3, lost_tick_count=7))]
    path = quality_path(tmp_path / "performance_results_20260101-000000.csv")
    assert path.name == "performance_quality_20260101-000000.csv"
    write_quality(path, made)
    assert path.read_text() == render_quality(made)
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert tuple(rows[0]) == COLUMNS
    assert [each["User Count"] for each in rows] == ["20", "10"]
    assert [each["Steadiness"] for each in rows] == ["steady", "too short"]
    assert rows[1]["Throughput Trend p"] == ""
    assert rows[1]["Remarks"] == "70% of the values are missing"
    assert {each["Trend Test"] for each in rows} == {"Mann-Kendall"}


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits(width: int) -> None:
    made = [
        judge_experiment(record(100_000, change=lambda tick: {"response_time_seconds": 12.0 + 7 * tick})),
        judge_experiment(record(10, lost_tick_count=5)),
    ]
    console = Console(width=width, file=io.StringIO())
    print_quality(made, console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    lines = text.splitlines()
    assert "…" not in text
    assert all(len(line) <= width for line in lines)
    assert "drifting" in text
    assert any(line.startswith("experiment 1: ") for line in lines)
