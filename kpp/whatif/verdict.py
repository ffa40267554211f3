"""How far a prediction can be trusted, as a verdict and a reason of one line."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kpp.schema import REPLICAS, SERVICE, TARGETS, THROUGHPUT
from kpp.whatif.model import (
    BOTTLENECK,
    EXTRAPOLATING,
    IN_RANGE,
    REASON,
    SATURATION,
    SITUATION,
    THINK_TIME,
    UNSUPPORTED,
    VERDICT,
    KnowsSaturation,
    WhatIfModel,
)

MOST_REACHES = 2.0  # farther than so many times what a model was tried at, nothing speaks for it any more
NOTHING = "nothing could be estimated"
SATURATED = 0.95  # of the saturation throughput


@dataclass(frozen=True)
class Known:
    """What there is to judge rows by.

    Attributes:
        outside: (rows,), what of each was not measured, of `Measured.outside`.
        distances: (rows,), of `Measured.distance`.
        reach: the longest distance at which the model was tried.
        highest_rps: service -> the highest throughput measured at any load.
        bounded: (rows, 3), whether there is an interval.
    """

    outside: list[str]
    distances: NDArray[np.float64]
    reach: float
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
    reasons = _saturation_reasons(model, scenario, predicted, known)
    knows_pauses = isinstance(model, KnowsSaturation)
    other_pause = scenario[THINK_TIME].notna().to_numpy() & (not knows_pauses)
    tails = _tails(predicted[list(TARGETS)].isna().to_numpy(), known.bounded)
    rows = zip(known.outside, known.distances, reasons, other_pause, tails, strict=True)
    judged = [_judge_row(model.name, known.reach, *row) for row in rows]
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
    if outside and distance > MOST_REACHES * reach:
        tried = (
            f"tried up to {np.exp(reach):.2g} times beyond its data"
            if reach
            else "never tried beyond its data"
        )
        return UNSUPPORTED, f"{outside}; {name} was {tried}{tail}"
    reason = "; ".join(part for part in (saturation, outside) if part)
    if outside:
        return EXTRAPOLATING, reason + tail
    return IN_RANGE, (reason or "loads around it were measured") + tail


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


def _saturation_reasons(
    model: WhatIfModel, scenario: pd.DataFrame, predicted: pd.DataFrame, known: Known
) -> list[str]:
    """What the model knows of saturation, row by row; empty texts if nothing."""
    if not isinstance(model, KnowsSaturation):
        return [""] * len(scenario)
    saturation = model.saturation(scenario)
    limits = saturation[SATURATION].to_numpy(dtype=np.float64)
    saturated = predicted[THROUGHPUT].to_numpy() >= SATURATED * limits  # NaN compares as False
    bottlenecks = saturation[BOTTLENECK].fillna("").astype(str)
    own = (bottlenecks == scenario[SERVICE]).to_numpy()
    full = set(scenario[SITUATION][saturated & own])
    return list(_word(scenario, limits, saturated, bottlenecks, full, known.highest_rps))


def _word(
    scenario: pd.DataFrame,
    limits: NDArray[np.float64],
    saturated: NDArray[np.bool_],
    bottlenecks: "pd.Series[str]",
    full: set[float],
    highest_rps: dict[str, float],
) -> Iterator[str]:
    columns = (scenario[SERVICE], scenario[REPLICAS], scenario[SITUATION], limits, saturated, bottlenecks)
    for service, replicas, situation, limit, is_saturated, bottleneck in zip(*columns, strict=True):
        if is_saturated:
            who = service if np.isnan(replicas) else f"{replicas:g} {service} replica{'s' * (replicas != 1)}"
            verb = "saturates" if np.isnan(replicas) or replicas == 1 else "saturate"
            measured = highest_rps.get(service, float("nan"))
            yield f"{who} {verb} at {limit:.3g} req/s; measured up to {measured:.3g}"
        elif situation in full:
            yield f"{bottleneck} saturates"
        else:
            yield ""
