"""Nothing of the held-out rows reaches a model: what was measured in them changes no prediction, bit by bit.

The guard is tried on leaks that are planted; whoever breaks the fence breaks `test_no_…`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from kpp.evaluation import trial as trial_module
from kpp.evaluation.request import TAKES_TEST, Request
from kpp.evaluation.splits import SPLITS, Fold, split
from kpp.evaluation.trial import try_models
from kpp.schema import CPU_USAGE, RESPONSE_TIME, SERVICE, TARGETS, TIMESTAMP, USER_COUNT
from kpp.whatif.model import Campaign, State
from kpp.whatif.models.per_service import PerServiceModel
from kpp.whatif.registry import MODELS, make_model
from tests.whatif.systems import SHOP, make_system

Predict = Callable[[Sequence[Fold]], pd.DataFrame]


def distort(fold: Fold) -> Fold:
    """The same fold, with other values measured in the rows that are asked for."""
    rng = np.random.default_rng(0)
    values = fold.test[list(TARGETS)] * rng.uniform(0.2, 5.0, (len(fold.test), len(TARGETS)))
    return replace(fold, test=fold.test.assign(**values))


def leaks(folds: Sequence[Fold], predict: Predict) -> bool:
    """Whether what was measured in held-out rows has any influence on what is predicted for them."""
    as_measured = predict(folds)
    distorted = predict([distort(fold) for fold in folds])
    return not as_measured.equals(distorted)


def predict_by(name: str) -> Predict:
    return lambda folds: try_models(folds, [name], 0, 0.9).predicted[name]


def request(split_name: str) -> Request:
    services = {name: SHOP[name] for name in ("frontend", "cart")}
    first = make_system((10, 20, 30, 40), minutes=4, services=services)
    rows = first.measurements
    rows["Replicas"] = rows["Replicas"] + (rows[USER_COUNT] > 20)
    second = make_system((90, 120), minutes=4, services=services, seed=5).measurements
    other = Campaign(second.assign(**{TIMESTAMP: second[TIMESTAMP] + 1e6}))
    return Request(first, other if split_name in TAKES_TEST else None)


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize("split_name", ["interpolation", "merged"])
def test_no_measured_value_of_a_held_out_row_reaches_a_model(name: str, split_name: str) -> None:
    assert not leaks(split(split_name, request(split_name)), predict_by(name))


@pytest.mark.parametrize("split_name", list(SPLITS))
def test_no_split_lets_a_held_out_value_through(split_name: str) -> None:
    """Also not by choosing which rows are held out: stratifying looks at CPU, but before the fence."""
    assert not leaks(split(split_name, request(split_name)), predict_by("linear"))


class Peeking:
    """A model that has laid its hands on the held-out rows."""

    def __init__(self, stolen: pd.DataFrame, inner: PerServiceModel) -> None:
        self.stolen, self.inner = stolen, inner
        self.name, self.notes = "peeking", ()

    def fit(self, campaign: Campaign) -> None:
        self.inner.fit(campaign)

    def predict(self, scenario: pd.DataFrame) -> pd.DataFrame:
        return self.inner.predict(scenario)

    def dump(self) -> State:
        raise NotImplementedError

    def restore(self, state: State) -> None:
        raise NotImplementedError


class TrainsOnThem(Peeking):
    def fit(self, campaign: Campaign) -> None:
        rows = pd.concat([campaign.measurements, self.stolen], ignore_index=True)
        self.inner.fit(replace(campaign, measurements=rows))


class ScalesByThem(Peeking):
    """Its predictions are scaled to the mean over all rows, as a scaler fitted before the split would do."""

    def predict(self, scenario: pd.DataFrame) -> pd.DataFrame:
        return self.inner.predict(scenario) * (1 + 1e-9 * self.stolen[CPU_USAGE].mean())


class SelectsByThem(Peeking):
    """Of many factors it takes the one that suits the held-out rows best."""

    def predict(self, scenario: pd.DataFrame) -> pd.DataFrame:
        mean = self.stolen[RESPONSE_TIME].mean()
        factors = np.geomspace(0.1, 10.0, 200)
        best = float(factors[np.abs(0.01 * factors - mean).argmin()])
        return self.inner.predict(scenario) * best


@pytest.mark.parametrize("kind", [TrainsOnThem, ScalesByThem, SelectsByThem])
def test_a_planted_leak_is_found(kind: type[Peeking], monkeypatch: pytest.MonkeyPatch) -> None:
    def predict(folds: Sequence[Fold]) -> pd.DataFrame:
        stolen = pd.concat([fold.test for fold in folds], ignore_index=True)
        monkeypatch.setattr(
            trial_module, "make_model", lambda _name, _seed: kind(stolen, make_model_of("linear"))
        )
        return try_models(folds, ["peeking"], 0, 0.9).predicted["peeking"]

    folds = split("interpolation", request("interpolation"))

    assert leaks(folds, predict)
    assert not leaks(folds, predict_with(monkeypatch, Peeking))


def predict_with(monkeypatch: pytest.MonkeyPatch, kind: type[Peeking]) -> Predict:
    """The same way with a model that only could."""

    def predict(folds: Sequence[Fold]) -> pd.DataFrame:
        monkeypatch.setattr(
            trial_module, "make_model", lambda _name, _seed: kind(folds[0].test, make_model_of("linear"))
        )
        return try_models(folds, ["peeking"], 0, 0.9).predicted["peeking"]

    return predict


def make_model_of(name: str) -> PerServiceModel:
    model = make_model(name)
    assert isinstance(model, PerServiceModel)
    return model


def test_a_split_that_lets_a_row_through_is_stopped_at_the_fence() -> None:
    rows = make_system((10, 20, 30)).measurements
    held_out = rows[rows[USER_COUNT] == 20].reset_index(drop=True)

    with pytest.raises(ValueError, match="rows are to be learned and asked for"):
        Fold("leaky", Campaign(rows), held_out)


def test_a_scenario_that_is_asked_for_shows_nothing_measured() -> None:
    seen: list[pd.DataFrame] = []

    class Looking(Peeking):
        def predict(self, scenario: pd.DataFrame) -> pd.DataFrame:
            seen.append(scenario)
            return super().predict(scenario)

    folds = split("interpolation", request("interpolation"))
    with pytest.MonkeyPatch.context() as patch:
        predict_with(patch, Looking)(folds)

    assert seen
    for scenario in seen:
        assert not set(scenario.columns) & {*TARGETS, TIMESTAMP}
        assert SERVICE in scenario
