"""Intervals around predictions: what a calibration found, put around any model's points."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from kpp.schema import RESPONSE_TIME, SERVICE, TARGETS, THROUGHPUT
from kpp.whatif.intervals.agreement import Bounds
from kpp.whatif.intervals.difficulty import KNEE_FALL, KNEE_RISE, Difficulty
from kpp.whatif.intervals.held_out import RESOLUTION, to_logs
from kpp.whatif.intervals.hidden_knees import Knees
from kpp.whatif.model import State
from kpp.whatif.plain_data import from_plain, to_plain

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

COVERAGES = (0.5, 0.8, 0.9, 0.95, 0.99)  # those that a calibration knows
FLOW, TIME = (list(TARGETS).index(target) for target in (THROUGHPUT, RESPONSE_TIME))
LARGEST_LOG = float(np.log(1e12))  # as in tables, nothing measured comes near


@dataclass(frozen=True)
class Place:
    """Where rows of a scenario lie, seen from what a model had learned.

    Attributes:
        distances: (rows,), of `Measured.distance`.
        beyond: (rows,), outside of the measured range.
        spreads: (rows, 3), of `spread_of`.
        above: (rows,), of `Measured.is_above`.
        capacities: (rows, 3), the spread that is due to capacities; None for a model without laws.
        least_seconds: (rows,), of `Laws.least_seconds`; None likewise.
    """

    distances: Floats
    beyond: Mask
    spreads: Floats
    above: Mask
    capacities: Floats | None = None
    least_seconds: Floats | None = None

    def of(self, rows: NDArray[np.intp]) -> "Place":
        """Some of the rows."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: part[rows] for name, part in parts.items() if part is not None})


@dataclass(frozen=True)
class ServiceIntervals:
    """One service's calibration.

    Attributes:
        difficulty: what scales the width.
        spread: (3,): the model's usual own standard error at inner loads that were left out; a smaller one
            counts as this one, since it was not tried.
        inside, beyond: (coverages, 3): quantiles of |error| / difficulty, within and beyond the measured
            range; NaN where too few minutes were left out to tell.
    """

    difficulty: Difficulty
    spread: Floats
    inside: Floats
    beyond: Floats

    def usual_widths(self, noise: Floats, nearest: float, span: float, at: int) -> Floats:
        """(rows, 3) half-widths in the midst of the measured loads."""
        distances = np.full(len(noise), nearest)
        usual = self.difficulty.at(noise, distances, distances / span, self.spread)
        return np.asarray(usual * self.inside[at], dtype=np.float64)


