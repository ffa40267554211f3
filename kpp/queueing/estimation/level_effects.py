"""Least squares of several services at once, whose errors at a level have something in common.

The model of a relative error of service s at level l is e[l, s] = g[l] + r[l, s], with a level effect g of
variance b and scatter r of variance v[s]: a mixed model with one random effect. Its generalized least squares
need no effect estimated, since the covariance of a level, diag(v) + b 1 1', has a closed inverse. The normal
matrix is a block of each service less a matrix of the rank of the levels (`blocks_and_few.py`). The
variances follow by expectation and maximization.

Source: C. R. Henderson, Best linear unbiased estimation and prediction under a selection model, Biometrics
31(2), 1975; N. M. Laird and J. H. Ware, Random-effects models for longitudinal data, Biometrics 38(4), 1982.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kpp.queueing.estimation.blocks_and_few import TERMS, BlocksAndFew

Floats = NDArray[np.float64]

LEAST_SERVICES = 4  # with fewer, a level effect cannot be told from scatter
HUBER_SQUARES = (
    0.8214  # the mean of weight x error^2 for normal errors and Huber's weights of 1.345: 2 Phi - 1
)
# levels that a service's scatter borrows from the others': else the level effect can follow one service alone
ALIKE = 5
LEAST_SCATTER = 0.005  # relative: what rounding alone leaves


@dataclass(frozen=True)
class Variances:
    """How far relative errors scatter.

    Attributes:
        scatter: (services,) standard deviation of a level of the usual length.
        between: variance of the level effects.
    """

    scatter: Floats
    between: float


@dataclass(frozen=True)
class Terms:
    """The linear model `coefficients[s] @ terms[l, s] = target[l, s]`, in relative units, with weights.

    Attributes:
        terms: (levels, services, 2); 0 where nothing was measured.
        target: (levels, services) around 1; 0 where nothing was measured.
        weights: (levels, services) relative, mean 1; 0 where nothing was measured.
        prior_mean: (services, 2) of the coefficients.
        prior_deviation: (services, 2) infinite where nothing is known beforehand.
    """

    terms: Floats
    target: Floats
    weights: Floats
    prior_mean: Floats
    prior_deviation: Floats


@dataclass(frozen=True)
class Solved:
    """Attributes.

    coefficients: (services, 2), not negative.
    covariance: (services, 2, 2).
    errors: (levels, services) target - prediction.
    squares: minus twice the logarithm of the likelihood and the prior, up to a constant.
    """

    coefficients: Floats
    covariance: Floats
    errors: Floats
    squares: float


def solve_together(model: Terms, variances: Variances) -> Solved:
    """Generalized least squares for given variances."""
    precisions = model.weights / variances.scatter**2  # (levels, services)
    shrink = _shrink(precisions, variances.between)
    prior = 1 / model.prior_deviation**2
    own = np.einsum("ls,lsi,lsj->sij", precisions, model.terms, model.terms)
    weighted = precisions[..., None] * model.terms
    normal = BlocksAndFew(own + prior[..., None] * np.eye(TERMS), np.sqrt(shrink)[:, None, None] * weighted)
    totals = (precisions * model.target).sum(axis=1)
    right = np.einsum("ls,lsi->si", precisions * model.target, model.terms)
    right += prior * model.prior_mean - np.einsum("lsi,l->si", weighted, shrink * totals)
    coefficients = normal.solve_non_negative(right)
    errors = model.target - (model.terms * coefficients).sum(axis=2)
    common = (precisions * errors).sum(axis=1)
    squares = float((precisions * errors**2).sum() - (shrink * common**2).sum())
    squares += float((prior * (coefficients - model.prior_mean) ** 2).sum())
    return Solved(coefficients, normal.inverse_blocks(), errors, squares)


def update_variances(model: Terms, errors: Floats, variances: Variances) -> Variances:
    """One step of expectation and maximization."""
    precisions = model.weights / variances.scatter**2
    shrink = _shrink(precisions, variances.between)
    effects = shrink * (precisions * errors).sum(axis=1)
    levels = (model.weights > 0).sum(axis=0)
    squares = (model.weights * ((errors - effects[:, None]) ** 2 + shrink[:, None])).sum(
        axis=0
    ) / HUBER_SQUARES
    freedom = np.maximum(levels - TERMS, 1)
    usual = squares.sum() / freedom[levels > 0].sum() if (levels > 0).any() else 0.0
    scatter = np.maximum(np.sqrt((squares + ALIKE * usual) / (freedom + ALIKE)), LEAST_SCATTER)
    between = float(np.mean(effects**2 + shrink)) if variances.between > 0 else 0.0
    return Variances(scatter, between)


def effects_of(model: Terms, errors: Floats, variances: Variances) -> Floats:
    """(levels,) the level effects, as best predicted."""
    precisions = model.weights / variances.scatter**2
    effects: Floats = _shrink(precisions, variances.between) * (precisions * errors).sum(axis=1)
    return effects


def _shrink(precisions: Floats, between: float) -> Floats:
    """(levels,) b / (1 + b sum(1 / v)): the variance of a level effect once the level is measured."""
    shrink: Floats = between / (1 + between * precisions.sum(axis=1))
    return shrink
