"""Aggregations: `sum by (…)` and its like.

Rules: aggregation in promql/engine.go of Prometheus 2.42.
"""

from collections.abc import Callable, Sequence

import numpy as np

from kpp.simulator.promql.errors import ExecutionError, unsupported
from kpp.simulator.promql.labels import METRIC_NAME, LabelSet
from kpp.simulator.promql.samples import Flags, Floats, SeriesNumbers
from kpp.simulator.promql.values import Scalar, Vector, number_groups, sum_groups

Grouper = Callable[[LabelSet], LabelSet]
_INT64_BOUND = 2.0**63


def group_by(names: Sequence[str]) -> Grouper:
    """Group by the labels named: `by (…)`."""
    kept = frozenset(names)
    return lambda labels: labels.keep(kept)


def group_without(names: Sequence[str]) -> Grouper:
    """Group by all labels but those named and the metric's name: `without (…)`."""
    dropped = frozenset((METRIC_NAME, *names))
    return lambda labels: labels.drop(dropped)


def aggregate(operator: str, vector: Vector, grouper: Grouper, parameter: Scalar | None) -> Vector:
    """One series for each group; with `topk` and `bottomk` the chosen series as they are.

    Args:
        operator: the aggregation's name.
        vector: what is aggregated.
        grouper: the labels of a series' group.
        parameter: how many `topk` and `bottomk` choose, at each instant.

    Raises:
        BadDataError: there is no such aggregation here.
        ExecutionError: the parameter is no number of series.
    """
    groups, labels = number_groups(grouper(labels) for labels in vector.labels)
    if operator in ("topk", "bottomk") and parameter is not None:
        return _choose(vector, groups, parameter, takes_greatest=operator == "topk")
    if operator not in _AGGREGATIONS:
        raise unsupported(f'aggregation "{operator}"')
    present = sum_groups(vector.present, groups, len(labels)) > 0
    values = _AGGREGATIONS[operator](vector, groups, len(labels))
    return Vector([label for label in labels if isinstance(label, LabelSet)], values, present)


def _sum(vector: Vector, groups: SeriesNumbers, group_count: int) -> Floats:
    return sum_groups(np.where(vector.present, vector.values, 0.0), groups, group_count)


def _count(vector: Vector, groups: SeriesNumbers, group_count: int) -> Floats:
    return sum_groups(vector.present, groups, group_count)


def _group(vector: Vector, groups: SeriesNumbers, group_count: int) -> Floats:
    return np.ones((group_count, vector.values.shape[1]))


def _avg(vector: Vector, groups: SeriesNumbers, group_count: int) -> Floats:
    counts = _count(vector, groups, group_count)
    shares = vector.values / counts[groups]  # divided first, so that great values do not overflow
    return sum_groups(np.where(vector.present, shares, 0.0), groups, group_count)


def _min(vector: Vector, groups: SeriesNumbers, group_count: int) -> Floats:
    return _extreme(vector, groups, group_count, np.fmin)


def _max(vector: Vector, groups: SeriesNumbers, group_count: int) -> Floats:
    return _extreme(vector, groups, group_count, np.fmax)


def _extreme(vector: Vector, groups: SeriesNumbers, group_count: int, better_of: np.ufunc) -> Floats:
    """NaN only if there is nothing else in the group."""
    extremes = np.full((group_count, vector.values.shape[1]), np.nan)
    better_of.at(extremes, groups, np.where(vector.present, vector.values, np.nan))
    return extremes


_AGGREGATIONS = {"sum": _sum, "count": _count, "group": _group, "avg": _avg, "min": _min, "max": _max}


def _choose(vector: Vector, groups: SeriesNumbers, counts: Scalar, *, takes_greatest: bool) -> Vector:
    """The series with the greatest or least values of each group; NaN is chosen last."""
    if not (np.abs(counts) < _INT64_BOUND).all():
        raise ExecutionError(f"Scalar value {counts[~(np.abs(counts) < _INT64_BOUND)][0]:g} overflows int64")
    order_by = -vector.values if takes_greatest else vector.values
    kept: Flags = np.zeros(vector.present.shape, dtype=np.bool_)
    first_order = np.arange(len(vector.labels))
    for instant, count in enumerate(counts):
        present = vector.present[:, instant]
        order = np.lexsort((order_by[:, instant], ~present, groups))  # the last key decides first
        starts = np.searchsorted(groups[order], groups[order])
        chosen = order[np.arange(len(order)) - starts < np.trunc(count)]
        kept[chosen, instant] = present[chosen]
        first_order = order if instant == 0 else first_order
    return Vector(vector.labels, vector.values, kept).take(first_order).without_empty_rows()
