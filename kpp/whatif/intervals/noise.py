"""How far single minutes scatter around the mean of many at the same load."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kpp.schema import SERVICE, TARGETS, THROUGHPUT, USER_COUNT
from kpp.whatif.intervals.held_out import RESOLUTIONS, to_logs
from kpp.whatif.model import Campaign

Floats = NDArray[np.float64]

SMALLEST_NOISE = 1e-4  # so that a table without scatter gives intervals too
MAD_TO_DEVIATION = 1.4826  # 1 / the 0.75 quantile of the standard normal distribution
MINUTE_SECONDS = 60.0
_FLOW = list(TARGETS).index(THROUGHPUT)


@dataclass(frozen=True)
class Noise:
    """Of one service: standard deviations of logarithmic errors.

    Attributes:
        usual: (3,) at the loads that were measured.
        throughput_rps: the usual one at these.
    """

    usual: Floats
    throughput_rps: float

    def at(self, throughput_rps: Floats) -> Floats:
        """(rows, 3) at a throughput, (rows,).

        Requests come by chance: their number in a minute has the variance of its mean, by Poisson, so that
        throughput scatters less the more there is. What it scatters beyond that stays.
        """
        expected = MINUTE_SECONDS * np.array([self.throughput_rps + RESOLUTIONS[THROUGHPUT]])
        by_chance = np.minimum(1 / expected, self.usual[_FLOW] ** 2)
        asked = np.nan_to_num(throughput_rps, nan=self.throughput_rps) + RESOLUTIONS[THROUGHPUT]
        found = np.repeat(self.usual[None, :], len(asked), axis=0)
        left = by_chance * expected / (MINUTE_SECONDS * asked)
        found[:, _FLOW] = np.sqrt(self.usual[_FLOW] ** 2 - by_chance + left)
        return np.maximum(found, SMALLEST_NOISE)


def estimate_noise(campaign: Campaign) -> dict[str, Noise]:
    """The usual deviation of a minute from the median of its service and load, by service."""
    rows = campaign.measurements
    logs = pd.DataFrame(to_logs(rows[list(TARGETS)].to_numpy(dtype=np.float64)), columns=list(TARGETS))
    medians = logs.groupby([rows[SERVICE], rows[USER_COUNT]]).transform("median")
    deviations = (logs - medians).abs().groupby(rows[SERVICE]).median() * MAD_TO_DEVIATION
    flows = rows.groupby(SERVICE)[THROUGHPUT].median().reindex(deviations.index)
    columns = (deviations.index, deviations.to_numpy(), np.nan_to_num(flows.to_numpy(dtype=np.float64)))
    return {
        str(service): Noise(np.maximum(np.nan_to_num(usual), SMALLEST_NOISE), float(flow))
        for service, usual, flow in zip(*columns, strict=True)
    }
