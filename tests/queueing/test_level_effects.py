import numpy as np
import pytest

from kpp.queueing.level_effects import Terms, Variances, effects_of, solve_together, update_variances

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
