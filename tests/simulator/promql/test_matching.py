"""Vector matching: the examples of Prometheus's documentation (querying/operators), and its results."""

import pytest

from kpp.simulator.promql import ExecutionError, SampleStore, query_instant

ERRORS = {("get", "500"): 24, ("get", "404"): 30, ("put", "501"): 3, ("post", "500"): 6, ("post", "404"): 21}
REQUESTS = {"get": 600, "del": 34, "post": 120}


@pytest.fixture(scope="module")
def store() -> SampleStore:
    store = SampleStore()
    for (method, code), value in ERRORS.items():
        store.append(store.series_number({"__name__": "errors", "method": method, "code": code}), 0, value)
    for method, value in REQUESTS.items():
        store.append(store.series_number({"__name__": "requests", "method": method}), 0, value)
    return store


def ask(store: SampleStore, query: str) -> dict[tuple[str, ...], float]:
    """The values of an instant query by the values of their labels, sorted by the labels' names."""
    result = query_instant(store, query, 0)["result"]
    return {tuple(series["metric"].values()): float(series["value"][1]) for series in result}


def test_one_to_one(store: SampleStore) -> None:
    assert ask(store, 'errors{code="500"} / ignoring (code) requests') == {("get",): 0.04, ("post",): 0.05}


def test_many_to_one(store: SampleStore) -> None:
    assert ask(store, "errors / ignoring (code) group_left requests") == {
        ("500", "get"): 0.04,
        ("404", "get"): 0.05,
        ("500", "post"): 0.05,
        ("404", "post"): 0.175,
    }


def test_many_to_one_without_saying_so_is_refused(store: SampleStore) -> None:
    with pytest.raises(ExecutionError, match="many-to-one matching must be explicit"):
        ask(store, "errors / ignoring (code) requests")
    with pytest.raises(ExecutionError, match="many-to-many matching not allowed"):
        ask(store, "requests / on (method) errors")


def test_sets(store: SampleStore) -> None:
    assert ask(store, "requests unless on (method) errors") == {("requests", "del"): 34}
    assert ask(store, "requests and on (method) errors") == {
        ("requests", "get"): 600,
        ("requests", "post"): 120,
    }
    assert ask(store, 'errors{code="501"} or on (method) requests{method!="get"}') == {
        ("errors", "501", "put"): 3,
        ("requests", "del"): 34,
        ("requests", "post"): 120,
    }


def test_aggregations(store: SampleStore) -> None:
    assert ask(store, "sum by (method) (errors)") == {("get",): 54, ("put",): 3, ("post",): 27}
    assert ask(store, "max without (method) (errors)") == {("500",): 24, ("404",): 30, ("501",): 3}
    assert ask(store, "count(errors) + on () group_left () avg(requests)") == {(): 5 + 754 / 3}
    assert list(ask(store, "topk(2, errors)").values()) == [30, 24]
    assert list(ask(store, "bottomk by (code) (1, errors)").values()) == [21, 6, 3]
