"""Fits models on the training part of each fold and asks them for the test part."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd

from kpp.errors import InputError
from kpp.evaluation.splits import Fold
from kpp.whatif.calibrated import CalibratedModel
from kpp.whatif.registry import make_model
from kpp.whatif.scenario import situations_of


@dataclass(frozen=True)
class Trial:
    """What models said of rows that were held out, with one seed.

    Attributes:
        seed: of the split and the models.
        folds: as split.
        observed: the test rows of all folds, index 0, 1, ….
        predicted: model -> a prediction for each observed row, as `CalibratedModel.predict` gives them;
            NaN in folds where the model could not be fitted.
        fitted: model -> of each fold the fitted model, or None.
        skipped: model -> why it could not be fitted on some fold.
    """

    seed: int
    folds: Sequence[Fold]
    observed: pd.DataFrame
    predicted: Mapping[str, pd.DataFrame]
    fitted: Mapping[str, Sequence[CalibratedModel | None]]
    skipped: Mapping[str, str]


def try_models(
    folds: Sequence[Fold], names: Sequence[str], seed: int, coverage: float, report: Callable[[], None]
) -> Trial:
    """Fit and ask every model on every fold.

    Args:
        folds: at least one.
        names: of the registry.
        seed: for models that draw random numbers.
        coverage: of the intervals.
        report: is called before each fit.
    """
    predicted: dict[str, pd.DataFrame] = {}
    fitted: dict[str, list[CalibratedModel | None]] = {}
    skipped: dict[str, str] = {}
    for name in names:
        answers: list[pd.DataFrame] = []
        models: list[CalibratedModel | None] = []
        for fold in folds:
            report()
            scenario, positions = situations_of(fold.test)
            try:
                model = CalibratedModel.fit(partial(make_model, name, seed), fold.train)
            except InputError as error:
                skipped[name] = str(error)
                models.append(None)
                answers.append(scenario.iloc[positions])
                continue
            models.append(model)
            answers.append(model.predict(scenario, coverage).iloc[positions])
        if any(model is not None for model in models):
            predicted[name] = pd.concat(answers, ignore_index=True)
            fitted[name] = models
    observed = pd.concat([fold.test for fold in folds], ignore_index=True)
    return Trial(seed, folds, observed, predicted, fitted, skipped)
