"""The binary operators, on single numbers: what stands on the two sides is matched elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from kpp.simulator.promql.samples import Flags, Floats
from kpp.simulator.promql.values import Scalar, Vector, merge_same_labels

_ARITHMETIC: dict[str, Callable[[Floats, Floats], Floats]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": np.power,
    "atan2": np.arctan2,
}
_COMPARISONS: dict[str, Callable[[Floats, Floats], Flags]] = {
    "==": np.equal,
    "!=": np.not_equal,
    ">": np.greater,
    "<": np.less,
    ">=": np.greater_equal,
    "<=": np.less_equal,
}


@dataclass(frozen=True)
class Operator:
    """An arithmetic operator or a comparison, which filters its left side, or with `bool` answers 0 or 1."""

    symbol: str
    returns_bool: bool = False

    @property
    def keeps_name(self) -> bool:
        """Whether a result is still the metric that it was computed from."""
        return (self.symbol in _COMPARISONS or self.symbol == "atan2") and not self.returns_bool

    def apply(self, left: Floats, right: Floats) -> tuple[Floats, Flags]:
        """The values, and where the operator keeps them; `left` and `right` are broadcast together."""
        if self.symbol in _ARITHMETIC:
            values = _ARITHMETIC[self.symbol](left, right)
            return values, np.ones(values.shape, dtype=np.bool_)
        holds = _COMPARISONS[self.symbol](left, right)
        if self.returns_bool:
            return holds.astype(np.float64), np.ones(holds.shape, dtype=np.bool_)
        return np.broadcast_to(left, holds.shape), holds


def combine_scalars(operator: Operator, left: Scalar, right: Scalar) -> Scalar:
    """Two scalars; the parser has seen to it that a comparison has its `bool`."""
    return operator.apply(left, right)[0]


def combine_with_scalar(
    operator: Operator, vector: Vector, scalar: Scalar, *, scalar_is_left: bool
) -> Vector:
    """A vector and a scalar; a comparison keeps the vector's value, on whichever side it stands."""
    left, right = (scalar, vector.values) if scalar_is_left else (vector.values, scalar)
    values, kept = operator.apply(left, right)
    filters = operator.symbol in _COMPARISONS and not operator.returns_bool
    result = replace(vector, values=vector.values if filters else values).restrict(kept)
    if not operator.keeps_name:
        result = replace(result, labels=[labels.nameless for labels in result.labels])
    return merge_same_labels(result)
