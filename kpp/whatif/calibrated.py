"""A what-if model with all that a prediction needs beside its points: intervals, verdicts, defaults."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kpp.schema import CPU_LIMIT, CPU_REQUEST, REPLICAS, SERVICE, TARGETS, THROUGHPUT, USER_COUNT
from kpp.whatif.campaign import MINUTES, levels_of
from kpp.whatif.intervals.agreement import Bounds, Laws, agree
from kpp.whatif.intervals.conformal import calibrate
from kpp.whatif.intervals.held_out import errors_on_held_out_loads, in_logs, spread_of
from kpp.whatif.intervals.hidden_knees import earliest_knees
from kpp.whatif.intervals.intervals import Intervals, Place
from kpp.whatif.intervals.trend import reach_to_trend
from kpp.whatif.measured import Measured
from kpp.whatif.model import (
    REPLICAS_USED,
    Campaign,
    Explains,
    KnowsLaws,
    KnowsSaturation,
    State,
    WhatIfModel,
)
from kpp.whatif.network.bottlenecks import add_bottlenecks
from kpp.whatif.plain_data import from_plain, to_plain
from kpp.whatif.scenario import check_numbers, complete
from kpp.whatif.verdict import Known, judge

Floats = NDArray[np.float64]

LEVEL_NUMBERS = [USER_COUNT, REPLICAS, CPU_REQUEST, CPU_LIMIT, *TARGETS, MINUTES]
COVERAGE = 0.9


def lower_of(target: str) -> str:
    """The column of a target's lower bound."""
    return f"{target} lower"


def upper_of(target: str) -> str:
    """The column of a target's upper bound."""
    return f"{target} upper"


