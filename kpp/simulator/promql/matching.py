"""Operators between two vectors: which series meet, and what the result is called.

Rules: VectorBinop, VectorAnd, VectorOr and VectorUnless in promql/engine.go of Prometheus 2.42.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kpp.simulator.promql.errors import ExecutionError
from kpp.simulator.promql.labels import METRIC_NAME, LabelSet
from kpp.simulator.promql.operators import Operator
from kpp.simulator.promql.samples import SeriesNumbers
from kpp.simulator.promql.values import Vector, merge_same_labels, number_groups, sum_groups

SET_OPERATORS = ("and", "or", "unless")
ManySide = Literal["left", "right"]


@dataclass(frozen=True)
class Matching:
    """Which labels two series must share to meet.

    Attributes:
        on: only these names count; otherwise all but these, and but the metric's name.
        many_side: the side on which several series may meet the same one; None where there is no such side.
        included: labels that the result takes from the "one" side.
    """

    on: bool = False
    names: tuple[str, ...] = ()
    many_side: ManySide | None = None
    included: tuple[str, ...] = ()

    def key(self, labels: LabelSet) -> object:
        """Series with equal keys meet."""
        if self.on:
            return tuple(labels.get(name) for name in self.names)
        return labels.drop((METRIC_NAME, *self.names)) if self.names else labels.nameless

    def result_labels(self, operator: Operator, many: LabelSet, one: LabelSet) -> LabelSet:
        """What the result of two series is called."""
        labels = many if operator.keeps_name or operator.returns_bool else many.nameless
        if self.many_side is None:
            labels = labels.keep(self.names) if self.on else labels.drop(self.names)
        if self.included:
            labels = labels.replace({name: one.get(name) for name in self.included})
        return labels.nameless if operator.returns_bool else labels


def combine_vectors(operator: Operator, left: Vector, right: Vector, matching: Matching) -> Vector:
    """Apply an operator to each two series that meet.

    Raises:
        ExecutionError: at some instant several series meet where only one may.
    """
    is_swapped = matching.many_side == "right"
    many, one = (right, left) if is_swapped else (left, right)
    many_keys, one_keys = _number_keys(many, one, matching)
    _refuse_several(many, one, one_keys, "left" if is_swapped else "right")
    many_rows, one_rows = _pair(many_keys, one_keys)
    many_values, one_values = many.values[many_rows], one.values[one_rows]
    values, kept = (
        operator.apply(one_values, many_values) if is_swapped else operator.apply(many_values, one_values)
    )
    labels = [
        matching.result_labels(operator, many.labels[many_row], one.labels[one_row])
        for many_row, one_row in zip(many_rows, one_rows, strict=True)
    ]
    result = Vector(labels, values, many.present[many_rows] & one.present[one_rows] & kept)
    _refuse_ambiguous(result, many_keys[many_rows], matching)
    return merge_same_labels(result.without_empty_rows())


def combine_sets(symbol: str, left: Vector, right: Vector, matching: Matching) -> Vector:
    """`and`, `or`, `unless`: keep series by whether they meet any of the other side.

    Raises:
        ExecutionError: `or` finds series with the same labels on both sides that do not meet.
    """
    left_keys, right_keys = _number_keys(left, right, matching)
    key_count = max(left_keys.max(initial=-1), right_keys.max(initial=-1)) + 1
    if symbol == "or":
        left_has = sum_groups(left.present, left_keys, key_count) > 0
        added = right.restrict(~left_has[right_keys])
        return merge_same_labels(
            Vector(
                [*left.labels, *added.labels],
                np.concatenate([left.values, added.values]),
                np.concatenate([left.present, added.present]),
            )
        )
    right_has = sum_groups(right.present, right_keys, key_count) > 0
    return left.restrict(right_has[left_keys] if symbol == "and" else ~right_has[left_keys])


def _number_keys(first: Vector, second: Vector, matching: Matching) -> tuple[SeriesNumbers, SeriesNumbers]:
    """The keys of the rows of both vectors, as numbers that are equal where the keys are."""
    numbers, _ = number_groups(matching.key(labels) for labels in [*first.labels, *second.labels])
    return numbers[: len(first.labels)], numbers[len(first.labels) :]


def _pair(many_keys: SeriesNumbers, one_keys: SeriesNumbers) -> tuple[SeriesNumbers, SeriesNumbers]:
    """The rows of all pairs that share a key; rows of the "one" side may share it, at different instants."""
    rows_of_key: dict[int, list[int]] = {}
    for row, key in enumerate(one_keys.tolist()):
        rows_of_key.setdefault(key, []).append(row)
    pairs: Sequence[tuple[int, int]] = [
        (many_row, one_row)
        for many_row, key in enumerate(many_keys.tolist())
        for one_row in rows_of_key.get(key, ())
    ]
    rows = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    return rows[:, 0], rows[:, 1]


def _refuse_several(many: Vector, one: Vector, one_keys: SeriesNumbers, side: str) -> None:
    key_count = one_keys.max(initial=-1) + 1
    several = sum_groups(one.present, one_keys, key_count) > 1
    found = several & many.present.any(axis=0)  # Prometheus does not look where a side is empty
    if found.any():
        key = np.flatnonzero(found.any(axis=1))[0]
        first, second = np.flatnonzero(one_keys == key)[:2]
        raise ExecutionError(
            f"found duplicate series for the match group on the {side} hand-side of the operation: "
            f"[{one.labels[second]}, {one.labels[first]}];"
            "many-to-many matching not allowed: matching labels must be unique on one side"
        )


def _refuse_ambiguous(result: Vector, keys: SeriesNumbers, matching: Matching) -> None:
    if matching.many_side is None:
        identities = list(keys.tolist())
        reason = "many-to-one matching must be explicit (group_left/group_right)"
    else:
        identities = list(zip(keys.tolist(), result.labels, strict=True))
        reason = "grouping labels must ensure unique matches"
    groups, distinct = number_groups(identities)
    if (sum_groups(result.present, groups, len(distinct)) > 1).any():
        raise ExecutionError(f"multiple matches for labels: {reason}")