@dataclass(frozen=True)
class Intervals:
    """The calibration of one model on one campaign.

    Attributes:
        services: by name.
        span: of the campaign's user counts.
        nearest: the usual distance of inner loads that were left out: nearer ones count as no easier.
        reach: the longest distance at which the model was tried.
        reach_above: the same, of loads above those that were learned.
        usual_errors: (2, 3): the median |error| over all services, within and beyond the measured range; NaN
            where no load could be left out.
    """

    services: Mapping[str, ServiceIntervals]
    span: float
    nearest: float
    reach: float
    reach_above: float
    usual_errors: Floats

    def around(
        self, scenario: pd.DataFrame, predicted: Floats, place: Place, knees: Knees, coverage: float
    ) -> Bounds:
        """Lower and upper bounds; NaN where there is no prediction.

        Args:
            scenario: with the index 0, 1, ….
            predicted: (rows, 3), own units.
            place: of each row.
            knees: that nothing shows.
            coverage: one of `COVERAGES`.
        """
        at = COVERAGES.index(coverage)
        unmeasured = np.where(place.beyond & np.isfinite(place.distances), place.distances, 0.0)
        untried = np.maximum(unmeasured - self.tried(place.above), 0.0)
        deviations = float(norm.ppf((1 + coverage) / 2))
        rise = deviations * np.outer(untried, KNEE_RISE)
        widths, noise, usual = np.full((3, *predicted.shape), np.nan)
        for service, rows in scenario.groupby(SERVICE).indices.items():
            known = self.services.get(str(service))
            if known is not None:
                here = place.of(np.asarray(rows, dtype=np.intp))
                minute = known.difficulty.noise.at(predicted[rows, FLOW])
                usual[rows] = known.usual_widths(minute, self.nearest, self.span, at)
                widths[rows] = self._half_widths(known, minute, here, at, usual[rows])
                noise[rows] = minute * np.fmax(known.inside[at], deviations)
        logs = to_logs(predicted)
        above = np.nan_to_num(logs - to_logs(knees.least), nan=np.inf)
        knee = deviations * KNEE_FALL * np.clip(above, 0.0, unmeasured[:, None])
        lower = np.exp(logs - widths - knee - rise)
        if place.least_seconds is not None:
            lower[:, TIME] = np.fmax(lower[:, TIME], _least(logs, usual, place.least_seconds))
        upper = np.exp(np.minimum(logs + widths + rise, LARGEST_LOG))
        return Bounds(
            np.maximum(lower - RESOLUTION, 0.0),
            np.maximum(upper - RESOLUTION, 0.0),
            np.minimum(np.nan_to_num(noise), np.nan_to_num(widths)),
            _room(predicted, np.nan_to_num(widths - noise), knees, unmeasured, deviations),
        )

    def tried(self, above: Mask) -> Floats:
        """(rows,) how far the model was tried in their direction."""
        return np.where(above, self.reach_above, self.reach)

    def _half_widths(
        self, known: ServiceIntervals, noise: Floats, place: Place, at: int, usual: Floats
    ) -> Floats:
        """(rows, 3) of one service. Beyond the measured range no interval is narrower than within it.

        There, a standard error of the model's own that was never tried as large counts in full, however small
        the quantiles are where it hardly mattered. What capacities are unsure by mattered at no load without
        a queue, so that it counts in full everywhere.
        """
        deviations = float(norm.ppf((1 + COVERAGES[at]) / 2))
        distances = np.maximum(place.distances, self.nearest)
        spreads = np.maximum(place.spreads, known.spread)
        tried = self.tried(place.above)
        far = np.where(tried > 0, np.maximum(distances / np.where(tried > 0, tried, 1.0), 1.0), 1.0)
        difficulty = known.difficulty.at(noise, distances, distances / self.span, spreads, far)
        beyond = np.maximum(difficulty * known.beyond[at], usual)
        beyond = beyond + (spreads - known.spread) * np.maximum(deviations - known.beyond[at], 0.0)
        widths: Floats = np.where(place.beyond[:, None], beyond, difficulty * known.inside[at])
        return widths if place.capacities is None else np.hypot(widths, deviations * place.capacities)

    def dump(self) -> State:
        """As plain data."""
        services = {
            name: {
                "difficulty": each.difficulty.dump(),
                "spread": to_plain(each.spread),
                "inside": to_plain(each.inside),
                "beyond": to_plain(each.beyond),
            }
            for name, each in self.services.items()
        }
        numbers = {
            "span": self.span,
            "nearest": self.nearest,
            "reach": self.reach,
            "reach_above": self.reach_above,
        }
        return {
            "coverages": list(COVERAGES),
            **numbers,
            "usual_errors": to_plain(self.usual_errors),
            "services": services,
        }

    @classmethod
    def restore(cls, state: State) -> "Intervals":
        """From what `dump` gave."""
        if tuple(state["coverages"]) != COVERAGES:
            raise ValueError("calibrated at other coverages")
        services = {}
        for name, each in state["services"].items():
            others = {part: from_plain(each[part]) for part in ("spread", "inside", "beyond")}
            services[name] = ServiceIntervals(Difficulty.restore(each["difficulty"]), **others)
        names = ("span", "nearest", "reach", "reach_above")
        span, nearest, reach, above = (float(state[name]) for name in names)
        return cls(services, span, nearest, reach, above, from_plain(state["usual_errors"]))


def _least(logs: Floats, usual: Floats, least_seconds: Floats) -> Floats:
    """(rows,) the shortest response time + resolution: what it is without waiting."""
    least = np.log(least_seconds + RESOLUTION[TIME]) - usual[:, TIME]
    return np.asarray(np.exp(np.minimum(least, logs[:, TIME])), dtype=np.float64)


def _room(predicted: Floats, unsure: Floats, knees: Knees, unmeasured: Floats, deviations: float) -> Floats:
    """(rows,) of `Bounds.room`."""
    least = knees.least_rps(np.maximum(unsure[:, FLOW], 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        over = np.nan_to_num(np.log(predicted[:, FLOW] / least))
    return np.asarray(deviations * KNEE_FALL[FLOW] * np.clip(over, 0.0, unmeasured), dtype=np.float64)
