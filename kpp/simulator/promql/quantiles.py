"""Quantiles estimated from the buckets of histograms."""

import math
import re
from bisect import bisect_left

import numpy as np

from kpp.simulator.promql.labels import METRIC_NAME, LabelSet
from kpp.simulator.promql.samples import SeriesNumbers
from kpp.simulator.promql.values import Scalar, Vector, empty_vector, merge_same_labels, number_groups

BUCKET_LABEL = "le"
_NUMBER = re.compile(r"[-+]?(inf(inity)?|nan|(\d+\.?\d*|\.\d+)(e[-+]?\d+)?)", re.IGNORECASE)


def histogram_quantile(quantiles: Scalar, vector: Vector) -> Vector:
    """The quantile of each histogram, interpolated linearly inside its bucket.

    Series whose `le` is no number are left out, as they are no buckets.
    """
    bounds = [_read_bound(labels) for labels in vector.labels]
    buckets = vector.take(
        np.array([row for row, bound in enumerate(bounds) if bound is not None], dtype=np.intp)
    )
    upper_bounds = np.array([bound for bound in bounds if bound is not None])
    groups, keys = number_groups(labels.drop((BUCKET_LABEL,)) for labels in buckets.labels)
    if not keys:
        return empty_vector(vector.values.shape[1])
    labels = [key.drop((METRIC_NAME,)) for key in keys if isinstance(key, LabelSet)]
    values = np.full((len(labels), vector.values.shape[1]), np.nan)
    present = np.zeros(values.shape, dtype=np.bool_)
    by_bound = np.lexsort((upper_bounds, groups))
    for group, rows in enumerate(
        np.split(by_bound, np.searchsorted(groups[by_bound], np.arange(1, len(labels))))
    ):
        for instant, quantile in enumerate(quantiles):
            values[group, instant], present[group, instant] = _quantile_at(
                float(quantile), buckets, upper_bounds, rows, instant
            )
    return merge_same_labels(Vector(labels, values, present).without_empty_rows())


def _read_bound(labels: LabelSet) -> float | None:
    text = labels.get(BUCKET_LABEL)
    return float(text) if _NUMBER.fullmatch(text) else None


def _quantile_at(
    quantile: float, buckets: Vector, upper_bounds: Scalar, rows: SeriesNumbers, instant: int
) -> tuple[float, bool]:
    """The quantile of one histogram at one instant, and whether it has buckets there."""
    filled = rows[buckets.present[rows, instant]]
    if not len(filled):
        return math.nan, False
    counts = buckets.values[filled, instant].tolist()
    return bucket_quantile(quantile, upper_bounds[filled].tolist(), counts), True


def bucket_quantile(quantile: float, upper_bounds: list[float], counts: list[float]) -> float:
    """Estimate a quantile from cumulative buckets: bucketQuantile in promql/quantile.go of Prometheus 2.42.

    Args:
        quantile: 0 to 1; outside, the answer is an infinity.
        upper_bounds: of the buckets, ascending; equal ones are added together.
        counts: observations up to each bound; where they fall, they are lifted to what stood before.

    >>> bucket_quantile(0.5, [1.0, 2.0, math.inf], [0.0, 10.0, 10.0])
    1.5
    """
    if math.isnan(quantile):
        return math.nan
    if not 0 <= quantile <= 1:
        return math.copysign(math.inf, quantile)
    bounds, cumulative = _coalesce(upper_bounds, counts)
    if bounds[-1] != math.inf or len(bounds) < 2 or cumulative[-1] == 0:
        return math.nan
    rank = quantile * cumulative[-1]
    # a NaN among the counts ends in the last bucket, as in Prometheus, since it is never >= rank
    bucket = bisect_left(range(len(bounds) - 1), True, key=lambda place: cumulative[place] >= rank)
    if bucket == len(bounds) - 1:
        return bounds[-2]
    if bucket == 0:
        return bounds[0] if bounds[0] <= 0 else bounds[0] * _ratio(rank, cumulative[0])
    below, start = cumulative[bucket - 1], bounds[bucket - 1]
    return start + (bounds[bucket] - start) * _ratio(rank - below, cumulative[bucket] - below)


def _ratio(part: float, whole: float) -> float:
    """Division as IEEE 754 has it, where Python raises: an empty bucket may hold the quantile 0."""
    with np.errstate(all="ignore"):
        return float(np.divide(part, whole))


def _coalesce(upper_bounds: list[float], counts: list[float]) -> tuple[list[float], list[float]]:
    """Add up the counts of equal bounds, then let none be below the one before."""
    bounds: list[float] = []
    cumulative: list[float] = []
    for bound, count in zip(upper_bounds, counts, strict=True):
        if bounds and bounds[-1] == bound:
            cumulative[-1] += count
        else:
            bounds.append(bound)
            cumulative.append(count)
    greatest = cumulative[0]
    for place, count in enumerate(cumulative):
        if count > greatest:
            greatest = count
        elif count < greatest:
            cumulative[place] = greatest
    return bounds, cumulative
