"""Scores of all models on the same held-out rows, and what no model of the load can beat."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from kpp.evaluation.classes import Classification, classify
from kpp.evaluation.differences import Difference, best_rivals, differ
from kpp.evaluation.scores import SCORES, ServiceScores, TargetScores, noise_floor, score_target
from kpp.evaluation.trial import Trial
from kpp.schema import CPU_USAGE, SERVICE, TARGETS

SMALLEST_MAPE = 1e-12  # so that a prediction without error has a logarithm


@dataclass(frozen=True)
class ModelResult:
    """One model in the leaderboard, over all seeds.

    Attributes:
        services: service -> target -> scores, the mean over seeds.
        mean: target -> the mean over services.
        spread: target -> the standard deviation over seeds of `mean`; None with one seed.
        classes: of CPU use, all seeds together.
        behind: target -> the difference from the best of the other models; none without one.
    """

    services: ServiceScores
    mean: Mapping[str, TargetScores]
    spread: Mapping[str, TargetScores] | None
    classes: Classification | None
    behind: Mapping[str, Difference] = field(default_factory=dict)


@dataclass(frozen=True)
class Leaderboard:
    """All models, the best first, and the noise floor."""

    models: Mapping[str, ModelResult]
    floor: ModelResult
    skipped: Mapping[str, str]


def score_trials(trials: Sequence[Trial]) -> Leaderboard:
    """Score every model on the held-out rows of every seed.

    Models are ordered by the geometric mean of their MAPE over the targets, since targets differ in how well
    they can be foretold at all.
    """
    names = dict.fromkeys(name for trial in trials for name in trial.predicted)
    results = {
        name: _combine([_score(trial, name) for trial in trials], _classes(trials, name)) for name in names
    }
    for target in TARGETS:
        results = _tell_behind(trials, results, target)
    ordered = sorted(results, key=lambda name: usual_mape(results[name].mean))
    floor = _combine([_floor(trial.observed) for trial in trials], None)
    skipped = {name: reason for trial in trials for name, reason in trial.skipped.items()}
    return Leaderboard({name: results[name] for name in ordered}, floor, skipped)


def _tell_behind(
    trials: Sequence[Trial], results: Mapping[str, ModelResult], target: str
) -> dict[str, ModelResult]:
    """The results, each with its difference from the best of the others on one target."""
    rivals = best_rivals({name: result.mean[target].mape for name, result in results.items()})
    told = dict(results)
    for name, rival in rivals.items():
        difference = differ(trials, name, rival, target)
        if difference is not None:
            told[name] = replace(told[name], behind={**told[name].behind, target: difference})
    return told


def _score(trial: Trial, name: str) -> ServiceScores:
    """Of one trial: service -> target -> scores."""
    predicted, observed = trial.predicted[name], trial.observed
    return {
        str(service): {
            target: score_target(observed[target].to_numpy()[rows], predicted.iloc[rows], target)
            for target in TARGETS
        }
        for service, rows in observed.groupby(SERVICE).indices.items()
    }


def _floor(observed: pd.DataFrame) -> ServiceScores:
    return {
        str(service): {target: noise_floor(rows, target) for target in TARGETS}
        for service, rows in observed.groupby(SERVICE)
    }


def _classes(trials: Sequence[Trial], name: str) -> Classification | None:
    """Of CPU use, over the rows of all trials."""
    known = [trial for trial in trials if name in trial.predicted]
    observed = pd.concat([trial.observed for trial in known], ignore_index=True)
    predicted = np.concatenate(
        [trial.predicted[name][CPU_USAGE].to_numpy(dtype=np.float64) for trial in known]
    )
    return classify(observed, predicted)


def _combine(trials: Sequence[ServiceScores], classes: Classification | None) -> ModelResult:
    """The mean over trials of one model's scores."""
    names = dict.fromkeys(service for trial in trials for service in trial)
    services = {
        service: {
            target: _mean([trial[service][target] for trial in trials if service in trial])
            for target in TARGETS
        }
        for service in names
    }
    means = [
        {target: _mean([each[target] for each in trial.values()]) for target in TARGETS} for trial in trials
    ]
    mean = {target: _mean([each[target] for each in means]) for target in TARGETS}
    spread = (
        {target: _spread([each[target] for each in means]) for target in TARGETS} if len(trials) > 1 else None
    )
    return ModelResult(services, mean, spread, classes)


def _mean(scores: Sequence[TargetScores]) -> TargetScores:
    return TargetScores(
        rows=float(np.mean([each.rows for each in scores])),
        **{name: _of_known(np.mean, [getattr(each, name) for each in scores]) for name in SCORES},
    )


def _spread(scores: Sequence[TargetScores]) -> TargetScores:
    return TargetScores(
        rows=float(np.std([each.rows for each in scores])),
        **{name: _of_known(np.std, [getattr(each, name) for each in scores]) for name in SCORES},
    )


def _of_known(reduce: Callable[..., np.floating], values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(reduce(known)) if known else None


def usual_mape(scores: Mapping[str, TargetScores]) -> float:
    """The geometric mean of the MAPE over those targets that are scored; infinite if none is."""
    mapes = [each.mape for each in scores.values()]
    logs = [np.log(max(value, SMALLEST_MAPE)) for value in mapes if value is not None]
    return float(np.exp(np.mean(logs))) if logs else np.inf
