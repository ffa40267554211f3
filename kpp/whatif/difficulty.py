"""How large an error of a model is to be expected at a load: what the width of intervals scales with."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.stats import norm

from kpp.schema import RESPONSE_TIME, SERVICE, TARGETS, USER_COUNT
from kpp.whatif.held_out import HeldOutErrors, to_logs
from kpp.whatif.model import Campaign

Floats = NDArray[np.float64]

SMALLEST_NOISE = 1e-4  # so that a table without scatter gives intervals too
MAD_TO_DEVIATION = 1.4826  # 1 / the 0.75 quantile of the standard normal distribution

# Beyond all measured loads there may be a knee that nothing before it shows: a pool, a lock, a thread, a node
# without spare cores. Farther than any load that was left out, the standard deviation of a response time's
# error is taken to grow as fast as the load. Throughput and CPU can only be less than without the knee: their
# 90 % interval reaches down to the most that was measured, which a closed system goes on doing beyond a knee.
KNEE_RISE = np.array([1.0 if target == RESPONSE_TIME else 0.0 for target in TARGETS])
KNEE_FALL = np.array([0.0 if target == RESPONSE_TIME else 1 / norm.ppf(0.95) for target in TARGETS])


@dataclass(frozen=True)
class Difficulty:
    """Of one service and each target: noise + drift x distance + tilt x stretch + spread. Logarithmic errors.

    Attributes:
        noise: (3,): the usual deviation of a single minute from the median of its load.
        drift: (3,): what the shape of the model gets wrong: errors that grow with the distance.
        tilt: (3,): what scatter makes of its trend: errors that grow with the stretch, distance / span of the
            loads that were learned.
    """

    noise: Floats
    drift: Floats
    tilt: Floats

    def at(self, distances: Floats, stretches: Floats, spreads: Floats) -> Floats:
        """(rows, 3), of (rows,) distances and stretches, and (rows, 3) spreads of the model's own."""
        total: Floats = (
            self.noise + np.outer(distances, self.drift) + np.outer(stretches, self.tilt) + spreads
        )
        return total


def estimate_noise(campaign: Campaign) -> dict[str, Floats]:
    """The usual deviation of a minute from the median of its service and load: (3,) by service."""
    rows = campaign.measurements
    logs = pd.DataFrame(to_logs(rows[list(TARGETS)].to_numpy(dtype=np.float64)), columns=list(TARGETS))
    medians = logs.groupby([rows[SERVICE], rows[USER_COUNT]]).transform("median")
    deviations = (logs - medians).abs().groupby(rows[SERVICE]).median() * MAD_TO_DEVIATION
    return {
        str(service): np.maximum(np.nan_to_num(values.to_numpy()), SMALLEST_NOISE)
        for service, values in deviations.iterrows()
    }


def estimate_difficulty(noise: Floats, held_out: HeldOutErrors) -> Difficulty:
    """Fit drift and tilt, not negative, to the median errors of the loads of one service that were left out.

    What is known before any load is left out counts as one load more, at the usual distance: that a model is
    off by the distance, as one is that takes for constant what grows with the load.
    """
    groups = held_out.loads
    errors = pd.DataFrame(held_out.errors).groupby(groups).median().abs().to_numpy()
    spreads = pd.DataFrame(held_out.spreads).groupby(groups).median().to_numpy()
    lengths = pd.DataFrame({"distance": held_out.distances, "stretch": held_out.stretches})
    by_load = lengths.groupby(groups).median()
    usual = by_load.median().fillna(1.0).to_numpy()
    terms = np.vstack([by_load.to_numpy(), usual])  # (loads + 1, 2)
    excess = np.vstack([np.maximum(errors - spreads, 0.0), np.full(len(TARGETS), usual[0])])
    found = np.zeros((len(TARGETS), 2))
    for column, values in enumerate(excess.T):
        known = np.isfinite(values)
        found[column], _ = nnls(terms[known], values[known])
    return Difficulty(noise, drift=found[:, 0], tilt=found[:, 1])
