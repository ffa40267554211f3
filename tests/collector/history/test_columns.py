"""The rules for all instants at once are those of a single tick."""

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kpp.collector.history.columns import cores_of_a_replica, find_named_pods
from kpp.collector.history.instants import Grid
from kpp.collector.history.ranges import Answered, Key
from kpp.collector.history.table import Answers, find_calls, find_services, make_table
from kpp.collector.profiles.profile import Labels, Signal
from kpp.collector.prometheus.coverage import MOST_LEFT_OUT
from kpp.collector.prometheus.signals import CpuAnswers, RequestAnswers, join_signals
from kpp.schema import (
    CPU_LIMIT,
    CPU_REQUEST,
    CPU_USAGE,
    ERROR_RATE,
    REPLICAS,
    RESPONSE_TIME,
    RESPONSE_TIME_P95,
    SIDECAR_CPU_USAGE,
    THROTTLED,
    THROUGHPUT,
    USER_COUNT,
)

COUNT = 4
GRID = Grid(1_700_000_000.0, 60, COUNT)
PODS = ("web-7c5d8f9b6d-x2v4q", "web-7c5d8f9b6d-b7k2m")
CONTAINERS = ("server", "helper", "istio-proxy")
VALUES = st.none() | st.sampled_from([0.0, 0.25, 1.5, 3.0])
ROW = st.lists(VALUES, min_size=COUNT, max_size=COUNT)
LEFT_OUT = st.lists(st.none() | st.sampled_from([0.0, 0.1, 0.11, 1.0]), min_size=COUNT, max_size=COUNT)
BY_CONTAINER = st.dictionaries(st.tuples(st.sampled_from(PODS), st.sampled_from(CONTAINERS)), ROW)
BY_WORKLOAD = st.dictionaries(st.just("web"), ROW, max_size=1)
RUNS = st.dictionaries(st.sampled_from(PODS), st.lists(st.booleans(), min_size=COUNT, max_size=COUNT))

Name = TypeVar("Name")
Row = list[float | None]

COLUMN_OF = {
    "response_time_seconds": RESPONSE_TIME,
    "throughput_rps": THROUGHPUT,
    "cpu_cores": CPU_USAGE,
    "sidecar_cpu_cores": SIDECAR_CPU_USAGE,
    "throttled": THROTTLED,
    "error_rate_rps": ERROR_RATE,
    "response_time_p95_seconds": RESPONSE_TIME_P95,
}


def answered(series: Mapping[Key, Row]) -> Answered:
    arrays = {
        key: np.array([np.nan if each is None else each for each in row]) for key, row in series.items()
    }
    return Answered(GRID, arrays)


def by_workload(values: Mapping[str, Row]) -> Answered:
    return answered({(("destination_workload", name),): row for name, row in values.items()})


def by_container(values: Mapping[tuple[str, str], Row]) -> Answered:
    return answered({(("container", name), ("pod", pod)): row for (pod, name), row in values.items()})


def owners(runs: Mapping[str, list[bool]]) -> Answered:
    owner = (("owner_kind", "ReplicaSet"), ("owner_name", "web-7c5d8f9b6d"))
    return answered(
        {(*owner, ("pod", pod)): [1.0 if ran else None for ran in row] for pod, row in runs.items()}
    )


@settings(max_examples=150, deadline=None)
@given(
    requests=st.tuples(BY_WORKLOAD, BY_WORKLOAD, BY_WORKLOAD, BY_WORKLOAD),
    cpu=st.tuples(BY_CONTAINER, BY_CONTAINER, BY_CONTAINER),
    runs=RUNS.filter(lambda runs: any(map(any, runs.values()))),
    left_out=st.tuples(
        st.dictionaries(st.just("web"), LEFT_OUT), st.dictionaries(st.sampled_from(PODS), LEFT_OUT)
    ),
)
def test_a_row_is_what_a_tick_at_its_instant_would_have_measured(
    requests: tuple[dict[str, Row], ...],
    cpu: tuple[dict[tuple[str, str], Row], ...],
    runs: dict[str, list[bool]],
    left_out: tuple[dict[str, Row], dict[str, Row]],
) -> None:
    signals = (Signal.THROUGHPUT, Signal.RESPONSE_TIME, Signal.RESPONSE_TIME_P95, Signal.ERROR_RATE)
    of_cpu = (Signal.CPU_BY_CONTAINER, Signal.THROTTLED_PERIODS, Signal.PERIODS)
    everything = {signal: by_workload(each) for signal, each in zip(signals, requests, strict=True)}
    everything |= {signal: by_container(each) for signal, each in zip(of_cpu, cpu, strict=True)}
    everything[Signal.PODS] = owners(runs)
    everything[Signal.NEWEST_REQUESTS] = by_workload(left_out[0])
    everything[Signal.NEWEST_CPU] = answered({(("pod", pod),): row for pod, row in left_out[1].items()})
    table = make_table(Answers(GRID, everything, Labels()), ["web"], np.full(COUNT, 5.0))

    for number in range(COUNT):
        tick = join_signals(
            "web",
            frozenset(pod for pod, ran in runs.items() if ran[number]),
            RequestAnswers(*(present(each, number) for each in requests)).without(cut(left_out[0], number)),
            CpuAnswers(present(cpu[0], number), present(cpu[1], number), present(cpu[2], number)).without(
                cut(left_out[1], number)
            ),
        )
        for field, column in COLUMN_OF.items():
            expected = getattr(tick, field)
            found = table[column].iloc[number]
            assert found == pytest.approx(np.nan if expected is None else expected, nan_ok=True), column


