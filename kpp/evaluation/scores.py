"""Scores of predictions with intervals, and the noise floor: what no model of the load can beat."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kpp.predictor.scores import mae, mape, rmse, wape
from kpp.schema import USER_COUNT
from kpp.whatif.calibrated import lower_of, upper_of

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TargetScores:
    """Of one model, service and target; None where nothing can be scored.

    Attributes:
        rows: that were scored.
        mae, rmse: in the target's own unit.
        mape, wape: ratios; see `kpp.predictor.scores`.
        coverage: the share of rows within the interval.
        width: the mean width of the interval over the mean observed value.
    """

    rows: float
    mae: float | None
    rmse: float | None
    mape: float | None
    wape: float | None
    coverage: float | None = None
    width: float | None = None


ERRORS: Mapping[str, Callable[..., float | None]] = {"mae": mae, "rmse": rmse, "mape": mape, "wape": wape}
SCORES = (*ERRORS, "coverage", "width")
ServiceScores = Mapping[str, Mapping[str, TargetScores]]  # service -> target -> scores


def score_target(observed: Floats, predicted: pd.DataFrame, target: str) -> TargetScores:
    """Score the rows of one service.

    Args:
        observed: (rows,), own unit.
        predicted: the target and its bounds, in the same order.
        target: its name.
    """
    points, lower, upper = (
        predicted[column].to_numpy(dtype=np.float64)
        for column in (target, lower_of(target), upper_of(target))
    )
    bounded = np.isfinite(observed) & np.isfinite(lower) & np.isfinite(upper)
    inside = (lower <= observed) & (observed <= upper)
    size = float(np.abs(observed[bounded]).mean()) if bounded.any() else 0.0
    return TargetScores(
        rows=float((np.isfinite(observed) & np.isfinite(points)).sum()),
        **{name: error(observed=observed, predicted=points) for name, error in ERRORS.items()},
        coverage=float(inside[bounded].mean()) if bounded.any() else None,
        width=float((upper - lower)[bounded].mean()) / size if size > 0 else None,
    )


def noise_floor(rows: pd.DataFrame, target: str) -> TargetScores:
    """The scores of the best constants for each user count, fitted on the very rows that they are scored on.

    Args:
        rows: of one service.
        target: its name.
    """
    values = rows[target].to_numpy(dtype=np.float64)
    errors = {}
    for name, error in ERRORS.items():
        constants = np.full(len(values), np.nan)
        for positions in rows.groupby(USER_COUNT).indices.values():
            known = values[positions][np.isfinite(values[positions])]
            if len(known):
                constants[positions] = best_constant(name, known)
        errors[name] = error(observed=values, predicted=constants)
    return TargetScores(rows=float(np.isfinite(values).sum()), **errors)


def best_constant(score: str, observed: Floats) -> float:
    """The constant with the least error on these values: for each score a different one.

    It is the mean for RMSE, the median for MAE and WAPE, and for MAPE the median weighted with 1 / |y|.
    """
    if score == "rmse":
        return float(observed.mean())
    if score != "mape" or (observed == 0).all():
        return float(np.median(observed))
    values = np.sort(observed[observed != 0])
    weights = (1 / np.abs(values)).cumsum()
    return float(values[np.searchsorted(weights, weights[-1] / 2)])
