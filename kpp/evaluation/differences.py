"""Whether one model errs less than another, or only happened to: their errors compared load by load.

Minutes of one load err together, so that loads count as one observation each, and not minutes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from kpp.evaluation.trial import Trial
from kpp.predictor.scores import percentage_errors
from kpp.schema import SERVICE, USER_COUNT

Floats = NDArray[np.float64]

CONFIDENCE = 0.95  # that two models differ, before one is called worse


@dataclass(frozen=True)
class Difference:
    """By how much one model's MAPE is larger than another's, over the loads that were held out.

    Attributes:
        rival: the other model, that with the least error.
        mean: of the differences of the loads, a ratio; negative if the rival errs more.
        margin: half the width of its 95 % interval (Student's t, the loads being paired); None with one load.
        loads: user counts that both predicted.
    """

    rival: str
    mean: float
    margin: float | None
    loads: int

    @property
    def is_equal(self) -> bool:
        """Whether the loads do not tell the two apart."""
        return self.margin is not None and abs(self.mean) <= self.margin


def differ(trials: Sequence[Trial], name: str, rival: str, target: str) -> Difference | None:
    """Compare two models' percentage errors; None where there is no load that both predicted.

    Args:
        trials: of all seeds; what they say of the same load is averaged first.
        name, rival: of models.
        target: its column.
    """
    both = [trial for trial in trials if name in trial.predicted and rival in trial.predicted]
    own, its = (errors_by_load(both, each, target) for each in (name, rival))
    apart = (own - its).dropna()
    if apart.empty:
        return None
    margin = None
    if len(apart) > 1:
        scatter = float(apart.std(ddof=1)) / np.sqrt(len(apart))
        margin = scatter * float(stats.t.ppf((1 + CONFIDENCE) / 2, len(apart) - 1))
    return Difference(rival, float(apart.mean()), margin, len(apart))


def errors_by_load(trials: Sequence[Trial], name: str, target: str) -> "pd.Series[float]":
    """A model's MAPE at each user count, the mean over services and seeds; a ratio."""
    found = [_errors(trial.observed, trial.predicted[name], target) for trial in trials]
    if not found:
        return pd.Series(dtype=np.float64)
    together = pd.concat(found, keys=range(len(found)), names=["trial", SERVICE, USER_COUNT])
    return together.groupby(["trial", USER_COUNT]).mean().groupby(USER_COUNT).mean()


def _errors(observed: pd.DataFrame, predicted: pd.DataFrame, target: str) -> "pd.Series[float]":
    """MAPE of each service and user count of one trial."""
    errors = np.full(len(observed), np.nan)
    answers = predicted[target].to_numpy(dtype=np.float64)
    for rows in observed.groupby(SERVICE).indices.values():
        own = observed[target].to_numpy(dtype=np.float64)[rows]
        errors[rows] = percentage_errors(observed=own, predicted=answers[rows])
    return pd.Series(errors).groupby([observed[SERVICE].to_numpy(), observed[USER_COUNT].to_numpy()]).mean()


def best_rivals(mapes: Mapping[str, float | None]) -> Mapping[str, str]:
    """For each model the best of the others; nothing where there is none.

    >>> best_rivals({"linear": 0.2, "nearest": 0.4, "usl": None})
    {'linear': 'nearest', 'nearest': 'linear'}
    """
    known = {name: value for name, value in mapes.items() if value is not None}
    return {
        name: min((other for other in known if other != name), key=lambda other: known[other])
        for name in known
        if len(known) > 1
    }
