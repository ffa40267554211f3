"""Whether a series drifts: the Mann-Kendall trend test, and by how much from its first third to its last.

Mann, H. B. (1945). Nonparametric tests against trend. Econometrica 13, 245-259. Kendall, M. G. (1975). Rank
correlation methods, 4th edition. The test alone finds drifts of a thousandth as well, if they are even; Sen's
slope, which often goes with it, is blind to a start that settles before the middle.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean

TEST_NAME = "Mann-Kendall"
SIGNIFICANCE = 0.05  # two-sided
NEGLIGIBLE_DRIFT = 0.05  # of the mean: less is no matter, however significant
FEWEST_VALUES = 5  # with four, even a monotonic series has a p-value of 2/24


class Steadiness(StrEnum):
    """What is known of a series."""

    STEADY = "steady"
    DRIFTING = "drifting"
    TOO_SHORT = "too short"


@dataclass(frozen=True)
class Trend:
    """The result of the test."""

    p_value: float  # of no trend, two-sided
    drift: float  # mean of the last third less that of the first, as a share of the mean; signed

    @property
    def is_drifting(self) -> bool:
        """Whether there is a trend, and one that matters."""
        return self.p_value < SIGNIFICANCE and abs(self.drift) > NEGLIGIBLE_DRIFT


def find_trend(times: Sequence[float], values: Sequence[float | None]) -> Trend | None:
    """Test a series for a trend; its values should be of windows that do not overlap.

    Args:
        times: seconds, increasing.
        values: one for each time; None is missing.

    Returns:
        The trend; None when there are too few values.

    >>> trend = find_trend(range(6), [1.0, 1.1, 1.2, 1.3, 1.4, 1.5])
    >>> round(trend.p_value, 4), round(trend.drift, 2)
    (0.0028, 0.32)
    """
    from scipy import stats  # late: it takes longer to load than `kpp --help` may

    pairs = [
        (time, value)
        for time, value in zip(times, values, strict=True)
        if value is not None and math.isfinite(value)
    ]
    if len(pairs) < FEWEST_VALUES:
        return None
    instants, present = zip(*pairs, strict=True)
    if len(set(present)) == 1:
        return Trend(p_value=1.0, drift=0.0)
    p_value = float(stats.kendalltau(instants, present).pvalue)
    third = len(present) // 3
    change = fmean(present[-third:]) - fmean(present[:third])
    mean = fmean(present)
    return Trend(p_value, change / abs(mean) if mean else math.copysign(math.inf, change))


def judge_steadiness(*trends: Trend | None) -> Steadiness:
    """Several series of one experiment: all have to be steady."""
    known = [trend for trend in trends if trend is not None]
    if any(trend.is_drifting for trend in known):
        return Steadiness.DRIFTING
    return Steadiness.STEADY if known and len(known) == len(trends) else Steadiness.TOO_SHORT


def coefficient_of_variation(values: Sequence[float | None]) -> float | None:
    """Standard deviation over mean; None with fewer than two values or a mean of 0.

    >>> coefficient_of_variation([1.0, 2.0, 3.0, None])
    0.5
    """
    present = [value for value in values if value is not None and math.isfinite(value)]
    mean = math.fsum(present) / len(present) if present else 0.0
    if len(present) < 2 or mean == 0:
        return None
    variance = math.fsum((value - mean) ** 2 for value in present) / (len(present) - 1)
    return math.sqrt(variance) / abs(mean)