@dataclass(frozen=True)
class CalibratedModel:
    """A fitted model, what it was fitted on, and how far it erred on loads that were left out."""

    model: WhatIfModel
    measured: Measured
    intervals: Intervals

    @classmethod
    def fit(cls, make: Callable[[], WhatIfModel], campaign: Campaign) -> "CalibratedModel":
        """Fit a model on the campaign, and fresh ones on parts of it to calibrate the intervals.

        Raises:
            InputError: nothing can be learned from the campaign.
        """
        model = make()
        model.fit(campaign)
        intervals = calibrate(errors_on_held_out_loads(make, campaign), campaign)
        return cls(model, Measured(levels_of(campaign)), intervals)

    @property
    def services(self) -> list[str]:
        """Those that were measured, by name."""
        return sorted(self.measured.levels[SERVICE].unique())

    def predict(self, scenario: pd.DataFrame, coverage: float = COVERAGE) -> pd.DataFrame:
        """Predict a scenario with intervals and verdicts.

        Args:
            scenario: `SERVICE`, `USER_COUNT`, and any other columns; see `kpp.whatif.scenario.complete`.
            coverage: of the intervals, one of `kpp.whatif.intervals.intervals.COVERAGES`.

        Raises:
            InputError: of `kpp.whatif.scenario.check_numbers`.

        Returns:
            The scenario as it is; `TARGETS`, each followed by its lower and upper bound; `VERDICT` and
            `REASON`. NaN where something cannot be estimated.
        """
        asked = add_bottlenecks(self.model, self.complete(scenario))
        points = self.model.predict(asked)[list(TARGETS)]
        asked = self.measured.fill(asked)  # the bottlenecks' layout is as measured
        values = points.to_numpy(dtype=np.float64)
        outside, apart = self._unmeasured(asked, values)
        laws = self.model.laws(asked) if isinstance(self.model, KnowsLaws) else None
        place = self._place(asked, values, outside, apart, laws)
        bounds = self._bounds(asked, values, place, laws, coverage)
        known = Known(
            outside,
            np.maximum(self._longer_way(asked, laws), apart),
            self.intervals.tried(place.above),
            self._highest_rps(),
            np.isfinite(bounds.lower) & np.isfinite(bounds.upper),
        )
        judged = judge(self.model, asked, points, known)
        answers = _side_by_side(points, bounds).join(judged).iloc[: len(scenario)]
        answers.index = scenario.index
        return pd.concat([scenario, answers], axis=1)

    def replicas_used(self, scenario: pd.DataFrame) -> "pd.Series[float]":
        """The replicas that each row's prediction is made with: as asked for, measured, or assumed.

        NaN where no table told and the model assumes none; the scenario's index.
        """
        asked = self.complete(scenario)
        used = asked[REPLICAS]
        if isinstance(self.model, KnowsSaturation):
            used = used.fillna(self.model.saturation(asked).get(REPLICAS_USED, used))
        return used.set_axis(scenario.index)

    def explain(self, scenario: pd.DataFrame) -> pd.DataFrame | None:
        """What makes up each row's prediction; the scenario's index. None if the model cannot say."""
        if not isinstance(self.model, Explains):
            return None
        parts = self.model.explain(self.complete(scenario))
        parts.index = scenario.index
        return parts

    def dump(self) -> State:
        """As plain data."""
        levels = self.measured.levels
        return {
            "model": self.model.dump(),
            "levels": {
                "services": levels[SERVICE].tolist(),
                "columns": LEVEL_NUMBERS,
                "rows": to_plain(levels[LEVEL_NUMBERS].to_numpy(dtype=np.float64)),
            },
            "intervals": self.intervals.dump(),
        }

    @classmethod
    def restore(cls, model: WhatIfModel, state: State) -> "CalibratedModel":
        """Give a fresh model the state that was dumped.

        Raises:
            KeyError, TypeError, ValueError: it is no such state.
        """
        model.restore(state["model"])
        rows = from_plain(state["levels"]["rows"])
        levels = pd.DataFrame(rows, columns=state["levels"]["columns"])
        levels.insert(0, SERVICE, state["levels"]["services"])
        return cls(model, Measured(levels), Intervals.restore(state["intervals"]))

    def complete(self, scenario: pd.DataFrame) -> pd.DataFrame:
        """All `SCENARIO_COLUMNS` of a scenario, what it leaves open as measured; index 0, 1, …

        Raises:
            InputError: of `kpp.whatif.scenario.check_numbers`.
        """
        check_numbers(scenario)
        return self.measured.fill(complete(scenario.reset_index(drop=True)))

    def _unmeasured(self, asked: pd.DataFrame, values: Floats) -> tuple[list[str], Floats]:
        """What of each row was not measured, in words, and how far another pause takes it from the data."""
        paused, apart = self.measured.paused_apart(asked, values[:, TARGETS.index(THROUGHPUT)])
        both = zip(self.measured.outside(asked), paused, strict=True)
        return [" and ".join(filter(None, words)) for words in both], apart

    def _place(
        self, asked: pd.DataFrame, values: Floats, outside: list[str], apart: Floats, laws: Laws | None
    ) -> Place:
        """Where each row lies, for its interval."""
        place = Place(
            distances=np.maximum(self.measured.distance(asked), apart),
            beyond=np.array([text != "" for text in outside], dtype=bool),
            spreads=spread_of(self.model, asked, values),
            above=self.measured.is_above(asked),
        )
        if laws is None:
            return place
        return replace(place, capacities=in_logs(laws.capacity_spread, values))

    def _bounds(
        self, asked: pd.DataFrame, values: Floats, place: Place, laws: Laws | None, coverage: float
    ) -> Bounds:
        """Of each row and target: as calibrated, then as the laws, or the measured trend, have it."""
        knees = earliest_knees(self.measured, asked, values, laws)
        if laws is not None:
            place = replace(place, least_seconds=laws.least_seconds(coverage))
        bounds = self.intervals.around(asked, values, place, knees, coverage)
        if laws is None:
            return reach_to_trend(bounds, values, asked, self.measured.levels)
        users = asked[USER_COUNT].to_numpy(dtype=np.float64)
        return agree(bounds, values, laws, users, place.beyond)

    def _longer_way(self, asked: pd.DataFrame, laws: Laws | None) -> Floats:
        """(rows,) of `Measured.distance`. The way to a known knee and the way beyond it are two questions.

        Up to the knee all depends on how demand goes on; beyond it users only queue up, by N = X (Z + R). So
        the longer of the two counts, and not both together.
        """
        whole = self.measured.distance(asked)
        if laws is None:
            return whole
        users = asked[USER_COUNT].to_numpy(dtype=np.float64)
        served = np.fmin(users, laws.users_at_knee)
        to_knee = self.measured.distance(asked.assign(**{USER_COUNT: served}))
        return np.asarray(np.minimum(whole, np.maximum(to_knee, np.log(users / served))), dtype=np.float64)

    def _highest_rps(self) -> dict[str, float]:
        return {
            str(name): float(rps)
            for name, rps in self.measured.levels.groupby(SERVICE)[THROUGHPUT].max().items()
        }


def _side_by_side(points: pd.DataFrame, bounds: Bounds) -> pd.DataFrame:
    """Each target, followed by its bounds."""
    columns: dict[str, Floats] = {}
    for number, target in enumerate(TARGETS):
        columns[target] = points[target].to_numpy(dtype=np.float64)
        columns[lower_of(target)] = bounds.lower[:, number]
        columns[upper_of(target)] = bounds.upper[:, number]
    return pd.DataFrame(columns, index=points.index)
