import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from kpp.simulator.metrics.series import Block, Family, Layout, Series, block, layout_of
from kpp.simulator.metrics.text import render_text

CORES = Family("cores", "gauge", "How many.")
TIMES = Family("times_ms", "histogram")
values = st.floats(allow_nan=True, allow_infinity=True)


def read_back(text: str) -> list[tuple[str, dict[str, str], float, float | None]]:
    """Each sample by another library's reading: name, labels, value, timestamp in seconds."""
    return [
        (each.name, each.labels, each.value, None if each.timestamp is None else float(each.timestamp))
        for family in text_string_to_metric_families(text)
        for each in family.samples
    ]


@given(st.text(), values, st.none() | st.integers(min_value=0, max_value=2**41))
def test_another_reader_finds_labels_values_and_timestamps(
    label: str, value: float, timestamp_ms: int | None
) -> None:
    text = render_text([block(layout_of(CORES), (("node", label),), [value], timestamp_ms)])

    ((name, labels, read, timestamp),) = read_back(text)

    assert (name, labels) == ("cores", {"node": label})
    assert read == value or (math.isnan(read) and math.isnan(value))
    assert timestamp == (None if timestamp_ms is None else timestamp_ms / 1000)


def test_a_family_stands_together_under_one_type_line_whatever_the_order_of_the_blocks() -> None:
    both = Layout((Series(CORES), Series(TIMES, "_bucket", (("le", "+Inf"),)), Series(TIMES, "_sum")))
    blocks = [Block(both, (("pod", pod),), np.array([1.0, 2.0, 30.0])) for pod in ("a", "b")]

    lines = render_text(blocks).splitlines()

    assert lines == [
        "# HELP cores How many.",
        "# TYPE cores gauge",
        'cores{pod="a"} 1',
        'cores{pod="b"} 1',
        "# TYPE times_ms histogram",
        'times_ms_bucket{pod="a",le="+Inf"} 2',
        'times_ms_sum{pod="a"} 30',
        'times_ms_bucket{pod="b",le="+Inf"} 2',
        'times_ms_sum{pod="b"} 30',
    ]
