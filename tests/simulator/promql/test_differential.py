"""The embedded Prometheus answers as the real one does."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kpp.collector.profiles.profile import Signal
from kpp.collector.profiles.reading import read_profile
from kpp.collector.queries import SELF_TEST, Query
from tests.simulator.promql import written_queries
from tests.simulator.promql.comparison import Servers
from tests.simulator.promql.generated_queries import expressions
from tests.simulator.promql.sample_series import ENDED_AT_MS, SCRAPE_MS, STARTED_AT_MS

STARTED_AT, ENDED_AT, SCRAPE_SECONDS = STARTED_AT_MS / 1000, ENDED_AT_MS / 1000, SCRAPE_MS / 1000

QUERIES = read_profile("istio-sidecar").queries
OBJECTS = [query for signal, query in QUERIES.items() if signal.section == Signal.PODS.section]

# a scrape, between scrapes, while a series is marked stale, before the first sample, at the look-back's end
INSTANTS = (
    STARTED_AT + 60 * SCRAPE_SECONDS,
    STARTED_AT + 1000.001,
    STARTED_AT + 50 * SCRAPE_SECONDS,
    STARTED_AT + 39 * SCRAPE_SECONDS + 300,
    STARTED_AT + 39 * SCRAPE_SECONDS + 300.001,
    ENDED_AT + 299.5,
)
_MORE_NUMBERS = ("123456789.125", "1e100", "2^53", "0.1+0.2", "NaN", "Inf", "-Inf")
GENERATED = settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


@pytest.mark.parametrize("query", written_queries.EVERY_FEATURE)
def test_an_instant_query_of_every_feature(servers: Servers, query: str) -> None:
    for instant in INSTANTS:
        servers.assert_same_answer(query, instant)


@pytest.mark.parametrize("query", written_queries.EVERY_FEATURE)
def test_a_range_query_of_every_feature(servers: Servers, query: str) -> None:
    servers.assert_same_matrix(query, STARTED_AT - 100, ENDED_AT + 400, 53)


@pytest.mark.parametrize("window_seconds", [60, 120])
@pytest.mark.parametrize("query", [*QUERIES.values(), SELF_TEST], ids=lambda query: query.name)
def test_the_collectors_queries(servers: Servers, query: Query, window_seconds: int) -> None:
    text = query.text("shop", window_seconds)
    answer = servers.assert_same_answer(text, ENDED_AT - 37)
    if query not in OBJECTS:
        assert answer["data"]["result"], "the shop has something for each query"
    servers.assert_same_matrix(text, STARTED_AT, ENDED_AT, 61)


@GENERATED
@given(query=expressions(), instant=st.sampled_from(range(0, 2100, 7)))
def test_generated_instant_queries(servers: Servers, query: str, instant: int) -> None:
    servers.assert_same_answer(query, STARTED_AT + instant)


@GENERATED
@given(query=expressions(), start=st.sampled_from(range(0, 1500, 7)), step=st.sampled_from((1, 15, 47, 60)))
def test_generated_range_queries(servers: Servers, query: str, start: int, step: int) -> None:
    servers.assert_same_matrix(query, STARTED_AT + start, STARTED_AT + start + 20 * step, step)


@pytest.mark.parametrize(
    "query", ["temperature[1m]", 'http_requests_total{job="api"}[5m] offset 10m', "odd[15s]"]
)
def test_raw_samples(servers: Servers, query: str) -> None:
    for instant in INSTANTS:
        servers.assert_same_answer(query, instant)


@pytest.mark.parametrize(
    "query", ["sort(temperature)", "sort_desc(temperature)", "topk(3, temperature)", "sort(odd)"]
)
def test_the_order_that_a_query_asks_for(servers: Servers, query: str) -> None:
    parameters = {
        "query": f"{query} and on () vector(1)" if query == "topk" else query,
        "time": str(INSTANTS[0]),
    }
    real, embedded = (
        servers.session.get(f"{url}/api/v1/query", params=parameters, timeout=10).json()["data"]["result"]
        for url in (servers.real, servers.embedded)
    )
    assert [series["metric"] for series in embedded] == [series["metric"] for series in real]


@pytest.mark.parametrize(
    "number",
    [
        "0",
        "-0",
        "5",
        "0.1",
        "1/3",
        "1e-6",
        "1e-7",
        "1e-6/3",
        "1e20",
        "1e21",
        "-1.5e21",
        "1e21/3",
        "5e-324",
        *_MORE_NUMBERS,
    ],
)
def test_a_number_is_written_alike(servers: Servers, number: str) -> None:
    for query in (number, f"vector({number})", f"{number} + quota"):
        wanted = servers.assert_same_answer(query, ENDED_AT)
        embedded = servers.session.get(
            f"{servers.embedded}/api/v1/query", params={"query": query, "time": str(ENDED_AT)}, timeout=10
        )
        assert values_as_written(embedded.json()) == values_as_written(wanted)


def values_as_written(answer: Any) -> list[str]:
    """The texts of all values, in order of the series' labels."""
    result = answer["data"]["result"]
    if answer["data"]["resultType"] == "scalar":
        return [result[1]]
    return [
        series["value"][1] for series in sorted(result, key=lambda series: sorted(series["metric"].items()))
    ]
