import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from kpp.queueing.estimation.level_effects import (
    Terms,
    Variances,
    effects_of,
    solve_together,
    update_variances,
)

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

LEVELS, SERVICES = 40, 5
SCATTER, BETWEEN = 0.02, 0.08**2


def planted(seed: int) -> tuple[Terms, Floats, Floats]:
    """Errors with a level effect around known coefficients; the effects."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.2, 1.0, (SERVICES, 2))
    terms = np.stack([np.ones((LEVELS, SERVICES)), rng.uniform(0.5, 2.0, (LEVELS, SERVICES))], axis=2)
    effects = np.sqrt(BETWEEN) * rng.standard_normal(LEVELS)
    target = (
        (terms * truth).sum(axis=2) + effects[:, None] + SCATTER * rng.standard_normal((LEVELS, SERVICES))
    )
    wide = np.full((SERVICES, 2), np.inf)
    return Terms(terms, target, np.ones((LEVELS, SERVICES)), np.zeros((SERVICES, 2)), wide), truth, effects


def test_it_is_the_generalized_least_squares_of_the_whole_covariance() -> None:
    model, _, _ = planted(seed=1)
    variances = Variances(np.linspace(0.01, 0.05, SERVICES), BETWEEN)

    found = solve_together(model, variances)

    level = np.diag(variances.scatter**2) + BETWEEN
    inverse = np.kron(np.eye(LEVELS), np.linalg.inv(level))
    design = np.zeros((LEVELS * SERVICES, SERVICES * 2))
    for service in range(SERVICES):
        design[service::SERVICES, service * 2 : service * 2 + 2] = model.terms[:, service]
    normal = design.T @ inverse @ design
    expected = np.linalg.solve(normal, design.T @ inverse @ model.target.ravel())
    np.testing.assert_allclose(found.coefficients.ravel(), expected, rtol=1e-6)
    covariance = np.linalg.inv(normal)
    for service in range(SERVICES):
        block = slice(service * 2, service * 2 + 2)
        np.testing.assert_allclose(found.covariance[service], covariance[block, block], rtol=1e-6)
    residuals = model.target.ravel() - design @ expected
    assert found.squares == pytest.approx(residuals @ inverse @ residuals, rel=1e-6)


def dense(model: Terms, variances: Variances) -> tuple[Floats, Floats]:
    """Coefficients and covariances from the whole normal matrix: its Cholesky factor, NNLS, its inverse."""
    levels, services, terms = model.terms.shape
    size = services * terms
    normal, right = np.zeros((size, size)), np.zeros(size)
    for level in range(levels):
        known = model.weights[level] > 0
        design = np.zeros((services, size))
        for service in range(services):
            design[service, service * 2 : service * 2 + 2] = model.terms[level, service]
        scatter = variances.scatter[known] ** 2 / model.weights[level, known]
        inverse = np.linalg.inv(np.diag(scatter) + variances.between)
        normal += design[known].T @ inverse @ design[known]
        right += design[known].T @ inverse @ model.target[level, known]
    prior = (1 / model.prior_deviation**2).ravel()
    normal += np.diag(prior)
    right += prior * model.prior_mean.ravel()
    root = np.linalg.cholesky(normal)
    coefficients, _ = nnls(root.T, np.linalg.solve(root, right))
    covariance = np.linalg.inv(normal).reshape(services, terms, services, terms)
    return coefficients.reshape(services, terms), np.einsum("sisj->sij", covariance)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    levels=st.integers(2, 25),
    services=st.integers(1, 30),
    between=st.sampled_from([0.0, 0.01**2, 0.1**2, 1.0]),
    active=st.sampled_from([0.0, 0.3, 0.8]),
)
def test_it_is_the_solution_of_the_whole_matrix(
    seed: int, levels: int, services: int, between: float, active: float
) -> None:
    rng = np.random.default_rng(seed)
    load = np.geomspace(0.3, 2.0, levels)[:, None] * rng.lognormal(0, 0.05, (levels, services))
    terms = np.stack([np.full((levels, services), rng.uniform(0.2, 2.0)), load], axis=2)
    truth = rng.uniform(0.1, 1.0, (services, 2))
    truth[rng.random((services, 2)) < active] *= -1  # the bound 0 holds these back
    errors = np.sqrt(between) * rng.standard_normal((levels, 1)) + 0.05 * rng.standard_normal(
        (levels, services)
    )
    known = rng.random((levels, services)) < 0.9
    model = Terms(
        np.where(known[..., None], terms, 0.0),
        np.where(known, (terms * truth).sum(axis=2) + errors, 0.0),
        np.where(known, rng.uniform(0.2, 2.0, (levels, services)), 0.0),
        rng.uniform(0.0, 0.5, (services, 2)),
        rng.uniform(0.2, 2.0, (services, 2)),
    )
    variances = Variances(rng.uniform(0.01, 0.2, services), between)

    found = solve_together(model, variances)

    coefficients, covariance = dense(model, variances)
    np.testing.assert_allclose(found.coefficients, coefficients, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found.covariance, covariance, rtol=1e-6, atol=1e-9)


def test_what_was_never_measured_takes_no_part() -> None:
    model, _, _ = planted(seed=4)
    weights, terms = model.weights.copy(), model.terms.copy()
    weights[:, 0], terms[:, 0] = 0.0, 0.0
    variances = Variances(np.full(SERVICES, 0.05), BETWEEN)

    found = solve_together(Terms(terms, model.target, weights, *_flat(model)), variances)

    assert (found.coefficients[0] == 0).all()
    assert (found.covariance[0] == 0).all()
    others = Terms(*(part[:, 1:] for part in (terms, model.target, weights)), *(p[1:] for p in _flat(model)))
    expected = solve_together(others, Variances(variances.scatter[1:], BETWEEN))
    np.testing.assert_allclose(found.coefficients[1:], expected.coefficients, rtol=1e-9)


def test_variances_and_effects_are_found() -> None:
    model, _, effects = planted(seed=2)
    variances = Variances(np.full(SERVICES, 0.05), 0.05**2)
    for _ in range(40):
        errors = solve_together(model, variances).errors
        variances = update_variances(model, errors, variances)

    np.testing.assert_allclose(variances.scatter, SCATTER * 1.1, rtol=0.35)  # all weights 1: 0.82 is expected
    assert variances.between == pytest.approx(BETWEEN, rel=0.5)
    assert np.corrcoef(effects_of(model, errors, variances), effects)[0, 1] > 0.95


def test_coefficients_are_never_negative() -> None:
    model, _, _ = planted(seed=3)
    downwards = Terms(model.terms, 1 - 0.3 * model.terms[..., 1], model.weights, *_flat(model))

    assert (solve_together(downwards, Variances(np.full(SERVICES, 0.02), 0.0)).coefficients >= 0).all()


def _flat(model: Terms) -> tuple[Floats, Floats]:
    return model.prior_mean, model.prior_deviation
