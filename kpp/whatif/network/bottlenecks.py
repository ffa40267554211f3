"""What saturates in each situation of a scenario, in words: the same for all services of the situation."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kpp.schema import REPLICAS, SERVICE, THROUGHPUT, USER_COUNT
from kpp.whatif.model import (
    BOTTLENECK,
    SATURATES,
    SATURATION,
    SATURATION_LOWER,
    SATURATION_UPPER,
    SCENARIO_COLUMNS,
    SITUATION,
    THINK_TIME,
    KnowsSaturation,
    WhatIfModel,
)

SATURATED = 0.95  # of the saturation throughput


def add_bottlenecks(model: WhatIfModel, scenario: pd.DataFrame) -> pd.DataFrame:
    """Add the bottleneck of each situation that asks for other services alone, so that reasons can name it.

    Args:
        model: that is asked.
        scenario: all `SCENARIO_COLUMNS`, index 0, 1, ….

    Returns:
        The scenario, and below it one row for each such situation, with the layout left open.
    """
    if not isinstance(model, KnowsSaturation) or scenario.empty:
        return scenario
    bottlenecks = model.saturation(scenario)[BOTTLENECK].fillna("").astype(str)
    situations = scenario.assign(**{BOTTLENECK: bottlenecks})
    asked = (situations[BOTTLENECK] == situations[SERVICE]).groupby(situations[SITUATION]).transform("any")
    left_out = situations[~asked & (bottlenecks != "")].drop_duplicates(SITUATION)
    if left_out.empty:
        return scenario
    shared = left_out[[SITUATION, USER_COUNT, THINK_TIME]].assign(**{SERVICE: left_out[BOTTLENECK]})
    rows = shared.reindex(columns=list(SCENARIO_COLUMNS)).astype(scenario.dtypes[list(SCENARIO_COLUMNS)])
    return pd.concat([scenario, rows], ignore_index=True)


def tell_saturation(
    model: WhatIfModel, scenario: pd.DataFrame, predicted: pd.DataFrame, highest_rps: Mapping[str, float]
) -> list[str]:
    """What is saturated at each row: its situation's bottleneck, and its own service where that is another.

    Args:
        model: that predicted.
        scenario: all `SCENARIO_COLUMNS`, index 0, 1, …, of `add_bottlenecks`.
        predicted: `TARGETS`.
        highest_rps: service -> the highest throughput measured at any load.

    Returns:
        A text for each row; empty where nothing is saturated, or the model knows nothing of it.
    """
    if not isinstance(model, KnowsSaturation):
        return [""] * len(scenario)
    saturation = model.saturation(scenario)
    limits = saturation[SATURATION].to_numpy(dtype=np.float64)
    # NaN compares as False
    saturated: NDArray[np.bool_] = predicted[THROUGHPUT].to_numpy(dtype=np.float64) >= SATURATED * limits
    own = [""] * len(scenario)
    services, replicas = scenario[SERVICE].tolist(), scenario[REPLICAS].tolist()
    told = saturation.to_dict("records")
    for row in np.flatnonzero(saturated):
        measured = highest_rps.get(services[row], float("nan"))
        own[row] = _word(services[row], replicas[row], told[row], measured)
    is_bottleneck = (saturation[BOTTLENECK].fillna("") == scenario[SERVICE]).to_numpy()
    situations = scenario[SITUATION].tolist()
    first = {situations[row]: own[row] for row in np.flatnonzero(saturated & is_bottleneck)}
    shared = [first.get(situation, "") for situation in situations]
    return ["; ".join(dict.fromkeys(filter(None, texts))) for texts in zip(shared, own, strict=True)]


def _word(service: str, replicas: float, saturation: Mapping[Hashable, Any], measured_rps: float) -> str:
    """One line.

    >>> _word("frontend", 2, {SATURATION: 124.04}, 17)
    '2 frontend replicas saturate at 124 req/s; measured up to 17'
    >>> guess = {SATURATION: 62, SATURATION_LOWER: 41.3, SATURATION_UPPER: 93, SATURATES: "by a guess"}
    >>> _word("frontend", float("nan"), guess, 17)
    'frontend probably saturates at 62 req/s (41.3 to 93) by a guess; measured up to 17'
    """
    one = np.isnan(replicas) or replicas == 1
    who = service if np.isnan(replicas) else f"{replicas:g} {service} replica{'' if one else 's'}"
    words = [who, "saturates" if one else "saturate", f"at {_rate(saturation[SATURATION])} req/s"]
    lower, upper = (saturation.get(name, np.nan) for name in (SATURATION_LOWER, SATURATION_UPPER))
    if np.isfinite(lower):
        words.insert(1, "probably")
        words.append(f"({_rate(lower)} to {_rate(upper)})")
    words.append(saturation.get(SATURATES, ""))
    return f"{' '.join(filter(None, words))}; measured up to {_rate(measured_rps)}"


def _rate(rps: float) -> str:
    """Three digits, and no exponent.

    >>> _rate(66.84), _rate(1694.2), _rate(float("nan"))
    ('66.8', '1694', 'nan')
    """
    return f"{rps:.0f}" if rps >= 999.5 else f"{rps:.3g}"
