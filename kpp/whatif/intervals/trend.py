"""What the measured loads show of growth, for models that know of none.

A tree, a neighbour or a neural network may have ended at the edge of the data with what went on growing up
to it. The errors that it made near by hardly show that where loads lie close together: they are lost among
what hours differ by. So its interval reaches to where the trend leads as well.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kpp.schema import SERVICE, TARGETS, USER_COUNT
from kpp.whatif.intervals.agreement import Bounds
from kpp.whatif.intervals.held_out import RESOLUTION, to_logs

Floats = NDArray[np.float64]


def reach_to_trend(bounds: Bounds, points: Floats, scenario: pd.DataFrame, levels: pd.DataFrame) -> Bounds:
    """Widen bounds outside of the measured user counts, so that they hold the trend as they hold the point.

    Args:
        bounds: around the points.
        points: (rows, 3) the predictions.
        scenario: `SERVICE` and `USER_COUNT` of each row.
        levels: as of `kpp.whatif.campaign.levels_of`.
    """
    apart = np.zeros_like(points)
    for service, rows in scenario.groupby(SERVICE).indices.items():
        own = levels[levels[SERVICE] == service]
        users = scenario[USER_COUNT].to_numpy(dtype=np.float64)[rows]
        outside = (users < own[USER_COUNT].min()) | (users > own[USER_COUNT].max())
        if outside.any():
            expected = _trend(own, users[outside])
            apart[rows[outside]] = np.nan_to_num(expected - to_logs(points[rows[outside]]))
    lower = (bounds.lower + RESOLUTION) * np.exp(np.minimum(apart, 0.0)) - RESOLUTION
    upper = (bounds.upper + RESOLUTION) * np.exp(np.maximum(apart, 0.0)) - RESOLUTION
    return replace(bounds, lower=np.maximum(lower, 0.0), upper=upper)


def _trend(levels: pd.DataFrame, users: Floats) -> Floats:
    """(users, 3) logarithms: the power of the load that comes nearest to one service's levels."""
    loads = np.log(levels[USER_COUNT].to_numpy(dtype=np.float64))
    values = to_logs(levels[list(TARGETS)].to_numpy(dtype=np.float64))
    found = np.full((len(users), len(TARGETS)), np.nan)
    for column, own in enumerate(values.T):
        known = np.isfinite(own)
        if np.unique(loads[known]).size > 1:
            found[:, column] = np.polyval(np.polyfit(loads[known], own[known], 1), np.log(users))
    return found
