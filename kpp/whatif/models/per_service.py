"""What the learned models share: a model of its own for each service, fitted on the medians of its loads."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kpp.errors import InputError
from kpp.schema import SERVICE, TARGETS, USER_COUNT
from kpp.whatif.campaign import FEATURES, levels_of
from kpp.whatif.model import Campaign, State

Floats = NDArray[np.float64]

SMALLEST = 1e-12  # stands for 0 where logarithms are taken and nothing but 0 was measured
LARGEST_LOG = float(np.log(1e12))  # of a prediction; as in tables, nothing measured comes near


@dataclass(frozen=True)
class ServiceLevels:
    """The measured loads of one service, as a learner wants them.

    Attributes:
        features: the names of the columns of `inputs`: the user count, and those of the other `FEATURES` that
            are known at all loads and differ between them.
        inputs: (levels, features), own units.
        targets: (levels, 3), own units, NaN where not measured.
    """

    features: tuple[str, ...]
    inputs: Floats
    targets: Floats

    def log_targets(self) -> Floats:
        """Their logarithms; 0 counts as the smallest that was measured of the target."""
        positive = np.where(self.targets > 0, self.targets, np.nan)
        floors = np.nan_to_num(np.fmin.reduce(positive, axis=0), nan=SMALLEST)
        logs: Floats = np.log(np.maximum(self.targets, floors))
        return logs


def from_logs(logs: Floats) -> Floats:
    """Undo the logarithm, up to the largest value that can be."""
    values: Floats = np.exp(np.minimum(logs, LARGEST_LOG))
    return values


class ServiceModel(Protocol):
    """A fitted model of one service."""

    @property
    def features(self) -> tuple[str, ...]:
        """The columns of its inputs."""

    def predict(self, inputs: Floats) -> Floats:
        """(rows, features) to (rows, 3), own units; NaN for a target that was not learned."""

    def dump(self) -> State:
        """As plain data."""


class PerServiceModel:
    """A what-if model made of one `ServiceModel` for each service."""

    def __init__(
        self,
        name: str,
        fit_service: Callable[[ServiceLevels], ServiceModel],
        restore_service: Callable[[State], ServiceModel],
    ) -> None:
        self._name = name
        self._fit_service = fit_service
        self._restore_service = restore_service
        self._models: dict[str, ServiceModel] = {}
        self._notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As in the registry."""
        return self._name

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be learned."""
        return self._notes

    def fit(self, campaign: Campaign) -> None:
        """Fit every service; see `kpp.whatif.model.WhatIfModel`.

        Raises:
            InputError: there is no measurement.
        """
        levels = levels_of(campaign)
        if levels.empty:
            raise InputError("no measurement to learn from", mend="name a table with rows")
        by_service = {str(service): rows for service, rows in levels.groupby(SERVICE)}
        self._models = {service: self._fit_service(arrange(rows)) for service, rows in by_service.items()}
        self._notes = tuple(
            f"{service}: {target} was never measured, so it is not predicted"
            for service, rows in by_service.items()
            for target in TARGETS
            if rows[target].isna().all()
        )

    def predict(self, scenario: pd.DataFrame) -> pd.DataFrame:
        """Predict each row by its service's model."""
        values = np.full((len(scenario), len(TARGETS)), np.nan)
        for service, rows in scenario.groupby(SERVICE).indices.items():
            model = self._models.get(str(service))
            if model is not None:
                inputs = scenario[list(model.features)].to_numpy(dtype=np.float64)[rows]
                values[rows] = np.maximum(model.predict(inputs), 0.0)
        return pd.DataFrame(values, columns=list(TARGETS), index=scenario.index)

    def dump(self) -> State:
        """The fitted services."""
        return {
            "notes": list(self._notes),
            "services": {
                name: {"features": list(model.features), **model.dump()}
                for name, model in self._models.items()
            },
        }

    def restore(self, state: State) -> None:
        """Take over the fitted services."""
        self._models = {name: self._restore_service(each) for name, each in state["services"].items()}
        self._notes = tuple(state["notes"])


def arrange(levels: pd.DataFrame) -> ServiceLevels:
    """Pick the features that a service's levels, rows of `levels_of`, can teach something about."""
    informative = [
        column
        for column in FEATURES
        if column == USER_COUNT or (levels[column].notna().all() and np.ptp(levels[column]) > 0)
    ]
    return ServiceLevels(
        features=tuple(informative),
        inputs=levels[informative].to_numpy(dtype=np.float64),
        targets=levels[list(TARGETS)].to_numpy(dtype=np.float64),
    )
