"""How far a prediction can be trusted, as a verdict and a reason of one line."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kpp.schema import TARGETS
from kpp.whatif.measured import SAME, two_digits
from kpp.whatif.model import (
    EXTRAPOLATING,
    IN_RANGE,
    REASON,
    THINK_TIME,
    UNSUPPORTED,
    VERDICT,
    KnowsSaturation,
    WhatIfModel,
)
from kpp.whatif.network.bottlenecks import tell_saturation

MOST_REACHES = 2.0  # farther than so many times what a model was tried at, nothing speaks for it any more
NOTHING = "nothing could be estimated"


@dataclass(frozen=True)
class Known:
    """What there is to judge rows by.

    Attributes:
        outside: (rows,), what of each was not measured, of `Measured.outside`.
        distances: (rows,), of `Measured.distance`.
        reach: (rows,), the longest distance at which the model was tried in the row's direction.
        highest_rps: service -> the highest throughput measured at any load.
        bounded: (rows, 3), whether there is an interval.
    """

    outside: list[str]
    distances: NDArray[np.float64]
    reach: NDArray[np.float64]
    highest_rps: dict[str, float]
    bounded: NDArray[np.bool_]


def judge(model: WhatIfModel, scenario: pd.DataFrame, predicted: pd.DataFrame, known: Known) -> pd.DataFrame:
    """Give each row its `VERDICT` and `REASON`.

    Args:
        model: that predicted.
        scenario: all `SCENARIO_COLUMNS`, index 0, 1, ….
        predicted: `TARGETS`, NaN where not estimated.
        known: of each row.
    """
    reasons = tell_saturation(model, scenario, predicted, known.highest_rps)
    knows_pauses = isinstance(model, KnowsSaturation)
    other_pause = scenario[THINK_TIME].notna().to_numpy() & (not knows_pauses)
    tails = _tails(predicted[list(TARGETS)].isna().to_numpy(), known.bounded)
    rows = zip(known.reach, known.outside, known.distances, reasons, other_pause, tails, strict=True)
    judged = [_judge_row(model.name, *row) for row in rows]
    return pd.DataFrame(judged, columns=[VERDICT, REASON], index=scenario.index)


def _judge_row(
    name: str,
    reach: float,
    outside: str,
    distance: float,
    saturation: str,
    other_pause: bool,
    tail: str,
) -> tuple[str, str]:
    if np.isinf(distance) or tail == NOTHING:
        return UNSUPPORTED, outside or tail
    if other_pause:
        return UNSUPPORTED, f"{name} cannot tell what another think time changes{tail}"
    reason = "; ".join(part for part in (saturation, outside) if part)
    if outside and distance > MOST_REACHES * reach * (1 + SAME):
        return UNSUPPORTED, f"{reason}; {_tell_reach(name, distance, reach)}{tail}"
    if outside:
        return EXTRAPOLATING, reason + tail
    return IN_RANGE, (reason or "loads around it were measured") + tail


def _tell_reach(name: str, distance: float, reach: float) -> str:
    """How far a question lies, beside how far the model was tried.

    >>> _tell_reach("hybrid", np.log(150), np.log(3.4))
    'in all 150 times from the data, where hybrid was tried up to 3.4 times and is trusted up to 12 times'
    """
    far = f"in all {two_digits(np.exp(distance))} times from the data"
    if not reach:
        return f"{far}, and {name} was never tried beyond its data"
    tried, trusted = (two_digits(np.exp(times * reach)) for times in (1, MOST_REACHES))
    return f"{far}, where {name} was tried up to {tried} times and is trusted up to {trusted} times"


def _tails(missing: NDArray[np.bool_], bounded: NDArray[np.bool_]) -> list[str]:
    """What of each row has no estimate, or no interval around it."""
    found = []
    for lacks, has_interval in zip(missing.tolist(), bounded.tolist(), strict=True):
        if all(lacks):
            found.append(NOTHING)
            continue
        names = ", ".join(target for target, is_missing in zip(TARGETS, lacks, strict=True) if is_missing)
        loose = any(not known and not gone for known, gone in zip(has_interval, lacks, strict=True))
        tail = f"; not estimated: {names}" if names else ""
        found.append(tail + ("; no interval, for too few loads could be left out to try it" if loose else ""))
    return found
