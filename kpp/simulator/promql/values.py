"""The values of expressions: instant vectors and scalars, at all instants of a query at once."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kpp.simulator.promql.errors import ExecutionError
from kpp.simulator.promql.labels import LabelSet
from kpp.simulator.promql.samples import Flags, Floats, SeriesNumbers

Scalar = Floats  # one number per instant


@dataclass(frozen=True)
class Vector:
    """An instant vector at each instant of a query.

    `values` and `present` have the shape (series, instants); a value counts only where it is present, since
    NaN is a value like any other.
    """

    labels: Sequence[LabelSet]
    values: Floats
    present: Flags

    def take(self, rows: SeriesNumbers) -> "Vector":
        """Some of the rows, in the order given."""
        return Vector([self.labels[row] for row in rows], self.values[rows], self.present[rows])

    def without_empty_rows(self) -> "Vector":
        """Only the rows that have a value at any instant."""
        filled = self.present.any(axis=1)
        return self if filled.all() else self.take(np.flatnonzero(filled))

    def restrict(self, kept: Flags) -> "Vector":
        """Keep the values only where `kept` says so."""
        return replace(self, present=self.present & kept).without_empty_rows()


Value = Vector | Scalar | str


def empty_vector(instant_count: int) -> Vector:
    """No series at all."""
    return Vector([], np.zeros((0, instant_count)), np.zeros((0, instant_count), dtype=np.bool_))


def number_groups(keys: Iterable[Hashable]) -> tuple[SeriesNumbers, list[Hashable]]:
    """Number the distinct keys in the order of their first appearance.

    >>> number_groups("abca")
    (array([0, 1, 2, 0]), ['a', 'b', 'c'])
    """
    numbers: dict[Hashable, int] = {}
    groups = [numbers.setdefault(key, len(numbers)) for key in keys]
    return np.array(groups, dtype=np.intp), list(numbers)


def sum_groups(values: Floats | Flags, groups: SeriesNumbers, group_count: int) -> Floats:
    """Sum the rows of each group, in their order: (rows, instants) to (groups, instants)."""
    instant_count = values.shape[1]
    cells = groups[:, None] * instant_count + np.arange(instant_count)
    weights: Floats = values.ravel().astype(np.float64)
    sums: NDArray[Any] = np.bincount(cells.ravel(), weights, minlength=group_count * instant_count)
    return sums.reshape(group_count, instant_count)


def merge_same_labels(vector: Vector) -> Vector:
    """Make rows with the same labels one, as each is a series of its own only if they meet at no instant.

    Raises:
        ExecutionError: two of them have a value at the same instant.
    """
    groups, labels = number_groups(vector.labels)
    if len(labels) == len(vector.labels):
        return vector
    present_count = sum_groups(vector.present, groups, len(labels))
    if (present_count > 1).any():
        raise same_labels_error()
    first_rows = np.unique(groups, return_index=True)[1]
    values, present = vector.values[first_rows], present_count > 0
    for row, group in enumerate(groups):
        values[group] = np.where(vector.present[row], vector.values[row], values[group])
    return Vector([vector.labels[row] for row in first_rows], values, present)


def refuse_same_labels(vector: Vector) -> Vector:
    """Check the labels of what comes from single series: there they must differ whatever the instant.

    Raises:
        ExecutionError: two rows have the same labels.
    """
    if len(set(vector.labels)) < len(vector.labels):
        raise same_labels_error()
    return vector


def same_labels_error() -> ExecutionError:
    """The refusal of a result in which two series have the same labels."""
    return ExecutionError("vector cannot contain metrics with the same labelset")
