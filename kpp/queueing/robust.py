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
    known = np.isfinite(values)
    if not known.any():
        return Estimate(float("nan"), float("nan"))
    weights = np.ones(len(values)) if weights is None else weights
    fit = robust_linear(np.ones((int(known.sum()), 1)), values[known], weights[known])
    return Estimate(float(fit.coefficients[0]), float(np.sqrt(fit.covariance[0, 0])))


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
        scale = max(_robust_scale(residuals, terms.shape[1]), SMALLEST * (1 + float(np.abs(target).max())))
        total = weights * np.minimum(1.0, TUNING * scale / np.maximum(np.abs(residuals), SMALLEST * scale))
        converged = np.allclose(new, coefficients, rtol=1e-10, atol=0)
        coefficients = new
        if converged:
            break
    error = max(_spread(residuals, terms.shape[1]), scale * SMALLEST)
    covariance = np.full((terms.shape[1], terms.shape[1]), np.nan)
    if len(target) > terms.shape[1]:
        covariance = np.linalg.pinv((terms * total[:, None]).T @ terms) * error**2
    return LinearFit(coefficients, covariance, target - terms @ coefficients, error)


def _robust_scale(residuals: Floats, terms: int) -> float:
    """The residuals' standard deviation by their median; by squares where so few say little."""
    if len(residuals) - terms < FEW:
        return _spread(residuals, terms)
    return MAD_TO_SIGMA * float(np.median(np.abs(residuals)))


def _spread(residuals: Floats, terms: int) -> float:
    """The residuals' standard deviation; those beyond `FAR` robust ones count as that far."""
    freedom = max(len(residuals) - terms, 1)
    sizes = np.abs(residuals)
    robust = MAD_TO_SIGMA * float(np.median(sizes))
    if freedom >= FEW and robust > 0:
        sizes = np.minimum(sizes, FAR * robust)
    return float(np.sqrt(np.sum(sizes**2) / freedom))
