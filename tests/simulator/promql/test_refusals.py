"""What is refused: as the real one does, or by name where the embedded one can do less."""

import pytest

from kpp.simulator.promql import BadDataError, SampleStore, query_instant, query_range
from tests.simulator.promql import written_queries
from tests.simulator.promql.comparison import Servers
from tests.simulator.promql.sample_series import STARTED_AT_MS

INSTANT = STARTED_AT_MS / 1000 + 1230


@pytest.mark.parametrize("query", written_queries.NONSENSE)
def test_nonsense_is_bad_data(servers: Servers, query: str) -> None:
    assert servers.assert_same_answer(query, INSTANT)["errorType"] == "bad_data"


@pytest.mark.parametrize("query", written_queries.UNANSWERABLE)
def test_what_has_no_answer_is_an_execution_error(servers: Servers, query: str) -> None:
    assert servers.assert_same_answer(query, INSTANT)["errorType"] == "execution"


@pytest.mark.parametrize("query", ["temperature[5m]", '"text"'])
def test_a_range_query_has_a_value_at_each_instant(servers: Servers, query: str) -> None:
    assert servers.assert_same_matrix(query, INSTANT, INSTANT, 15)["errorType"] == "bad_data"


def test_a_string_is_answered(servers: Servers) -> None:
    assert servers.assert_same_answer('"text"', INSTANT)["data"]["resultType"] == "string"


@pytest.mark.parametrize(("query", "name"), written_queries.UNSUPPORTED)
def test_what_is_not_supported_is_refused_by_name(servers: Servers, query: str, name: str) -> None:
    real = servers.session.get(f"{servers.real}/api/v1/query", params={"query": query}, timeout=10)
    assert real.status_code == 200, "Prometheus 2.42 knows it"
    embedded = servers.session.get(f"{servers.embedded}/api/v1/query", params={"query": query}, timeout=10)
    assert (embedded.status_code, embedded.json()["errorType"]) == (400, "bad_data")
    assert name in embedded.json()["error"]
    assert "not supported by the simulated Prometheus" in embedded.json()["error"]


@pytest.mark.parametrize("query", ['{a="1" or b="2"}', "vector(1) + fill(0) vector(2)", "(" * 20_000 + "1"])
def test_what_only_a_later_prometheus_knows_is_refused(query: str) -> None:
    with pytest.raises(BadDataError):
        query_instant(SampleStore(), query, 0)


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(BadDataError, match="nested too deeply"):
        query_range(SampleStore(), "+".join(["1"] * 2000), 0, 0, 1000)
