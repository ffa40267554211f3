"""Values as the `data` of Prometheus's answers."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from kpp.simulator.promql.labels import LabelSet
from kpp.simulator.promql.samples import Integers, SampleStore, SeriesNumbers
from kpp.simulator.promql.values import Scalar, Value, Vector
from kpp.simulator.promql.windows import Windows

Answer = dict[str, Any]  # resultType and result, ready for JSON


def format_number(value: float, *, has_exponent: bool = True) -> str:
    """A number as Prometheus writes it, with as few digits as tell it apart.

    Args:
        value: any number.
        has_exponent: write one below 1e-6 and from 1e21; scalars are written without.

    >>> format_number(float("inf")), format_number(float("nan")), format_number(5.0), format_number(1.5e-5)
    ('+Inf', 'NaN', '5', '0.000015')
    >>> format_number(1e-7), format_number(1e-7, has_exponent=False)
    ('1e-07', '0.0000001')
    """
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if not has_exponent or value == 0 or 1e-6 <= abs(value) < 1e21:
        return np.format_float_positional(value, trim="-")
    return np.format_float_scientific(value, trim="-", exp_digits=2)


def answer_instant(value: Value, instant_ms: int) -> Answer:
    """The answer to an instant query: a vector, a scalar or a string."""
    seconds = _seconds(instant_ms)
    if isinstance(value, str):
        return {"resultType": "string", "result": [seconds, value]}
    if not isinstance(value, Vector):
        return {
            "resultType": "scalar",
            "result": [seconds, format_number(float(value[0]), has_exponent=False)],
        }
    result = [
        {"metric": labels.as_dict(), "value": [seconds, format_number(float(number))]}
        for labels, number, present in zip(value.labels, value.values[:, 0], value.present[:, 0], strict=True)
        if present
    ]
    return {"resultType": "vector", "result": result}


def answer_range(value: Vector | Scalar, instants_ms: Integers) -> Answer:
    """The answer to a range query: a matrix, ordered by labels; a scalar is a series without labels."""
    if not isinstance(value, Vector):
        value = Vector([LabelSet({})], value[None, :], np.ones((1, len(value)), dtype=np.bool_))
    series = (
        (value.labels[row], zip(instants_ms[present], value.values[row][present], strict=True))
        for row, present in enumerate(value.present)
    )
    return _matrix(series)


def answer_windows(store: SampleStore, series: SeriesNumbers, windows: Windows) -> Answer:
    """The answer to an instant query for a range vector: the samples themselves, ordered by labels."""
    samples: list[list[tuple[int, float]]] = [[] for _ in series]
    for column in windows:
        for row in np.flatnonzero(column.inside[:, 0]):
            samples[row].append((int(column.timestamps_ms[row, 0]), float(column.values[row, 0])))
    return _matrix(
        (store.index.labels[number], samples[row]) for row, number in enumerate(series) if samples[row]
    )


def _matrix(series: Iterable[tuple[LabelSet, Iterable[tuple[int, float]]]]) -> Answer:
    result = [
        {
            "metric": labels.as_dict(),
            "values": [[_seconds(int(instant)), format_number(float(value))] for instant, value in samples],
        }
        for labels, samples in sorted(series, key=lambda row: row[0])
    ]
    return {"resultType": "matrix", "result": result}


def _seconds(instant_ms: int) -> float:
    return instant_ms / 1000
