"""What a model errs on loads that were left out of its training."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kpp.errors import InputError
from kpp.schema import CPU_USAGE, RESPONSE_TIME, SERVICE, TARGETS, THROUGHPUT, USER_COUNT
from kpp.whatif.campaign import levels_of
from kpp.whatif.measured import Measured
from kpp.whatif.model import Campaign, EstimatesSpread, WhatIfModel
from kpp.whatif.scenario import situations_of

logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]

INNER_FOLDS = 4
MAX_LOADS = 1_000_000  # of a fold
LEFT_OUT_SHARES = (0.25, 0.5)  # of the loads, at the top and at the bottom

# An error is a difference of ln(value + resolution): in proportion to a value far above what can be resolved,
# a plain difference below. Envoy truncates each duration to whole milliseconds, a rate over a minute counts
# whole requests, and Kubernetes reckons in millicores.
RESOLUTIONS = {RESPONSE_TIME: 1e-3, THROUGHPUT: 1 / 60, CPU_USAGE: 1e-3}
RESOLUTION = np.array([RESOLUTIONS[target] for target in TARGETS])


@dataclass(frozen=True)
class HeldOutErrors:
    """One row for each measured minute and service of the loads that were left out.

    A service that a fold's model had not seen at all is not asked for: it says nothing of errors.

    Attributes:
        services: (rows,).
        loads: (rows,), a number for each load of each fold.
        distances: (rows,), of `Measured.distance` from what the fold's model had learned.
        spans: (rows,), `span_of` the user counts that it had learned.
        beyond: (rows,), whether the row lay outside of what that model had learned.
        above: (rows,), whether its load was higher than all those.
        errors: (rows, 3), ln(observed + resolution) - ln(predicted + resolution); NaN if either is not known.
        spreads: (rows, 3), of `spread_of`.
        throughput_rps: (rows,), predicted.
    """

    services: NDArray[np.object_]
    loads: NDArray[np.int64]
    distances: Floats
    spans: Floats
    beyond: NDArray[np.bool_]
    above: NDArray[np.bool_]
    errors: Floats
    spreads: Floats
    throughput_rps: Floats

    @property
    def stretches(self) -> Floats:
        """(rows,), distance / span."""
        return self.distances / self.spans

    def by_service(self) -> dict[str, NDArray[np.intp]]:
        """The positions of the rows of each service."""
        groups = pd.Series(self.services).groupby(self.services).indices
        return {str(service): np.asarray(rows, dtype=np.intp) for service, rows in groups.items()}

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> "HeldOutErrors":
        return HeldOutErrors(*(getattr(self, field.name)[rows] for field in fields(self)))


def leave_loads_out(user_counts: Sequence[float]) -> list[list[float]]:
    """Which user counts to leave out, fold by fold: inner ones in turn, then parts at the top and the bottom.

    >>> leave_loads_out([10, 20, 30, 40])
    [[20], [30], [40], [30, 40], [10], [10, 20]]
    """
    steps = sorted(set(user_counts))
    inner = steps[1:-1]
    folds = [inner[start::INNER_FOLDS] for start in range(min(INNER_FOLDS, len(inner)))]
    counts = sorted({int(np.ceil(share * len(steps))) for share in LEFT_OUT_SHARES})
    counts = [count for count in counts if count < len(steps)]
    return folds + [steps[-count:] for count in counts] + [steps[:count] for count in counts]


def errors_on_held_out_loads(make: Callable[[], WhatIfModel], campaign: Campaign) -> HeldOutErrors:
    """Fit a fresh model for each fold and ask it for the loads that it did not see."""
    user_counts = campaign.measurements[USER_COUNT]
    found = [_nothing()]
    for number, held_out in enumerate(leave_loads_out(user_counts.tolist())):
        mask = user_counts.isin(held_out)
        model = make()
        learned = replace(campaign, measurements=campaign.measurements[~mask].reset_index(drop=True))
        try:
            model.fit(learned)
        except InputError as error:  # fewer loads than it needs
            logger.debug("%s: left out of the calibration: %s", model.name, error)
            continue
        known = learned.measurements[SERVICE].unique()
        asked = campaign.measurements[mask & campaign.measurements[SERVICE].isin(known)]
        found.append(_ask(model, learned, asked.reset_index(drop=True), number))
    return HeldOutErrors(
        *(np.concatenate([getattr(each, field.name) for each in found]) for field in fields(HeldOutErrors))
    )


def span_of(user_counts: "pd.Series[float]") -> float:
    """How far loads lie apart: ln(largest / smallest), the lever by which a trend is known.

    Of a single load, which tells no trend, it is 1.
    """
    return float(np.log(user_counts.max() / user_counts.min())) or 1.0


def to_logs(values: Floats) -> Floats:
    """(rows, 3) in own units to what errors are measured in."""
    logs: Floats = np.log(values + RESOLUTION)
    return logs


def spread_of(model: WhatIfModel, scenario: pd.DataFrame, predicted: Floats) -> Floats:
    """What the model says of its own standard error, in the unit of errors; 0 where it says nothing.

    Args:
        model: that predicted.
        scenario: that it was asked.
        predicted: (rows, 3), own units.

    Returns:
        (rows, 3)
    """
    if not isinstance(model, EstimatesSpread):
        return np.zeros((len(scenario), len(TARGETS)))
    ratios = model.spread(scenario)[list(TARGETS)].to_numpy(dtype=np.float64)
    return in_logs(ratios, predicted)


def in_logs(ratios: Floats, predicted: Floats) -> Floats:
    """(rows, 3) relative deviations of what was predicted, in the unit of errors; 0 where not known."""
    deviations: Floats = np.nan_to_num(ratios * predicted / (predicted + RESOLUTION))
    return deviations


def _ask(model: WhatIfModel, learned: Campaign, asked: pd.DataFrame, fold: int) -> HeldOutErrors:
    measured = Measured(levels_of(learned))
    distinct, positions = situations_of(asked)
    scenario = measured.fill(distinct)
    predicted = model.predict(scenario)[list(TARGETS)].to_numpy(dtype=np.float64)
    observed = asked[list(TARGETS)].to_numpy(dtype=np.float64)
    user_counts = asked[USER_COUNT].to_numpy()
    return HeldOutErrors(
        services=asked[SERVICE].to_numpy(dtype=object),
        loads=fold * MAX_LOADS + np.unique(user_counts, return_inverse=True)[1],
        distances=measured.distance(scenario)[positions],
        spans=np.full(len(asked), span_of(learned.measurements[USER_COUNT])),
        beyond=np.array([text != "" for text in measured.outside(scenario)], dtype=bool)[positions],
        above=measured.is_above(scenario)[positions],
        errors=to_logs(observed) - to_logs(predicted)[positions],
        spreads=spread_of(model, scenario, predicted)[positions],
        throughput_rps=predicted[positions, list(TARGETS).index(THROUGHPUT)],
    )


def _nothing() -> HeldOutErrors:
    no_rows, no_targets = np.empty(0), np.empty((0, len(TARGETS)))
    return HeldOutErrors(
        np.empty(0, object),
        np.empty(0, np.int64),
        no_rows,
        no_rows,
        np.empty(0, bool),
        np.empty(0, bool),
        no_targets,
        no_targets,
        no_rows,
    )
