import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpp.errors import InputError
from kpp.queueing.layered import CallGraph, read_graph
from kpp.schema import CALLEE, CALLER, CALLS

SERVICES = ("cart", "front", "store")


def table(*rows: tuple[str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=[CALLER, CALLEE, CALLS])


def graph_of(*rows: tuple[str, str, float]) -> CallGraph:
    graph = read_graph(table(*rows), SERVICES)
    assert graph is not None
    return graph


def test_response_times_and_visits_add_up_along_the_calls() -> None:
    graph = graph_of(("front", "cart", 2.0), ("cart", "store", 3.0), ("front", "store", 1.0))

    np.testing.assert_allclose(graph.response_times(np.array([0.02, 0.1, 0.001])), [0.023, 0.147, 0.001])
    np.testing.assert_allclose(graph.visit_ratios(entry=1), [2.0, 1.0, 7.0])
    np.testing.assert_allclose(graph.calls_made(), [3.0, 3.0, 0.0])


@given(
    calls=st.lists(st.floats(0, 5), min_size=3, max_size=3),
    own=st.lists(st.floats(0.001, 1), min_size=3, max_size=3),
)
def test_own_times_are_what_response_times_were_made_of(calls: list[float], own: list[float]) -> None:
    graph = CallGraph.of([0, 0, 1], [1, 2, 2], calls, size=3)

    back = graph.own_times(graph.response_times(np.array(own)))

    np.testing.assert_allclose(back, own, rtol=1e-9, atol=1e-12)


def test_a_service_that_is_called_in_bursts_meets_its_own_kind() -> None:
    graph = graph_of(("front", "cart", 0.5), ("front", "store", 4.0))

    np.testing.assert_allclose(graph.burst_sizes(), [1.0, 1.0, 7.0])


def test_calls_of_services_that_were_not_measured_are_left_out() -> None:
    graph = graph_of(("front", "elsewhere", 2.0), ("front", "cart", 1.0))

    assert graph.calls.sum() == 1.0
    assert read_graph(table(("front", "elsewhere", 2.0)), SERVICES) is None


def test_calls_in_a_circle_that_never_ends_are_refused() -> None:
    with pytest.raises(InputError, match="circle"):
        read_graph(table(("front", "cart", 2.0), ("cart", "front", 0.5)), SERVICES)


def test_a_circle_that_ends_is_solved() -> None:
    graph = graph_of(("front", "cart", 1.0), ("cart", "front", 0.5))

    np.testing.assert_allclose(graph.visit_ratios(entry=1), [2.0, 2.0, 0.0])


@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 30), circles=st.booleans())
def test_the_sparse_graph_does_what_the_matrix_does(seed: int, size: int, circles: bool) -> None:
    rng = np.random.default_rng(seed)
    matrix = np.where(rng.random((size, size)) < 0.2, rng.uniform(0.0, 3.0, (size, size)), 0.0)
    matrix = matrix / (1.1 * max(matrix.sum(axis=1).max(), 1.0)) if circles else np.triu(matrix, 1)
    callers, callees = np.nonzero(matrix)
    graph = CallGraph.of(callers, callees, matrix[callers, callees], size)
    values = rng.uniform(0.0, 1.0, (4, size))

    whole = np.linalg.inv(np.eye(size) - matrix)
    np.testing.assert_allclose(graph.response_times(values), values @ whole.T, rtol=1e-9)
    np.testing.assert_allclose(graph.visit_ratios(0), whole[0], rtol=1e-9, atol=1e-12)
    most = (values[:, :, None] * np.minimum(matrix, 1.0)).max(axis=1)
    np.testing.assert_allclose(graph.most_of_callers(values, np.minimum(graph.counts, 1.0)), most)
    back = CallGraph.of(**graph.dump(), size=size)
    np.testing.assert_array_equal(back.calls.toarray(), matrix)
    for callee in range(size):
        callers, counts = graph.callers_of(callee)
        np.testing.assert_array_equal(callers, np.flatnonzero(matrix[:, callee]))
        np.testing.assert_array_equal(counts, matrix[callers, callee])
