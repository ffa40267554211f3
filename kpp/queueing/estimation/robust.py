"""Estimates that a minority of odd values cannot move, with standard errors.

Source: P. J. Huber and E. M. Ronchetti, Robust Statistics, 2nd ed., Wiley 2009, chapters 3 and 7: iteratively
reweighted least squares with Huber's weights, which keep 95 % of the efficiency where errors are normal.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TUNING = 1.345  # Huber's k, in standard deviations
MAD_TO_SIGMA = 1.4826  # of a normal distribution
FAR = 4.0  # standard deviations, as the median tells them
FEW = 4  # degrees of freedom, below which a median says little
ROUNDS = 30
CONVERGED = 1e-10  # relative change of a coefficient
SMALLEST = 1e-12


@dataclass(frozen=True)
class Estimate:
    """A number and its standard error, both in the number's unit; NaN where it could not be estimated."""

    value: float
    standard_error: float

    @property
    def relative_error(self) -> float:
        """Standard error / value; NaN where the value is 0."""
        return self.standard_error / abs(self.value) if self.value else float("nan")


@dataclass(frozen=True)
class LinearFit:
    """Coefficients of a linear model.

    Attributes:
        coefficients: (terms,).
        covariance: (terms, terms).
        residuals: (rows,) target - prediction.
        scale: the standard deviation of the residuals at weight 1; far ones count as `FAR`.
    """

    coefficients: Floats
    covariance: Floats
    residuals: Floats
    scale: float


def middle(values: Floats) -> float:
    """The median of what is known; NaN if nothing is."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")


def robust_location(values: Floats, weights: Floats | None = None) -> Estimate:
    """Huber's estimate of a location; NaN values are left out.

    The standard error of a single value is NaN.

    >>> robust_location(np.array([1.0, 1.1, 0.9, 50.0, 1.0])).value < 1.2
    True
    """
    columns = values[:, None], None if weights is None else weights[:, None]
    return robust_locations(*columns)[0]


def robust_locations(values: Floats, weights: Floats | None = None) -> list[Estimate]:
    """Huber's estimate of the location of each column, all columns at once; NaN values are left out.

    Args:
        values: (rows, columns).
        weights: (rows, columns) or (rows, 1) inverse variances, up to a factor for each column.
    """
    known = np.isfinite(values)
    count = known.sum(axis=0)
    weights = np.where(known, np.ones_like(values) if weights is None else weights, 0.0)
    weights = weights * count / np.maximum(weights.sum(axis=0), np.finfo(float).tiny)
    targets = np.where(known, values, 0.0)
    least = SMALLEST * (1 + np.abs(targets).max(axis=0, initial=0.0))
    total, locations = weights, np.zeros(values.shape[1])
    residuals, scale = targets, np.ones(values.shape[1])
    going = count > 0
    for _ in range(ROUNDS):
        new = (total * targets).sum(axis=0) / np.maximum(total.sum(axis=0), np.finfo(float).tiny)
        new = np.where(going, new, locations)
        residuals = np.where(known, (values - new) * np.sqrt(weights), np.nan)
        scale = np.where(going, np.maximum(_robust_scales(residuals, 1), least), scale)
        factors = TUNING * scale / np.maximum(np.abs(np.nan_to_num(residuals)), SMALLEST * scale)
        total = np.where(going, weights * np.minimum(1.0, factors), total)
        going = going & (np.abs(new - locations) > CONVERGED * np.abs(locations))
        locations = new
        if not going.any():
            break
    errors = np.maximum(_spreads(residuals, 1), scale * SMALLEST)
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = np.where(count > 1, errors / np.sqrt(total.sum(axis=0)), np.nan)
    locations = np.where(count > 0, locations, np.nan)
    return [Estimate(float(value), float(error)) for value, error in zip(locations, errors, strict=True)]


def robust_linear(terms: Floats, target: Floats, weights: Floats | None = None) -> LinearFit:
    """Fit `target = terms @ coefficients` by Huber's M-estimator.

    Args:
        terms: (rows, terms).
        target: (rows,).
        weights: (rows,) inverse variances, up to a factor.

    Returns:
        The covariance is NaN if there are no more rows than terms.
    """
    weights = np.ones(len(target)) if weights is None else weights / np.mean(weights)
    total, scale = weights, 1.0
    coefficients, residuals = np.zeros(terms.shape[1]), target
    for _ in range(ROUNDS):
        weighted = terms * total[:, None]
        new = np.asarray(np.linalg.lstsq(weighted.T @ terms, weighted.T @ target, rcond=None)[0])
        residuals = (target - terms @ new) * np.sqrt(weights)
        apart = float(_robust_scales(residuals[:, None], terms.shape[1])[0])
        scale = max(apart, SMALLEST * (1 + float(np.abs(target).max())))
        total = weights * np.minimum(1.0, TUNING * scale / np.maximum(np.abs(residuals), SMALLEST * scale))
        converged = np.allclose(new, coefficients, rtol=CONVERGED, atol=0)
        coefficients = new
        if converged:
            break
    error = max(float(_spreads(residuals[:, None], terms.shape[1])[0]), scale * SMALLEST)
    covariance = np.full((terms.shape[1], terms.shape[1]), np.nan)
    if len(target) > terms.shape[1]:
        covariance = np.linalg.pinv((terms * total[:, None]).T @ terms) * error**2
    return LinearFit(coefficients, covariance, target - terms @ coefficients, error)


def _robust_scales(residuals: Floats, terms: int) -> Floats:
    """(columns,) the residuals' standard deviations by their medians; by squares where so few say little.

    Args:
        residuals: (rows, columns), NaN where there is none.
        terms: that were fitted to each column.
    """
    few = np.isfinite(residuals).sum(axis=0) - terms < FEW
    by_median = MAD_TO_SIGMA * _medians(np.abs(residuals))
    return np.where(few, _spreads(residuals, terms), by_median)


def _spreads(residuals: Floats, terms: int) -> Floats:
    """(columns,) the residuals' standard deviations; those beyond `FAR` robust ones count as that far."""
    freedom = np.maximum(np.isfinite(residuals).sum(axis=0) - terms, 1)
    sizes = np.abs(residuals)
    robust = MAD_TO_SIGMA * _medians(sizes)
    most = np.where((freedom >= FEW) & (robust > 0), FAR * robust, np.inf)
    sizes = np.minimum(np.nan_to_num(sizes), most)
    return np.asarray(np.sqrt((sizes**2).sum(axis=0) / freedom), dtype=np.float64)


def _medians(values: Floats) -> Floats:
    """(columns,) without NaN; 0 for a column of nothing else."""
    if not len(values):
        return np.zeros(values.shape[1])
    count = np.isfinite(values).sum(axis=0)
    ordered = np.nan_to_num(np.sort(values, axis=0))  # NaN go last
    columns = np.arange(values.shape[1])
    low, high = (ordered[np.maximum(place, 0), columns] for place in ((count - 1) // 2, count // 2))
    return np.asarray((low + high) / 2, dtype=np.float64)
