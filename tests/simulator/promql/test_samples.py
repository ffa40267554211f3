"""The store keeps what it was given, for as long as it said, and finds it again."""

import bisect
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpp.simulator.promql import STALE, SampleStore, query_instant

samples = st.lists(
    st.tuples(st.integers(0, 3), st.integers(-500, 2000)), max_size=300
)  # series, milliseconds later


def fill(store: SampleStore, given_samples: list[tuple[int, int]]) -> dict[int, list[int]]:
    """Append the samples one by one; returns what a plain list would hold."""
    numbers = [store.series_number({"__name__": "x", "number": str(number)}) for number in range(4)]
    kept: dict[int, list[int]] = {number: [] for number in numbers}
    now_ms = 1_000_000
    for number, later_ms in given_samples:
        now_ms = max(0, now_ms + later_ms)
        taken = store.append(numbers[number], now_ms, float(now_ms))
        is_newer = not kept[numbers[number]] or now_ms > kept[numbers[number]][-1]
        assert taken == is_newer
        if is_newer:
            kept[numbers[number]].append(now_ms)
    return kept


@given(given_samples=samples, instants=st.lists(st.integers(900_000, 1_400_000), min_size=1, max_size=5))
def test_counts_samples_as_a_plain_list_does(
    given_samples: list[tuple[int, int]], instants: list[int]
) -> None:
    store = SampleStore()
    kept = fill(store, given_samples)
    counts = store.count_until(np.array(list(kept)), np.array(instants))
    expected = [[bisect.bisect_right(times, instant) for instant in instants] for times in kept.values()]
    assert counts.tolist() == expected


@given(given_samples=samples, retention_seconds=st.sampled_from([5.0, 60.0]))
def test_keeps_what_its_retention_promises(
    given_samples: list[tuple[int, int]], retention_seconds: float
) -> None:
    store = SampleStore(retention_seconds=retention_seconds)
    kept = fill(store, given_samples)
    newest_ms = max((times[-1] for times in kept.values() if times), default=0)
    answer = query_instant(store, f"x[{retention_seconds:.0f}s]", newest_ms)
    found = {
        int(series["metric"]["number"]): [int(value) for _, value in series["values"]]
        for series in answer["result"]
    }
    promised_ms = newest_ms - retention_seconds * 1000
    expected = {number: [time for time in times if time >= promised_ms] for number, times in kept.items()}
    assert found == {number: times for number, times in expected.items() if times}


def test_forgets_in_the_end() -> None:
    store = SampleStore(retention_seconds=60)
    number = store.series_number({"__name__": "x"})
    for second in range(10_000):
        store.append(number, second * 1000, 1.0)
    answer = query_instant(store, "count_over_time(x[10000s])", 9_999_000)
    assert 60 <= float(answer["result"][0]["value"][1]) < 200


def test_appends_whole_arrays() -> None:
    store = SampleStore()
    numbers = [store.series_number({"__name__": "x", "number": str(number)}) for number in range(1000)]
    for scrape in range(3):
        store.append(numbers, scrape * 1000, np.arange(1000.0) + scrape)
    answer = query_instant(store, "sum(x)", 2000)
    assert answer["result"][0]["value"][1] == str(999 * 1000 // 2 + 2 * 1000)


def test_a_label_without_value_is_no_label() -> None:
    store = SampleStore()
    assert store.series_number({"__name__": "x", "a": ""}) == store.series_number({"__name__": "x"})


@pytest.mark.parametrize(("value", "expected"), [(STALE, []), (float("nan"), ["NaN"])])
def test_only_the_stale_marker_ends_a_series(value: float, expected: list[str]) -> None:
    store = SampleStore()
    number = store.series_number({"__name__": "x"})
    store.append(number, 0, 1.0)
    store.append(number, 1000, value)
    assert [series["value"][1] for series in query_instant(store, "x", 1000)["result"]] == expected


def test_is_fed_while_it_answers() -> None:
    store = SampleStore(retention_seconds=60)
    numbers = [store.series_number({"__name__": "x", "number": str(number)}) for number in range(50)]

    def feed() -> None:
        for second in range(2000):
            store.append(numbers, second * 1000, float(second))

    feeder = threading.Thread(target=feed)
    feeder.start()
    spreads = set()
    while feeder.is_alive():
        for series in query_instant(store, "max(x @ 1e6) - min(x @ 1e6)", 0)["result"]:
            spreads.add(series["value"][1])
    feeder.join()
    assert spreads <= {"0"}, "a query saw an append that was half done"
