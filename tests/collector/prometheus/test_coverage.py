"""What is cut reads too low, and only that: against `rate` of counters that grow by one a second."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kpp.clock import ManualClock
from kpp.collector.prometheus.answer import Series
from kpp.collector.prometheus.api import PrometheusApi
from kpp.collector.prometheus.coverage import LOOKS, MOST_LEFT_OUT, POD, Coverage
from kpp.collector.queries import Query
from kpp.simulator.promql import SampleStore, query_instant, query_range
from tests.collector.scraped_counters import METRIC, Outage, name, sample, scrape_evenly
from tests.simulator.promql.remote_write import write_remotely
from tests.simulator.promql.servers import serve_real

AT = 1_700_001_000.0  # the window's end
LAG_SECONDS = 30.0
LAST = AT + LAG_SECONDS
WORKLOAD = "destination_workload"
NEWEST = f"max by (destination_workload, instance, case) (timestamp({METRIC}))"
RHYTHMS = [(60, 1), (60, 2), (60, 3), (60, 5), (60, 10), (60, 15), (60, 30), (120, 60), (120, 15), (300, 60)]
SLOWER = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

Scrapes = Mapping[str, Sequence[float]]


def look(store: SampleStore, coverage: Coverage) -> list[Series]:
    """The newest samples, as the embedded Prometheus tells them."""
    start, end = coverage.range_of(AT, AT)
    step_ms = round(1000 * coverage.step_seconds)
    answer = query_range(store, NEWEST, round(1000 * start), round(1000 * end), step_ms)
    return [
        Series(each["metric"], [(at, float(value)) for at, value in each["values"]])
        for each in answer["result"]
    ]


def left_out(scrapes: Scrapes, outages: Sequence[Outage] = (), window_seconds: int = 60) -> dict[str, float]:
    """The share that is left out of each workload's window. A target is named `workload/number`."""
    coverage, store = Coverage(WORKLOAD, window_seconds, LAG_SECONDS), store_of(scrapes, outages)
    found = coverage.left_out(newest := look(store, coverage), np.array([AT]))
    coarser = coverage.coarser(newest)
    assert coarser.step_seconds >= coverage.step_seconds
    again = coarser.left_out(look(store, coarser), np.array([AT]))
    assert {name: shares[0] for name, shares in again.items()} == pytest.approx(
        {name: shares[0] for name, shares in found.items()}, abs=1e-6
    ), "fewer looks see the same"
    return {workload: float(shares[0]) for workload, shares in found.items()}


def store_of(scrapes: Scrapes, outages: Sequence[Outage]) -> SampleStore:
    store = SampleStore(retention_seconds=1e9)
    for target, samples in sample(scrapes, outages):
        number = store.series_number(name(target, target.partition("/")[0]))
        for timestamp_ms, value in samples:
            store.append(number, timestamp_ms, value)
    return store


def rate_of(scrapes: Scrapes, outages: Sequence[Outage], window_seconds: int) -> float | None:
    """What `rate` says of all targets together, per target."""
    text = f"sum(rate({METRIC}[{window_seconds}s]))"
    result = query_instant(store_of(scrapes, outages), text, round(1000 * AT))["result"]
    return float(result[0]["value"][1]) / len(scrapes) if result else None


@st.composite
def rhythms(draw: st.DrawFn) -> tuple[int, float, Scrapes]:
    """A window, a scrape interval, and the scrapes of some targets of one workload at phases of their own."""
    window_seconds, every_seconds = draw(st.sampled_from(RHYTHMS))
    start = AT - 3 * window_seconds - 400
    phases = draw(st.lists(st.floats(0, 1), min_size=1, max_size=4))
    return (
        window_seconds,
        every_seconds,
        {
            f"web/{number}": scrape_evenly(start + phase * every_seconds, LAST, every_seconds)
            for number, phase in enumerate(phases)
        },
    )


@SLOWER
@given(rhythm=rhythms())
def test_nothing_is_left_out_where_no_scrape_is_missing(rhythm: tuple[int, float, Scrapes]) -> None:
    window_seconds, _, scrapes = rhythm
    assert left_out(scrapes, (), window_seconds) == {"web": 0.0}
    assert rate_of(scrapes, (), window_seconds) == pytest.approx(1.0, rel=1e-3)


