"""Finds values far above all others of their user count, and clips them: they shall not rule scale and loss.

The rule is the Hampel identifier (F. R. Hampel 1974, The influence curve and its role in robust estimation,
JASA 69; L. Davies and U. Gather 1993, The identification of multiple outliers, JASA 88): a value is an
outlier when it lies more than k robust standard deviations, 1.4826 x the median absolute deviation, from the
median. Both stand firm while less than half of the values are outliers. docs/data.md says what is clipped.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kpp.predictor.preparation.experiments import EXPERIMENT, LEVEL, PART, Part
from kpp.predictor.preparation.service_rows import Floats, Indices, ServiceRows
from kpp.schema import SERVICE, TARGETS

MAD_TO_DEVIATION = 1.4826  # 1 / the 0.75 quantile of the standard normal distribution
COLUMNS = list(TARGETS)


@dataclass(frozen=True)
class OutlierRule:
    """When a training value is an outlier. Only high ones are: a value near 0 cannot stretch the scale."""

    deviations: float = 10.0  # k; the textbook's 3 would clip the heavy tail of response times
    floor: float = (
        2.0  # and at least so many medians above the median: quiet columns deviate by next to nothing
    )
    max_share: float = 0.2  # of a user count's rows; more are a way of behaving
    max_run: int = 2  # rows: one spike enters the rate() windows of two samples; a longer run is a regime
    min_rows: int = 5  # with fewer, nothing says which of them is the outlier


@dataclass(frozen=True)
class CleanValues:
    """The targets of all services' rows, as measured and without outliers.

    Attributes:
        measured: (rows, targets), own units; NaN where nothing was measured, and all of a target that no
            training row of the service has.
        clipped: (rows, targets), without outliers; such a target is 0.
        outliers: (services, targets), how many were clipped.
        never_measured: (services, targets), which targets no training row has.
    """

    measured: Floats
    clipped: Floats
    outliers: Indices
    never_measured: NDArray[np.bool_]


def clean(rows: pd.DataFrame, services: ServiceRows, rule: OutlierRule) -> CleanValues:
    """Clip outliers, and take a target for unmeasured that no training row has; see `clip_outliers`."""
    measured = rows[COLUMNS].to_numpy(copy=True)
    clipped = clip_outliers(rows, rule)
    outliers = services.count(measured > clipped)
    is_training = (rows[PART] != Part.TEST).to_numpy()
    never_measured = services.count(~np.isnan(measured) & is_training[:, None]) == 0
    never = never_measured[services.numbers]
    measured[never] = np.nan
    clipped[never] = 0.0
    return CleanValues(measured, clipped, outliers, never_measured)


def clip_outliers(rows: pd.DataFrame, rule: OutlierRule) -> NDArray[np.float64]:
    """Clip outliers to the largest other training value of their service and user count.

    Bound and ceiling come from training rows alone; rows of the test part are clipped by them too.

    Args:
        rows: the columns `LEVEL`, `EXPERIMENT`, `PART`, `SERVICE` and `TARGETS`, by service and time.
        rule: what counts as an outlier.

    Returns:
        (rows, targets), missing values as they were.
    """
    training = rows[rows[PART] != Part.TEST]
    values, level = training[COLUMNS], training[LEVEL].to_numpy()
    bounds = _bounds(training, rule)
    suspects = values > bounds[level]
    bounds[suspects.groupby(level).mean() > rule.max_share] = np.inf
    outliers = (values > bounds[level]) & (_run_lengths(suspects, training[EXPERIMENT]) <= rule.max_run)
    ceilings = values.where(~outliers).groupby(level).max().to_numpy()

    measured, level = rows[COLUMNS].to_numpy(), rows[LEVEL].to_numpy()
    return np.where(measured > bounds[level], np.fmin(measured, ceilings[level]), measured)


def _bounds(training: pd.DataFrame, rule: OutlierRule) -> NDArray[np.float64]:
    """Above these a value is suspect: (levels, targets); infinite where nothing can be said.

    The deviation is that of the level or, in proportion to the median, the one usual at the service,
    whichever is larger: that of some sixteen values is often small by chance. The floor refers to the
    service's median where it is above the level's: the scale that is protected is the service's.
    """
    values, level, service = training[COLUMNS], training[LEVEL], training[SERVICE]
    medians = values.groupby(level).transform("median")
    reference = np.maximum(medians, values.groupby(service).transform("median"))
    deviations = (values - medians).abs()
    own = deviations.groupby(level).transform("median")
    usual = (deviations / medians.where(medians > 0)).groupby(service).transform("median") * medians
    spread = MAD_TO_DEVIATION * np.fmax(own, usual)
    bounds = medians + np.maximum(rule.deviations * spread, rule.floor * reference)
    judged = (values.groupby(level).transform("count") >= rule.min_rows) & (reference > 0)
    return bounds.where(judged, np.inf).groupby(level).first().to_numpy(copy=True)


def _run_lengths(suspects: pd.DataFrame, experiments: "pd.Series[int]") -> pd.DataFrame:
    """How many rows in succession, of one experiment, are as suspect as this one: (rows, targets)."""
    begins = suspects.ne(suspects.shift()) | experiments.ne(experiments.shift()).to_numpy()[:, None]
    runs = begins.cumsum()
    return pd.DataFrame({column: runs.groupby(column)[column].transform("size") for column in COLUMNS})
