"""Scores: how far predictions lie from what was observed. Rows where either is NaN are left out."""

import numpy as np
from sklearn import metrics

from kpp.predictor.model_config import Comparison, NormalizedRMSE, Scores
from kpp.predictor.preparation.service_rows import Floats
from kpp.predictor.preparation.windows import ServiceDataset
from kpp.predictor.trained_model import TARGET_COLUMNS
from kpp.schema import TARGETS

SMALLEST_SIZE = 1e-6  # own units; below it a percentage says nothing
SMALLEST_SHARE_OF_MEAN = 0.01  # nor does it far below what is usual


def rmse(*, observed: Floats, predicted: Floats) -> float | None:
    """Root of the mean squared error, sqrt(mean((p - y)^2)), in the target's unit; None without rows.

    >>> rmse(observed=np.array([1.0, 2.0, np.nan]), predicted=np.array([1.0, 4.0, 7.0]))
    1.4142135623730951
    """
    observed, predicted = _measured(observed, predicted)
    return float(metrics.root_mean_squared_error(observed, predicted)) if len(observed) else None


def mae(*, observed: Floats, predicted: Floats) -> float | None:
    """Mean absolute error, mean(|p - y|), in the target's unit; None without rows."""
    observed, predicted = _measured(observed, predicted)
    return float(metrics.mean_absolute_error(observed, predicted)) if len(observed) else None


def mape(*, observed: Floats, predicted: Floats) -> float | None:
    """Mean absolute percentage error as a ratio, mean(|p - y| / |y|); None without rows.

    Rows with |y| of at most 1e-6, or at most 1 % of the mean |y|, are left out: there it measures rounding.

    >>> mape(observed=np.array([10.0, 20.0, 0.0]), predicted=np.array([11.0, 20.0, 5.0]))
    0.05
    """
    errors = percentage_errors(observed=observed, predicted=predicted)
    known = errors[~np.isnan(errors)]
    return float(known.mean()) if len(known) else None


def percentage_errors(*, observed: Floats, predicted: Floats) -> Floats:
    """|p - y| / |y| of each row, (n,) as both; NaN where either is, and in rows that `mape` leaves out."""
    known, _ = _measured(observed, predicted)
    usual = float(np.abs(known).mean()) if len(known) else 0.0
    sizes = np.abs(observed)
    large = sizes > max(SMALLEST_SIZE, SMALLEST_SHARE_OF_MEAN * usual)
    return np.abs(predicted - observed) / np.where(large, sizes, np.nan)


def wape(*, observed: Floats, predicted: Floats) -> float | None:
    """Weighted absolute percentage error as a ratio, sum(|p - y|) / sum(|y|); None where all y are 0.

    >>> wape(observed=np.array([10.0, 30.0]), predicted=np.array([11.0, 33.0]))
    0.1
    """
    observed, predicted = _measured(observed, predicted)
    total = float(np.abs(observed).sum())
    return float(np.abs(predicted - observed).sum()) / total if total > 0 else None


def score(*, observed: Floats, predicted: Floats) -> Scores:
    """All scores of one target; both (n,), own unit."""
    return Scores(
        rmse=rmse(observed=observed, predicted=predicted),
        mae=mae(observed=observed, predicted=predicted),
        mape=mape(observed=observed, predicted=predicted),
        wape=wape(observed=observed, predicted=predicted),
    )


def compare(dataset: ServiceDataset, predicted: Floats) -> tuple[dict[str, Comparison], NormalizedRMSE]:
    """Score a model and both baselines on the test rows where all three have something to say.

    Args:
        dataset: its test part, its training means and its scaling.
        predicted: (n, targets) for the test windows, own units; NaN for a target that was not learned.

    Returns:
        The scores by target, and the RMSE over all targets in normalized units.
    """
    test = dataset.test
    unknown = np.full(len(TARGETS), np.nan)
    means = np.array([dataset.train_means.get(user_count, unknown) for user_count in test.user_counts])
    rivals = {
        "model": predicted,
        "last_observed": test.last_observed,
        "training_mean": means.reshape(predicted.shape),  # also where there is no row
    }
    comparable = np.isfinite(np.stack([test.observed, *rivals.values()])).all(axis=0)  # (n, targets)
    observed = np.where(comparable, test.observed, np.nan)
    comparisons = {
        target: Comparison(
            rows=int(comparable[:, column].sum()),
            **{
                name: score(observed=observed[:, column], predicted=rival[:, column])
                for name, rival in rivals.items()
            },
        )
        for column, target in enumerate(TARGETS)
    }
    scale = dataset.scaling.scale[TARGET_COLUMNS]
    normalized = {
        name: rmse(observed=(observed * scale).ravel(), predicted=(rival * scale).ravel())
        for name, rival in rivals.items()
    }
    return comparisons, NormalizedRMSE(**normalized)


def _measured(observed: Floats, predicted: Floats) -> tuple[Floats, Floats]:
    """The rows in which neither is NaN."""
    if observed.shape != predicted.shape:
        raise ValueError(f"observed has the shape {observed.shape}, predicted {predicted.shape}")
    both = ~(np.isnan(observed) | np.isnan(predicted))
    return observed[both], predicted[both]