@SLOWER
@given(rhythm=rhythms(), start=st.floats(-1.5, 1.2), length=st.floats(0.02, 1.5))
def test_what_is_kept_is_right_to_a_tenth(
    rhythm: tuple[int, float, Scrapes], start: float, length: float
) -> None:
    window_seconds, every_seconds, scrapes = rhythm
    began = AT - window_seconds + start * window_seconds
    outage = Outage(began, began + length * window_seconds)
    rate = rate_of(scrapes, [outage], window_seconds)
    share = left_out(scrapes, [outage], window_seconds).get("web", 0.0)
    if share <= MOST_LEFT_OUT and rate is not None:
        # of scrapes nearer to each other than they are looked for, half a look may be missed
        coarse = 0.5 / LOOKS if every_seconds < window_seconds / LOOKS else 0.005
        assert 1 - MOST_LEFT_OUT - coarse <= rate <= 1.001


@SLOWER
@given(rhythm=rhythms(), start=st.floats(0.0, 1.0), length=st.floats(0.02, 1.0))
def test_a_gap_inside_of_the_window_cuts_nothing(
    rhythm: tuple[int, float, Scrapes], start: float, length: float
) -> None:
    window_seconds, every_seconds, scrapes = rhythm
    began = AT - window_seconds + every_seconds + start * window_seconds
    outage = Outage(began, min(began + length * window_seconds, AT - every_seconds))
    if outage.end > outage.start:
        assert left_out(scrapes, [outage], window_seconds) == {"web": 0.0}


def test_what_real_prometheus_computes_of_what_is_kept_is_right_to_a_tenth(tmp_path: Path) -> None:
    window_seconds, every_seconds, targets = 60, 15, ("web/0", "web/1", "web/2")
    series, chance = [], Random(53)
    cases = [str(number) for number in range(300)]
    for case in cases:
        began = AT - window_seconds * chance.uniform(-0.5, 2)
        outage = Outage(began, began + window_seconds * chance.uniform(0.1, 1.5))
        start = AT - 600
        scrapes = {
            each: scrape_evenly(start + chance.uniform(0, 15), LAST, every_seconds) for each in targets
        }
        outages = [] if int(case) < 60 else [outage]
        series += [(name(target, "web", case), samples) for target, samples in sample(scrapes, outages)]
    coverage = Coverage(WORKLOAD, window_seconds, LAG_SECONDS)
    with serve_real(tmp_path) as url:
        write_remotely(url, series)
        api = PrometheusApi(url, "shop", 60, ManualClock(LAST))
        newest = api.query_range("newest", NEWEST, *coverage.range_of(AT, AT), coverage.step_seconds)
        rates = {
            each.metric["case"]: each.value[1] / len(targets)
            for each in api.query(Query("rates", f"sum by (case) (rate({METRIC}[$window]))"), AT, 60)
        }
        api.close()
    kept: list[str] = []
    cut: list[str] = []
    for case in cases:
        found = coverage.left_out((each for each in newest if each.metric["case"] == case), np.array([AT]))
        (kept if found["web"][0] <= MOST_LEFT_OUT else cut).append(case)
    assert {*cases[:60]} <= {*kept}, "no scrape is missing there"
    assert len(kept) > 150
    assert len(cut) > 50
    assert min(rates[case] for case in kept if case in rates) > 1 - MOST_LEFT_OUT - 0.005
    assert np.mean([rates[case] for case in cut if case in rates]) < 0.8


def evenly(start: float, end: float, every_seconds: float = 15.0) -> list[float]:
    return scrape_evenly(start, end, every_seconds)


BEGAN = AT - 600
OTHERS = {f"other/{number}": evenly(BEGAN + 4 * number, LAST) for number in range(3)}


@pytest.mark.parametrize(
    ("what", "scrapes"),
    [
        ("a pod is replaced", {"web/0": evenly(BEGAN, AT - 40), "web/1": evenly(AT - 25, LAST)}),
        ("the replacement takes long", {"web/0": evenly(BEGAN, AT - 40), "web/1": evenly(AT + 20, LAST)}),
        ("a pod ends", {"web/0": evenly(BEGAN, AT - 31)}),
        ("a pod starts", {"web/0": evenly(AT - 31, LAST)}),
        ("a pod starts late", {"web/0": evenly(AT - 9, LAST)}),
        ("replicas are added", {"web/0": evenly(BEGAN, LAST), "web/1": evenly(AT - 20, LAST)}),
        ("replicas are taken away", {"web/0": evenly(BEGAN, LAST), "web/1": evenly(BEGAN + 7, AT - 50)}),
        ("a scrape is late", {"web/0": [at + 2 * (k == 36) for k, at in enumerate(evenly(BEGAN, LAST))]}),
    ],
)
def test_a_pod_that_comes_or_goes_cuts_nothing(what: str, scrapes: Scrapes) -> None:
    assert left_out({**OTHERS, **scrapes}).get("web", 0.0) == 0.0, what


