"""Lays rows on whole minutes and fills short gaps, never with what was not yet known."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kpp.predictor.preparation.experiments import EXPERIMENT, PART
from kpp.predictor.preparation.service_rows import Floats, Indices
from kpp.schema import STEP_SECONDS, USER_COUNT
from kpp.table.minutes import MINUTE


@dataclass(frozen=True)
class Grid:
    """The minutes of every service, segment after segment: by service, in time.

    A segment is what one part has of one experiment: nothing is filled from beyond it, and no window reaches
    beyond it. A gap that is too long to fill cuts it into stretches.
    """

    minutes: Indices  # (minutes,), Unix seconds
    services: Indices  # (minutes,), the number of the service
    user_counts: Floats  # (minutes,)
    parts: Indices  # (minutes,), as `Part`
    observed: Floats  # (minutes, targets), own units, as measured; NaN where nothing was
    clipped: Floats  # (minutes, targets), the same without outliers
    interpolated: Floats  # (minutes, targets), short gaps filled in a line between their neighbors
    held: Floats  # (minutes, targets), gaps filled with the last value before; NaN where there is none
    known_at: Indices  # (minutes, targets), index of the minute from which on `interpolated` is known
    last_measured_at: Indices  # (minutes, targets), index of the last measured minute up to here; -1: none
    stretch_starts: Indices  # (minutes,), index of the first minute of the stretch; -1: in a long gap

    @property
    def filled(self) -> NDArray[np.bool_]:
        """Which values were filled in: (minutes, targets)."""
        return np.isnan(self.clipped) & ~np.isnan(self.interpolated)


def lay_on_minutes(
    rows: pd.DataFrame, services: Indices, measured: Floats, clipped: Floats, max_gap_steps: int
) -> Grid:
    """Put each service's rows on a grid without missing minutes, and fill its short gaps.

    Args:
        rows: the columns `MINUTE`, `USER_COUNT`, `EXPERIMENT` and `PART`, by service and in time.
        services: (rows,), the number of each row's service.
        measured: (rows, targets), in their own units.
        clipped: (rows, targets), the same without outliers; a column that was never measured is constant.
        max_gap_steps: the longest gap to fill, in minutes.
    """
    minutes = rows[MINUTE].to_numpy()
    segment_keys = rows[[EXPERIMENT, PART]].to_numpy()  # no two services have an experiment in common
    begins = np.ones(len(rows), dtype=bool)
    begins[1:] = (segment_keys[1:] != segment_keys[:-1]).any(axis=1)

    steps = np.ones(len(rows), dtype=np.int64)
    steps[1:] = np.where(begins[1:], 1, np.diff(minutes) // STEP_SECONDS)
    at = np.cumsum(steps) - 1  # where each row comes to lie; the minutes missing before it come before it
    source = np.repeat(np.arange(len(rows)), steps)
    segments = np.cumsum(begins)[source]

    def spread_out(values: Floats) -> Floats:
        spread = np.full((len(source), values.shape[1]), np.nan)
        spread[at] = values
        return spread

    on_grid = spread_out(clipped)
    interpolated, held, known_at, last_measured_at = _fill(on_grid, segments, max_gap_steps)
    return Grid(
        minutes=minutes[source] - (at[source] - np.arange(len(source))) * STEP_SECONDS,
        services=services[source],
        user_counts=rows[USER_COUNT].to_numpy()[source],
        parts=rows[PART].to_numpy()[source],
        observed=spread_out(measured),
        clipped=on_grid,
        interpolated=interpolated,
        held=held,
        known_at=known_at,
        last_measured_at=last_measured_at,
        stretch_starts=_stretch_starts(segments, usable=~np.asarray(np.isnan(interpolated).any(axis=1))),
    )


def _fill(values: Floats, segments: Indices, max_gap_steps: int) -> tuple[Floats, Floats, Indices, Indices]:
    """Fill gaps inside segments: in a line, at a segment's edges with the nearest value.

    Returns:
        `interpolated`, `held`, `known_at` and `last_measured_at` of `Grid`; NaN where a gap is too long.
    """
    count = len(values)
    here = np.arange(count)[:, None]
    measured = ~np.isnan(values)
    lengths = np.bincount(segments)
    first = (np.cumsum(lengths) - lengths)[segments][:, None]
    last = first + lengths[segments][:, None] - 1

    before = np.maximum.accumulate(np.where(measured, here, -1), axis=0)
    after = np.minimum.accumulate(np.where(measured, here, count)[::-1], axis=0)[::-1]
    has_before, has_after = before >= first, after <= last
    length = np.where(has_after, after, last + 1) - np.where(has_before, before, first - 1) - 1
    fillable = measured | ((length <= max_gap_steps) & (has_before | has_after))

    left = np.where(has_before, before, np.where(has_after, after, 0))
    right = np.where(has_after, after, left)
    at_left, at_right = np.take_along_axis(values, left, axis=0), np.take_along_axis(values, right, axis=0)
    share = (here - left) / np.maximum(right - left, 1)
    interpolated = np.where(fillable, at_left + share * (at_right - at_left), np.nan)
    held = np.where(fillable & has_before, at_left, np.nan)
    return interpolated, held, np.where(measured, here, right), np.where(has_before, before, -1)


def _stretch_starts(segments: Indices, usable: NDArray[np.bool_]) -> Indices:
    """The index of the first minute of each minute's stretch; -1 in a long gap."""
    begins = usable.copy()
    begins[1:] &= (segments[1:] != segments[:-1]) | ~usable[:-1]
    starts = np.maximum.accumulate(np.where(begins, np.arange(len(usable)), 0))
    return np.where(usable, starts, -1)
