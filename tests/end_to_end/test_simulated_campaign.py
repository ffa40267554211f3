"""The collector measures a simulated cluster over HTTP, and what it says is compared with what happened."""

import csv
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean

import pytest

from kpp.collector.measurement import Measurement
from kpp.simulator.application import service_of
from kpp.simulator.metrics.pod_cgroups import Runtime
from tests.end_to_end.campaigns import Truth, Witness, serve_world
from tests.simulator.simulations import boutique, simulate

USERS = (60, 280)  # light, and above the 250 or so at which the frontend reaches its CPU limit
TICKS = 6
CPU_INTERVALS = 2  # CPU is measured over 120 s, all else over 60 s


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    """Two experiments of six minutes, with the phases of a real campaign."""
    folder = tmp_path_factory.mktemp("campaign")
    with serve_world(simulate(boutique(), replicas={"currencyservice": 2}), folder) as world:
        yield world.collect(user_counts=USERS, measured_seconds=60 * TICKS)


def means(
    campaign: Witness,
    measured: Callable[[Measurement], float | None],
    true: Callable[[Truth], float],
    intervals: int = 1,
) -> dict[tuple[int, str], tuple[float, float]]:
    """The means over each experiment, measured and true, by user count and service; nothing is missing.

    `intervals` is the length of the signal's window.
    """
    pairs: dict[tuple[int, str], list[tuple[float, float]]] = defaultdict(list)
    for row in campaign.rows:
        value = measured(row)
        assert value is not None, row
        pairs[row.user_count, row.service].append((value, true(campaign.truth_of(row, intervals))))
    return {
        key: (fmean(value for value, _ in its), fmean(value for _, value in its))
        for key, its in pairs.items()
    }


def test_there_is_a_row_for_each_tick_and_service_and_no_other(campaign: Witness) -> None:
    services = {*boutique().services} - {"redis-cart", "loadgenerator"}
    assert {(round(row.timestamp, 3), row.user_count, row.service) for row in campaign.rows} == {
        (at, user_count, service) for at, user_count in campaign.grid.items() for service in services
    }
    assert len(campaign.rows) == len(USERS) * TICKS * len(services)


def test_throughput_is_true(campaign: Witness) -> None:
    found = means(campaign, lambda row: row.throughput_rps, lambda truth: truth.throughput_rps)
    for key, (measured, true) in found.items():
        assert measured == pytest.approx(true, rel=0.03, abs=0.08), key  # abs: one request at a window's edge


def test_response_time_is_what_the_sidecars_reported(campaign: Witness) -> None:
    found = means(
        campaign,
        lambda row: row.response_time_seconds,
        lambda truth: truth.reported_milliseconds / 1000,
    )
    for key, (measured, true) in found.items():
        assert measured == pytest.approx(true, rel=0.12, abs=0.0003), key


def test_response_time_is_that_of_the_application_cut_to_milliseconds(campaign: Witness) -> None:
    found = means(campaign, lambda row: row.response_time_seconds, lambda truth: truth.response_time_seconds)
    for key, (measured, true) in found.items():
        # the sidecar adds its own way through, and cuts off half a millisecond in the mean
        assert 0.88 * true - 0.001 < measured < 1.12 * true + 0.002, key


def test_cpu_is_that_of_the_application_alone_and_the_sidecars_stands_apart(campaign: Witness) -> None:
    """Within what `rate` leaves out of a window of 120 s, some 2 %, and the scatter of few samples."""
    application = means(campaign, lambda row: row.cpu_cores, lambda truth: truth.cpu_cores, CPU_INTERVALS)
    sidecar = means(
        campaign, lambda row: row.sidecar_cpu_cores, lambda truth: truth.sidecar_cpu_cores, CPU_INTERVALS
    )
    for found in (application, sidecar):
        for key, (measured, true) in found.items():
            assert measured == pytest.approx(true, rel=0.1, abs=0.0005), key
        ratio = sum(measured for measured, _ in found.values()) / sum(true for _, true in found.values())
        assert ratio == pytest.approx(0.985, abs=0.02)