def test_when_all_end_at_once_it_is_a_gap() -> None:
    scrapes, outage = {f"web/{number}": evenly(BEGAN, LAST) for number in range(3)}, Outage(AT - 29, LAST)
    # the last scrape is 30 s old, and half of 15 s are added
    assert left_out(scrapes, [outage])["web"] == pytest.approx((30 - 7.5) / 60)
    assert rate_of(scrapes, [outage], 60) == pytest.approx(1 - (30 - 7.5) / 60)


def test_when_all_begin_at_once_after_longer_than_the_look_back_it_is_a_gap() -> None:
    scrapes = {f"web/{number}": evenly(BEGAN + 4 * number, LAST) for number in range(3)}
    assert left_out(scrapes, [Outage(BEGAN, AT - 30)])["web"] > 0.3


def test_one_target_of_three_that_did_not_answer_cuts_the_sum() -> None:
    scrapes = {f"web/{number}": evenly(BEGAN + 4 * number, LAST) for number in range(3)}
    outage = Outage(AT - 90, AT - 30, frozenset({"web/1"}))
    assert left_out(scrapes, [outage])["web"] > 0.3
    assert left_out({**scrapes, **OTHERS}, [outage])["other"] == 0.0


# --- CPU: cAdvisor looks every 10 to 15 s, a scrape takes the last look


def looks(chance: Random, start: float, end: float, outages: Sequence[Outage] = ()) -> list[float]:
    """The times of the looks that scrapes every 15 s find."""
    looked_at = start + np.cumsum([chance.uniform(10, 15) for _ in range(int((end - start) / 10))])
    scraped_at = [
        at
        for at in evenly(looked_at[0] + chance.uniform(0, 15), end)
        if not any(o.hits("", at) for o in outages)
    ]
    return sorted({float(looked_at[np.searchsorted(looked_at, at, side="right") - 1]) for at in scraped_at})


def newest_of(containers: Mapping[tuple[str, str], Sequence[float]], coverage: Coverage) -> Iterator[Series]:
    """The newest sample at every step, by pod and container."""
    start, end = coverage.range_of(AT, AT)
    for (pod, container), times in containers.items():
        instants = np.arange(start, end + 1e-6, coverage.step_seconds)
        places = np.searchsorted(times, instants, side="right") - 1
        values = [(at, times[place]) for at, place in zip(instants, places, strict=True) if place >= 0]
        yield Series({"pod": pod, "container": container}, values)


CPU = Coverage(POD, 120, LAG_SECONDS, runs_at_end=True)


def cut_pods(containers: Mapping[tuple[str, str], Sequence[float]]) -> set[str]:
    found = CPU.left_out(newest_of(containers, CPU), np.array([AT]))
    return {pod for pod, shares in found.items() if shares[0] > MOST_LEFT_OUT}


def test_the_uneven_looks_of_cadvisor_are_no_gap() -> None:
    chance = Random(13)
    pods = {
        (f"web-{number}", container): looks(chance, BEGAN, LAST)
        for number in range(500)
        for container in "ab"
    }
    assert len(cut_pods(pods)) <= 2


def test_a_gap_in_the_scrapes_of_cadvisor_cuts_all_pods() -> None:
    chance, outage = Random(13), Outage(AT - 60, AT + 20)  # the next scrape finds a look after AT
    pods = {(f"web-{number}", "server"): looks(chance, BEGAN, LAST, [outage]) for number in range(100)}
    assert len(cut_pods(pods)) == 100


def test_a_running_pod_whose_series_end_lacks_scrapes_although_others_have_them() -> None:
    chance = Random(13)
    pods = {(f"web-{number}", "server"): looks(chance, BEGAN, LAST) for number in range(3)}
    pods["web-3", "server"] = looks(chance, BEGAN, AT - 60)
    pods["web-4", "server"] = looks(chance, AT - 60, LAST)  # newly started
    pods["web-5", "server"] = looks(chance, BEGAN, LAST)
    pods["web-5", "init"] = looks(chance, BEGAN, AT - 60)  # has done its work
    assert cut_pods(pods) == {"web-3"}
