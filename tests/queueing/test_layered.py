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


def test_response_times_and_visits_add_up_along_the_calls() -> None:
    graph = read_graph(
        table(("front", "cart", 2.0), ("cart", "store", 3.0), ("front", "store", 1.0)), SERVICES
    )

    np.testing.assert_allclose(graph.response_times(np.array([0.02, 0.1, 0.001])), [0.023, 0.147, 0.001])
    np.testing.assert_allclose(graph.visit_ratios(entry=1), [2.0, 1.0, 7.0])
    np.testing.assert_allclose(graph.calls_made(), [3.0, 3.0, 0.0])


@given(
    calls=st.lists(st.floats(0, 5), min_size=3, max_size=3),
    own=st.lists(st.floats(0.001, 1), min_size=3, max_size=3),
)
def test_own_times_are_what_response_times_were_made_of(calls: list[float], own: list[float]) -> None:
    graph = CallGraph(np.array([[0, calls[0], calls[1]], [0, 0, calls[2]], [0, 0, 0]], dtype=np.float64))

    back = graph.own_times(graph.response_times(np.array(own)))

    np.testing.assert_allclose(back, own, rtol=1e-9, atol=1e-12)


def test_a_service_that_is_called_in_bursts_meets_its_own_kind() -> None:
    graph = read_graph(table(("front", "cart", 0.5), ("front", "store", 4.0)), SERVICES)

    np.testing.assert_allclose(graph.burst_sizes(), [1.0, 1.0, 7.0])


def test_calls_of_services_that_were_not_measured_are_left_out() -> None:
    graph = read_graph(table(("front", "elsewhere", 2.0), ("front", "cart", 1.0)), SERVICES)

    assert graph.calls.sum() == 1.0


def test_calls_in_a_circle_that_never_ends_are_refused() -> None:
    with pytest.raises(InputError, match="circle"):
        read_graph(table(("front", "cart", 2.0), ("cart", "front", 0.5)), SERVICES)


def test_a_circle_that_ends_is_solved() -> None:
    graph = read_graph(table(("front", "cart", 1.0), ("cart", "front", 0.5)), SERVICES)

    np.testing.assert_allclose(graph.visit_ratios(entry=1), [2.0, 2.0, 0.0])
