"""Fits models on the training part of each fold and asks them for the test part."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count

import pandas as pd

from kpp.errors import InputError
from kpp.evaluation.request import Request
from kpp.evaluation.splits import DRAWN, Fold, split
from kpp.whatif.calibrated import CalibratedModel
from kpp.whatif.registry import SEEDED, make_model
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


def try_seeds(
    name: str,
    request: Request,
    models: Sequence[str],
    seeds: int,
    coverage: float,
    report: Callable[[float, str], None],
) -> list[Trial]:
    """Split with each seed, and try all models.

    Args:
        name: of the split.
        request: its own seed is not looked at.
        models: of the registry.
        seeds: how many, from 0.
        coverage: of the intervals.
        report: is told before each fit what share is done, and the model's name.

    Raises:
        ConfigError, InputError: of `split`.
    """
    splits = [split(name, replace(request, seed=seed)) for seed in range(seeds if name in DRAWN else 1)]
    splits += splits[:1] * (
        seeds - len(splits)
    )  # the same to all seeds, and not fitted again where that is so
    drawing = len([model for model in models if model in SEEDED])
    fits = [
        len(folds) * (drawing if seed and folds is splits[0] else len(models))
        for seed, folds in enumerate(splits)
    ]
    done = count()

    def tell(model: str) -> None:
        report(next(done) / sum(fits), model)

    trials: list[Trial] = []
    for seed, folds in enumerate(splits):
        trials.append(try_models(folds, models, seed, coverage, tell, trials[0] if trials else None))
    return trials


def try_models(
    folds: Sequence[Fold],
    names: Sequence[str],
    seed: int,
    coverage: float,
    report: Callable[[str], None] = lambda _: None,
    known: Trial | None = None,
) -> Trial:
    """Fit and ask every model on every fold.

    Args:
        folds: at least one.
        names: of the registry.
        seed: for models that draw random numbers.
        coverage: of the intervals.
        report: is told each model's name before each fit.
        known: of another seed; what is the same there is not done again.
    """
    predicted: dict[str, pd.DataFrame] = {}
    fitted: dict[str, Sequence[CalibratedModel | None]] = {}
    skipped: dict[str, str] = {}
    for name in names:
        same = known is not None and known.folds is folds and name not in SEEDED
        if known is not None and same and name in known.predicted:
            predicted[name], fitted[name] = known.predicted[name], known.fitted[name]
            continue
        answers: list[pd.DataFrame] = []
        models: list[CalibratedModel | None] = []
        for fold in folds:
            report(name)
            try:
                model = CalibratedModel.fit(partial(make_model, name, seed), fold.train)
            except InputError as error:
                skipped[name] = str(error)
                model = None
            models.append(model)
            answers.append(_ask(model, fold, coverage))
        if any(model is not None for model in models):
            predicted[name] = pd.concat(answers, ignore_index=True)
            fitted[name] = models
    observed = pd.concat([fold.test for fold in folds], ignore_index=True)
    return Trial(seed, folds, observed, predicted, fitted, skipped)


def _ask(model: CalibratedModel | None, fold: Fold, coverage: float) -> pd.DataFrame:
    """A prediction for each row of the fold's test; without a model, the questions alone."""
    scenario, positions = situations_of(fold.test)
    return (scenario if model is None else model.predict(scenario, coverage)).iloc[positions]
