"""The interface of all what-if models: what they learn from, what they are asked, what they answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, runtime_checkable

import pandas as pd

from kpp.schema import CPU_LIMIT, CPU_REQUEST, REPLICAS, SERVICE, USER_COUNT
from kpp.whatif.intervals.agreement import Laws

SITUATION = "Scenario"  # whole number: rows that share it are one situation, all services at one load
THINK_TIME = "Think Time (s)"  # the users' pause per request, where it differs from the campaign's
SCENARIO_COLUMNS = (SITUATION, SERVICE, USER_COUNT, REPLICAS, CPU_REQUEST, CPU_LIMIT, THINK_TIME)

VERDICT, REASON = "Verdict", "Reason"
IN_RANGE, EXTRAPOLATING, UNSUPPORTED = "in range", "extrapolating", "unsupported"
VERDICTS = (IN_RANGE, EXTRAPOLATING, UNSUPPORTED)  # from the most trusted to the least

SATURATION = "Saturation (req/s)"  # of the row's service as scaled in the scenario; NaN if not known
# one standard error from it, where it is a guess; NaN elsewhere
SATURATION_LOWER, SATURATION_UPPER = "Saturation lower (req/s)", "Saturation upper (req/s)"
SATURATES = "Saturates"  # what that rests on: "by its CPU limit"; empty if not known
REPLICAS_USED = "Replicas Used"  # those that the prediction was made with, also where none were asked for
BOTTLENECK = "Bottleneck"  # the service that saturates first in the row's situation; empty if not known

State: TypeAlias = Mapping[str, Any]  # plain data: what `json.dumps` takes, NaN as None


@dataclass(frozen=True)
class Campaign:
    """What a model may learn from; `kpp.whatif.campaign` makes it of a table.

    Attributes:
        measurements: one row per (minute, service, user count), index 0, 1, …: `TIMESTAMP` (the minute, Unix
            seconds), `SERVICE`, `USER_COUNT`, the three `TARGETS`, those `OPTIONAL_COLUMNS` that the table
            has, and `SOURCE` (the file). NaN is not measured. By service and time.
        calls: `CALLER`, `CALLEE`, `CALLS` (mean calls per request that the caller serves), a row per pair.
        cpu_limits: service -> cores of one replica, as given by hand; the rows' `CPU_LIMIT`, where there is
            one, was measured and goes first.
    """

    measurements: pd.DataFrame
    calls: pd.DataFrame | None = None
    cpu_limits: Mapping[str, float] = field(default_factory=dict)


class WhatIfModel(Protocol):
    """A model of the performance of all services at any load. It gives points.

    Intervals are put around any model by `kpp.whatif.intervals.conformal`, verdicts by `kpp.whatif.verdict`.
    Models are deterministic: their seeds are arguments of their constructors. `kpp.whatif.registry` lists
    them.
    """

    @property
    def name(self) -> str:
        """As in the registry and on the command line."""

    def fit(self, campaign: Campaign) -> None:
        """Learn from the campaign, forgetting what was learned before.

        Raises:
            InputError: nothing can be learned from it at all. A target or a service that cannot be learned
                alone raises nothing: it is predicted as NaN, and `notes` tells why.
        """

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be estimated, or was assumed: one line each, with the service and the reason."""

    def predict(self, scenario: pd.DataFrame) -> pd.DataFrame:
        """Predict the three targets of each row.

        Args:
            scenario: with all `SCENARIO_COLUMNS` (`kpp.whatif.scenario` adds those that are missing,
                `kpp.whatif.measured` fills in what the nearest measured load tells; NaN is not known), one
                row per service and situation, index 0, 1, …. Services may be missing from a situation;
                services that the campaign does not know are predicted as NaN.

        Returns:
            `TARGETS` as columns, never negative, NaN where one cannot be estimated; the scenario's index.
        """

    def dump(self) -> State:
        """All that `restore` needs, as plain data for a JSON file."""

    def restore(self, state: State) -> None:
        """Take over what `dump` gave; predictions are then the same.

        Raises:
            KeyError, TypeError, ValueError: the state is not one of this model (the store words it).
        """


@runtime_checkable
class KnowsSaturation(Protocol):
    """A model that estimates capacities, so that verdicts can name them."""

    def saturation(self, scenario: pd.DataFrame) -> pd.DataFrame:
        """`SATURATION`, `BOTTLENECK` of each row; the scenario's index.

        And, if it knows, `SATURATES`, `SATURATION_LOWER`, `SATURATION_UPPER` and `REPLICAS_USED`.
        """


@runtime_checkable
class EstimatesSpread(Protocol):
    """A model that knows how unsure its parameters are, so that intervals can widen where that matters."""

    def spread(self, scenario: pd.DataFrame) -> pd.DataFrame:
        """The standard error of each prediction, as a ratio of it: `TARGETS` as columns, scenario's index.

        It is what the parameters' standard errors, carried to the scenario, make of the target: without the
        scatter of single minutes, which calibration adds. NaN where it is not known.
        """


@runtime_checkable
class KnowsLaws(Protocol):
    """A model whose predictions obey laws, so that their intervals can obey them too."""

    def laws(self, scenario: pd.DataFrame) -> Laws:
        """What it knows of each row."""


@runtime_checkable
class Explains(Protocol):
    """A model whose predictions explain themselves, for `kpp predict --explain`."""

    def explain(self, scenario: pd.DataFrame) -> pd.DataFrame:
        """What makes up each prediction: one column per part, unit in its name; the scenario's index."""


ModelFactory: TypeAlias = Callable[[], WhatIfModel]
