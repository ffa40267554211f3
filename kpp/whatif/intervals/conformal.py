"""Calibrates intervals around any model's predictions, at stated coverages.

Conformal prediction (V. Vovk, A. Gammerman and G. Shafer, Algorithmic Learning in a Random World, Springer
2005) by the library crepes: what a model erred on loads that were left out of its training, each error
divided by how difficult that load was, gives the width. docs/adr/0021-conformal-intervals.md says what is
assumed.
"""

from collections import defaultdict
from collections.abc import Mapping

import numpy as np
import pandas as pd
from crepes import ConformalRegressor
from numpy.typing import NDArray

from kpp.schema import USER_COUNT
from kpp.whatif.intervals.difficulty import estimate_difficulty
from kpp.whatif.intervals.held_out import HeldOutErrors, span_of
from kpp.whatif.intervals.intervals import COVERAGES, Intervals, ServiceIntervals
from kpp.whatif.intervals.noise import estimate_noise
from kpp.whatif.model import Campaign

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

NO_ROWS = np.empty(0, dtype=np.intp)

LEAST_COUNTS = np.array([np.ceil(1 / (1 - coverage) - 1e-9) for coverage in COVERAGES])  # to tell a coverage


def calibrate(held_out: HeldOutErrors, campaign: Campaign) -> Intervals:
    """Find the difficulty and the quantiles of every service."""
    held_out = held_out[
        np.isfinite(held_out.distances)
    ]  # without the only load of a service: it is not there
    span = span_of(campaign.measurements[USER_COUNT])
    inner = held_out.distances[~held_out.beyond]
    nearest = float(np.median(inner)) if len(inner) else 0.0
    distances = np.maximum(held_out.distances, nearest)

    stretches = distances / held_out.spans
    rows_of = held_out.by_service()
    difficulties, usual_spreads, scores = {}, {}, np.abs(held_out.errors)
    for service, noise in estimate_noise(campaign).items():
        own = rows_of.get(service, NO_ROWS)
        difficulty = difficulties[service] = estimate_difficulty(noise, held_out[own])
        usual_spreads[service] = np.nan_to_num(_median(held_out.spreads[own[~held_out.beyond[own]]]))
        spreads = np.maximum(held_out.spreads[own], usual_spreads[service])
        minute = noise.at(held_out.throughput_rps[own])
        scores[own] /= difficulty.at(minute, distances[own], stretches[own], spreads)

    inside, beyond = (_quantiles(scores, held_out, held_out.beyond == where) for where in (False, True))
    services = {
        service: ServiceIntervals(
            difficulty,
            usual_spreads[service],
            inside=_first_known(inside[service], beyond[service]),
            beyond=_first_known(beyond[service], inside[service]),
        )
        for service, difficulty in difficulties.items()
    }
    usual = np.stack([_median(np.abs(held_out.errors[held_out.beyond == where])) for where in (False, True)])
    reach, above = (
        float(each.max(initial=0.0)) for each in (held_out.distances, held_out.distances[held_out.above])
    )
    return Intervals(services, span, nearest, reach, above, usual)


def _quantiles(scores: Floats, held_out: HeldOutErrors, where: Mask) -> Mapping[str, Floats]:
    """(coverages, 3) by service: the half-width at difficulty 1; NaN where too few minutes can tell.

    Minutes of one load err together, so it takes as many loads as a coverage takes minutes. A service with
    fewer gets the quantile of all services together if that is larger.
    """
    pooled = _quantiles_of(scores[where])
    found: dict[str, Floats] = defaultdict(lambda: pooled)
    for service, rows in held_out.by_service().items():
        own = rows[where[rows]]
        enough = len(np.unique(held_out.loads[own])) >= LEAST_COUNTS
        quantiles = _quantiles_of(scores[own])
        found[service] = np.where(enough[:, None], quantiles, np.fmax(quantiles, pooled))
    return found


def _quantiles_of(scores: Floats) -> Floats:
    """(coverages, 3) of (rows, 3); NaN for too few."""
    found = np.full((len(COVERAGES), scores.shape[1]), np.nan)
    for column, values in enumerate(scores.T):
        known = values[np.isfinite(values)]
        regressor = ConformalRegressor().fit(known)
        for number, (coverage, least) in enumerate(zip(COVERAGES, LEAST_COUNTS, strict=True)):
            if len(known) > least:  # with fewer, the library's interval is infinite
                ((_, found[number, column]),) = regressor.predict_int(np.zeros(1), confidence=coverage)
    return found


def _median(values: Floats) -> Floats:
    """(columns,) of (rows, columns), without NaN."""
    return pd.DataFrame(values).median().to_numpy(dtype=np.float64)


def _first_known(first: Floats, second: Floats) -> Floats:
    known: Floats = np.where(np.isnan(first), second, first)
    return known