def test_the_share_of_throttled_periods_is_true(campaign: Witness) -> None:
    found = means(campaign, lambda row: row.throttled, lambda truth: truth.throttled, CPU_INTERVALS)
    for key, (measured, true) in found.items():
        assert measured == pytest.approx(true, abs=0.06), key
    assert found[280, "frontend"][0] > 0.9
    assert found[60, "frontend"][0] < 0.1


def test_replicas_requests_and_limits_are_the_deployments(campaign: Witness) -> None:
    for row in campaign.rows:
        service = boutique().services[row.service]
        assert row.replicas == (2 if row.service == "currencyservice" else 1)
        assert (row.cpu_request_cores, row.cpu_limit_cores) == (
            service.cpu_request_cores,
            service.cpu_limit_cores,
        )


def test_nothing_failed(campaign: Witness) -> None:
    assert {row.error_rate_rps for row in campaign.rows} == {0.0}


def test_the_entry_service_obeys_the_law_of_the_closed_loop(campaign: Witness) -> None:
    """N = X (Z + R), with 28/19 requests and 5.5 s of pause per task: what no part of the simulator knows."""
    pause_seconds = 5.5 / (28 / 19)
    for user_count in USERS:
        rows = [row for row in campaign.rows if (row.user_count, row.service) == (user_count, "frontend")]
        throughput_rps = fmean(row.throughput_rps or 0 for row in rows)
        response_time_seconds = fmean(row.response_time_seconds or 0 for row in rows)
        assert throughput_rps * (pause_seconds + response_time_seconds) == pytest.approx(user_count, rel=0.04)


def test_who_calls_whom_is_what_the_application_describes(campaign: Witness) -> None:
    assert campaign.files is not None
    with campaign.files.calls_path.open() as file:
        rows = list(csv.DictReader(file))
    measured = {(row["Caller"], row["Callee"], int(row["User Count"])): float(row["Calls"]) for row in rows}
    described = {
        (service_of(key), service_of(call.operation))
        for key, operation in boutique().operations()
        for call in operation.calls
        if service_of(call.operation) != "redis-cart"
    }
    assert {pair[:2] for pair in measured} == described
    fixed = {
        ("checkoutservice", "cartservice"): 2,
        ("checkoutservice", "paymentservice"): 1,
        ("checkoutservice", "emailservice"): 1,
        ("checkoutservice", "shippingservice"): 2,
        ("recommendationservice", "productcatalogservice"): 1,
        # the mix of Locust's tasks: 28 frontend requests in 19 tasks, 16 of them with advertisements
        ("frontend", "adservice"): 16 / 28,
        ("frontend", "recommendationservice"): 20 / 28,
        ("frontend", "checkoutservice"): 1 / 28,
    }
    for (caller, callee), calls in fixed.items():
        for user_count in USERS:
            rare = 0.15 if "checkoutservice" in (caller, callee) else 0.05
            assert measured[caller, callee, user_count] == pytest.approx(calls, rel=rare), (caller, callee)


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    texts = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        with serve_world(simulate(boutique(), seed=7), folder) as world:
            files = world.collect(user_counts=(20,), measured_seconds=120).files
        assert files is not None
        texts.append((files.path.read_text(), files.calls_path.read_text()))
    assert texts[0] == texts[1]


def test_with_a_runtime_that_labels_only_pods_the_pods_cpu_is_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with serve_world(simulate(boutique(), runtime=Runtime.CRI_DOCKERD), tmp_path) as world:
        campaign = world.collect(user_counts=(60,), measured_seconds=180)
    found = means(
        campaign,
        lambda row: row.cpu_cores,
        lambda truth: truth.cpu_cores + truth.sidecar_cpu_cores,
        CPU_INTERVALS,
    )
    for key, (measured, true) in found.items():
        assert measured == pytest.approx(true, rel=0.1, abs=0.0005), key
    assert {(row.sidecar_cpu_cores, row.throttled) for row in campaign.rows} == {(None, None)}
    assert "labels only pods" in caplog.text