def cut(left_out: Mapping[str, Row], number: int) -> frozenset[str]:
    return frozenset(name for name, share in present(left_out, number).items() if share > MOST_LEFT_OUT)


def present(values: Mapping[Name, Row], number: int) -> dict[Name, float]:
    return {name: value for name, row in values.items() if (value := row[number]) is not None}


def test_a_replica_has_what_its_containers_have_together() -> None:
    ran = {PODS[0]: np.array([True, True, True, False]), PODS[1]: np.array([False, True, True, False])}
    nan = np.nan
    amounts = {
        PODS[0]: {"server": np.array([0.1, 0.1, 0.1, 0.1]), "istio-proxy": np.array([9.0, 9.0, 9.0, 9.0])},
        PODS[1]: {"server": np.array([0.3, 0.3, nan, 0.3]), "helper": np.array([0.2, 0.2, 0.2, 0.2])},
    }
    cores = {PODS[0]: {"server": np.ones(4), "helper": np.array([nan, nan, 1.0, nan])}}
    found = cores_of_a_replica(amounts, cores, ran, "istio-proxy", 4)
    # rolling out, the larger of two; a container without an amount leaves the other pod's; none runs
    np.testing.assert_allclose(found, [0.1, 0.5, 0.2, nan])


def test_pods_are_told_by_their_names_where_nothing_tells_owners() -> None:
    used = np.array([0.1, np.nan, 0.1, np.nan])
    found = find_named_pods(
        {PODS[0]: {"server": used}, "database-0": {"": used}, "a-b-7c5d8f9b6d-x2v4q": {"": used}}
    )
    assert set(found) == {"web", "a-b"}
    assert list(found["web"][PODS[0]]) == [True, False, True, False]


def test_services_are_the_workloads_with_a_name_that_can_be_one() -> None:
    names = ["web", "redis-cart", "unknown", "", "../../etc", 'a"b', "a\nb", "cart"]
    answers = Answers(
        GRID, {Signal.THROUGHPUT: by_workload({name: [1.0] * COUNT for name in names})}, Labels()
    )
    assert find_services(answers, ["redis-cart"]) == (("cart", "web"), ("../../etc", "a\nb", 'a"b'))


def test_what_is_not_known_is_an_empty_cell_and_an_instant_without_load_no_row() -> None:
    answers = Answers(GRID, {Signal.THROUGHPUT: by_workload({"web": [None, 2.0, 3.0, 4.0]})}, Labels())
    table = make_table(answers, ["web"], np.array([5.0, np.nan, 6.0, 0.0]))
    assert list(table[USER_COUNT]) == [5, 6]
    assert (
        table[[REPLICAS, CPU_REQUEST, CPU_LIMIT, CPU_USAGE, THROTTLED, RESPONSE_TIME]].isna().all(axis=None)
    )
    assert table[ERROR_RATE].isna().all(), "it was not asked for"
    text = table.to_csv(index=False)
    assert text.splitlines()[1] == "1700000000.0,web,5" + "," * 10
    assert isinstance(table, pd.DataFrame)


def test_calls_are_those_of_the_whole_range() -> None:
    def pair(caller: str, callee: str) -> Key:
        return ("destination_workload", callee), ("source_workload", caller)

    made: dict[Key, Row] = {
        pair("web", "cart"): [2.0, None, 4.0, 0.0],
        pair("web", "unknown"): [9.0] * 4,
        pair("cart", "web"): [0.0] * 4,
    }
    served: dict[str, Row] = {"web": [1.0, 1.0, 1.0, 0.0], "cart": [None] * 4}
    answers = Answers(GRID, {Signal.CALLS: answered(made), Signal.THROUGHPUT: by_workload(served)}, Labels())
    (call,) = find_calls(answers, ["cart", "web"])
    assert (call.caller, call.callee, call.calls) == ("web", "cart", 2.0)
