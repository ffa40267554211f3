"""The functions over instant vectors and scalars.

Rules: promql/functions.go of Prometheus 2.42.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from kpp.simulator.promql.errors import BadDataError, ExecutionError
from kpp.simulator.promql.labels import METRIC_NAME, LabelSet
from kpp.simulator.promql.matchers import Matcher, compile_regex
from kpp.simulator.promql.quantiles import histogram_quantile
from kpp.simulator.promql.samples import Floats
from kpp.simulator.promql.values import Scalar, Value, Vector, merge_same_labels

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_GROUP_REFERENCE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})")


def map_values(vector: Vector, values: Floats) -> Vector:
    """A vector with new values: it is no longer the metric that it was."""
    return merge_same_labels(
        replace(vector, values=values, labels=[labels.nameless for labels in vector.labels])
    )


def _map_each(function: Callable[[Floats], Floats]) -> Callable[[Vector], Vector]:
    return lambda vector: map_values(vector, function(vector.values))


def clamp_min(vector: Vector, least: Scalar) -> Vector:
    """Lift values below `least` to it."""
    return map_values(vector, _maximum(least, vector.values))


def clamp_max(vector: Vector, greatest: Scalar) -> Vector:
    """Lower values above `greatest` to it."""
    return map_values(vector, _minimum(greatest, vector.values))


def clamp(vector: Vector, least: Scalar, greatest: Scalar) -> Vector:
    """Bring values between two bounds; there are none where the bounds are the wrong way round."""
    clampable = vector.restrict(np.broadcast_to(~(greatest < least), vector.present.shape))
    return map_values(clampable, _maximum(least, _minimum(greatest, clampable.values)))


def _maximum(bound: Scalar, values: Floats) -> Floats:
    """Go's math.Max: +Inf wins over NaN, which wins over all else."""
    return np.where((bound == np.inf) | (values == np.inf), np.inf, np.maximum(bound, values))


def _minimum(bound: Scalar, values: Floats) -> Floats:
    """Go's math.Min: -Inf wins over NaN, which wins over all else."""
    return np.where((bound == -np.inf) | (values == -np.inf), -np.inf, np.minimum(bound, values))


def round_values(vector: Vector, nearest: Scalar | None = None) -> Vector:
    """Round to multiples of `nearest` (1 by default), halves upwards."""
    inverse = 1.0 / (np.ones(vector.values.shape[1]) if nearest is None else nearest)
    return map_values(vector, np.floor(vector.values * inverse + 0.5) / inverse)


def to_scalar(vector: Vector) -> Scalar:
    """The value of the only series; NaN where there is not exactly one."""
    alone = vector.present.sum(axis=0) == 1
    values = np.where(vector.present, vector.values, 0.0).sum(axis=0)
    return np.where(alone, values, np.nan)


def to_vector(scalar: Scalar) -> Vector:
    """One series without labels."""
    return Vector([LabelSet({})], scalar[None, :], np.ones((1, len(scalar)), dtype=np.bool_))


def absent(vector: Vector, matchers: Iterable[Matcher]) -> Vector:
    """1 where there is no series, under the labels that the selector's matchers settle.

    Args:
        vector: what there is.
        matchers: the selector's; none if it is no plain selector.
    """
    settled: dict[str, str] = {}
    seen: set[str] = set()
    for matcher in matchers:
        if matcher.name == METRIC_NAME:
            continue
        is_settled = matcher.kind == "=" and matcher.name not in seen
        settled[matcher.name] = matcher.value if is_settled else ""
        if is_settled:
            seen.add(matcher.name)
    missing = np.logical_not(vector.present.any(axis=0))[None, :]
    return Vector([LabelSet(settled)], np.ones(missing.shape), missing).without_empty_rows()


def label_replace(vector: Vector, target: str, replacement: str, source: str, pattern: str) -> Vector:
    """Set a label from another one, where that matches a regular expression as a whole.

    Raises:
        ExecutionError: the expression or the new label's name is none.
    """
    try:
        expression = compile_regex(pattern)
    except BadDataError as error:
        raise ExecutionError(f"invalid regular expression in label_replace(): {pattern}") from error
    if not _LABEL_NAME.fullmatch(target):
        raise ExecutionError(f"invalid destination label name in label_replace(): {target}")

    def relabel(labels: LabelSet) -> LabelSet:
        found = expression.fullmatch(labels.get(source))
        return labels if found is None else labels.replace({target: _expand(replacement, found)})

    return merge_same_labels(replace(vector, labels=[relabel(labels) for labels in vector.labels]))


def _expand(template: str, found: Any) -> str:
    """Fill `$1`, `${name}` and `$$` as Go's Regexp.Expand does: what refers to no group is empty."""
    groups = {str(number): found.group(number) for number in range(found.re.groups + 1)} | found.groupdict()

    def fill(reference: re.Match[str]) -> str:
        is_dollar, bare, braced = reference.groups()
        return "$" if is_dollar else groups.get(bare or braced) or ""

    return _GROUP_REFERENCE.sub(fill, template)


def sort(vector: Vector) -> Vector:
    """Ascending by value, NaN last; an order only where there is one instant."""
    return vector.take(np.argsort(vector.values[:, 0], kind="stable"))


def sort_desc(vector: Vector) -> Vector:
    """Descending by value, NaN last; an order only where there is one instant."""
    return vector.take(np.argsort(-vector.values[:, 0], kind="stable"))


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "abs": _map_each(np.abs),
    "ceil": _map_each(np.ceil),
    "clamp": clamp,
    "clamp_max": clamp_max,
    "clamp_min": clamp_min,
    "exp": _map_each(np.exp),
    "floor": _map_each(np.floor),
    "histogram_quantile": histogram_quantile,
    "label_replace": label_replace,
    "ln": _map_each(np.log),
    "log10": _map_each(np.log10),
    "log2": _map_each(np.log2),
    "round": round_values,
    "scalar": to_scalar,
    "sgn": _map_each(np.sign),
    "sort": sort,
    "sort_desc": sort_desc,
    "sqrt": _map_each(np.sqrt),
    "vector": to_vector,
}
