"""How large an error of a model is to be expected at a load: what the width of intervals scales with."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.stats import norm

from kpp.schema import RESPONSE_TIME, TARGETS
from kpp.whatif.intervals.held_out import HeldOutErrors
from kpp.whatif.intervals.noise import Noise
from kpp.whatif.model import State
from kpp.whatif.plain_data import from_plain, to_plain

Floats = NDArray[np.float64]

# the standard error of a median is that of a mean times this, where errors are normal
MEDIAN_TO_MEAN = float(np.sqrt(np.pi / 2))

# Beyond all measured loads there may be a knee that nothing before it shows: a pool, a lock, a thread, a node
# without spare cores. Farther than any load that was left out, the standard deviation of a response time's
# error is taken to grow as fast as the load. Throughput and CPU can only be less than without the knee: their
# 90 % interval reaches down to what there is behind the earliest one (`kpp.whatif.intervals.hidden_knees`).
KNEE_RISE = np.array([1.0 if target == RESPONSE_TIME else 0.0 for target in TARGETS])
KNEE_FALL = np.array([0.0 if target == RESPONSE_TIME else 1 / norm.ppf(0.95) for target in TARGETS])


PARTS = ("level", "drift", "tilt")


@dataclass(frozen=True)
class Difficulty:
    """Of one service and each target: noise + level + drift x distance + tilt x stretch + spread.

    All in logarithms.

    Attributes:
        noise: what a single minute deviates from its load.
        level: (3,): what the load of one hour deviates from that of another, however near.
        drift: (3,): what the shape of the model gets wrong: errors that grow with the distance.
        tilt: (3,): what scatter makes of its trend: errors that grow with the stretch, distance / span of the
            loads that were learned.
    """

    noise: Noise
    level: Floats
    drift: Floats
    tilt: Floats

    def at(
        self,
        noise: Floats,
        distances: Floats,
        stretches: Floats,
        spreads: Floats,
        far: Floats | float = 1.0,
    ) -> Floats:
        """The sum, (rows, 3).

        Args:
            noise: (rows, 3), of `Noise.at`.
            distances, stretches: (rows,).
            spreads: (rows, 3), the model's own.
            far: (rows,) or 1, how many times as far as the farthest load that was left out; at least 1. What
                was taken for the hours' may have been drift that hardly showed so near.
        """
        by_distance = np.outer(distances, self.drift) + np.outer(stretches, self.tilt)
        level = np.multiply.outer(far, self.level)
        return np.asarray(noise + level + by_distance + spreads, dtype=np.float64)

    def dump(self) -> State:
        """As plain data."""
        return {
            "noise": to_plain(self.noise.usual),
            "throughput_rps": self.noise.throughput_rps,
            **{part: to_plain(getattr(self, part)) for part in PARTS},
        }

    @classmethod
    def restore(cls, state: State) -> "Difficulty":
        """From what `dump` gave."""
        noise = Noise(from_plain(state["noise"]), float(state["throughput_rps"]))
        return cls(noise, *(from_plain(state[part]) for part in PARTS))


def estimate_difficulty(noise: Noise, held_out: HeldOutErrors) -> Difficulty:
    """Fit level, drift and tilt, not negative, to the median errors of one service's left-out loads.

    What noise makes of such a median is taken off, in squares. What is known before any load is left out
    counts as one load more, at the usual distance: that a model is off by the distance, as one is that takes
    for constant what grows with the load.
    """
    groups = held_out.loads
    errors = pd.DataFrame(held_out.errors).groupby(groups).median().abs().to_numpy()
    spreads = pd.DataFrame(held_out.spreads).groupby(groups).median().to_numpy()
    scatter = pd.DataFrame(noise.at(held_out.throughput_rps)).groupby(groups).median().to_numpy()
    minutes = pd.DataFrame(held_out.errors).groupby(groups).count().to_numpy()
    by_chance = MEDIAN_TO_MEAN * scatter / np.sqrt(np.maximum(minutes, 1))
    errors = np.sqrt(np.maximum(errors**2 - by_chance**2, 0.0))
    lengths = pd.DataFrame({"distance": held_out.distances, "stretch": held_out.stretches})
    by_load = lengths.groupby(groups).median()
    usual = by_load.median().fillna(1.0).to_numpy()
    terms = np.vstack([by_load.assign(level=1.0).to_numpy(), [*usual, 0.0]])  # (loads + 1, 3)
    excess = np.vstack([np.maximum(errors - spreads, 0.0), np.full(len(TARGETS), usual[0])])
    found = np.zeros((len(TARGETS), terms.shape[1]))
    for column, values in enumerate(excess.T):
        known = np.isfinite(values)
        found[column], _ = nnls(terms[known], values[known])
    drift, tilt, level = found.T
    return Difficulty(noise, level, drift, tilt)
