"""The functions over ranges: `rate` and its like, and `…_over_time`.

Formulas: promql/functions.go of Prometheus 2.42, which extrapolates the same way as all versions since 1.0.
"""

from collections.abc import Callable

import numpy as np

from kpp.simulator.promql.samples import Flags, Floats
from kpp.simulator.promql.windows import Windows

RangeFunction = Callable[[Windows], tuple[Floats, Flags]]  # values and where there is one: (series, instants)

# A gap to the range's boundary up to this many times the mean distance of the samples is bridged; a longer
# one is taken for the series' start or end, half a distance away.
_EXTRAPOLATION_REACH = 1.1


def rate(windows: Windows) -> tuple[Floats, Flags]:
    """Increase of a counter per second."""
    grown = _growth(windows)
    return grown * (_extrapolation(windows, grown) / (windows.range_ms / 1000)), windows.ends.counts >= 2


def increase(windows: Windows) -> tuple[Floats, Flags]:
    """Increase of a counter, extrapolated to the whole range."""
    grown = _growth(windows)
    return grown * _extrapolation(windows, grown), windows.ends.counts >= 2


def _growth(windows: Windows) -> Floats:
    """How much a counter grew from the first sample to the last, each fall a reset to 0."""
    grown = windows.ends.last - windows.ends.first
    previous = windows.ends.first
    for column in windows:
        grown = grown + np.where(column.inside & (column.values < previous), previous, 0.0)
        previous = np.where(column.inside, column.values, previous)
    return grown


def delta(windows: Windows) -> tuple[Floats, Flags]:
    """Change of a gauge, extrapolated to the whole range."""
    ends = windows.ends
    return (ends.last - ends.first) * _extrapolation(windows), ends.counts >= 2


def _extrapolation(windows: Windows, counter_increase: Floats | None = None) -> Floats:
    """How much longer the range is than what its samples span."""
    ends = windows.ends
    to_start = (ends.first_ms - (windows.ends_ms - windows.range_ms)) / 1000
    to_end = (windows.ends_ms - ends.last_ms) / 1000
    sampled = (ends.last_ms - ends.first_ms) / 1000
    distance = sampled / (ends.counts - 1)
    if counter_increase is not None:  # a counter was never below 0: do not reach back further than that
        to_zero = sampled * (ends.first / counter_increase)
        has_zero = (counter_increase > 0) & (ends.first >= 0) & (to_zero < to_start)
        to_start = np.where(has_zero, to_zero, to_start)
    reach = distance * _EXTRAPOLATION_REACH
    extrapolated = sampled + np.where(to_start < reach, to_start, distance / 2)
    extrapolated = extrapolated + np.where(to_end < reach, to_end, distance / 2)
    return np.asarray(extrapolated / sampled)


def irate(windows: Windows) -> tuple[Floats, Flags]:
    """Increase of a counter per second between the last two samples."""
    change, seconds, present = _last_step(windows, is_counter=True)
    return change / seconds, present


def idelta(windows: Windows) -> tuple[Floats, Flags]:
    """Change of a gauge between the last two samples."""
    change, _, present = _last_step(windows, is_counter=False)
    return change, present


def _last_step(windows: Windows, *, is_counter: bool) -> tuple[Floats, Floats, Flags]:
    ends = windows.ends
    seen = np.zeros_like(ends.counts)
    before_ms, before = ends.first_ms, ends.first
    for column in windows:
        seen += column.inside
        is_last_but_one = column.inside & (seen == ends.counts - 1)
        before_ms = np.where(is_last_but_one, column.timestamps_ms, before_ms)
        before = np.where(is_last_but_one, column.values, before)
    change = np.where(is_counter & (ends.last < before), ends.last, ends.last - before)
    return change, (ends.last_ms - before_ms) / 1000, ends.counts >= 2


def count_over_time(windows: Windows) -> tuple[Floats, Flags]:
    """How many samples there are."""
    counts = windows.ends.counts
    return counts.astype(np.float64), counts > 0


def present_over_time(windows: Windows) -> tuple[Floats, Flags]:
    """1 where there is any sample."""
    counts = windows.ends.counts
    return np.ones(counts.shape), counts > 0


def last_over_time(windows: Windows) -> tuple[Floats, Flags]:
    """The newest value."""
    return windows.ends.last, windows.ends.counts > 0


def sum_over_time(windows: Windows) -> tuple[Floats, Flags]:
    """Sum of the values, with Neumaier's compensation."""
    total = compensation = np.zeros(windows.ends.counts.shape)
    for column in windows:
        total, compensation = _add_compensated(
            np.where(column.inside, column.values, 0.0), total, compensation
        )
    return np.where(np.isinf(total), total, total + compensation), windows.ends.counts > 0


def avg_over_time(windows: Windows) -> tuple[Floats, Flags]:
    """Running mean of the values, with Neumaier's compensation; an infinite mean stays what it is."""
    mean = compensation = count = np.zeros(windows.ends.counts.shape)
    for column in windows:
        count = count + column.inside
        contradicts = np.isnan(column.values) | (np.isinf(column.values) & (column.values != mean))
        changes = column.inside & (~np.isinf(mean) | contradicts)
        moved, moved_compensation = _add_compensated(column.values / count - mean / count, mean, compensation)
        mean = np.where(changes, moved, mean)
        compensation = np.where(changes, moved_compensation, compensation)
    return np.where(np.isinf(mean), mean, mean + compensation), windows.ends.counts > 0


def _add_compensated(increment: Floats, total: Floats, compensation: Floats) -> tuple[Floats, Floats]:
    """One step of Neumaier's summation: the new total, and what its rounding has lost so far."""
    new_total = total + increment
    lost = np.where(
        np.abs(total) >= np.abs(increment), (total - new_total) + increment, (increment - new_total) + total
    )
    return new_total, compensation + lost


def max_over_time(windows: Windows) -> tuple[Floats, Flags]:
    """The greatest value; NaN only if there is nothing else."""
    return _fold_extreme(windows, np.fmax)


def min_over_time(windows: Windows) -> tuple[Floats, Flags]:
    """The least value; NaN only if there is nothing else."""
    return _fold_extreme(windows, np.fmin)


def _fold_extreme(windows: Windows, better_of: Callable[[Floats, Floats], Floats]) -> tuple[Floats, Flags]:
    extreme = np.full(windows.ends.counts.shape, np.nan)
    for column in windows:
        extreme = better_of(extreme, np.where(column.inside, column.values, np.nan))
    return extreme, windows.ends.counts > 0


def resets(windows: Windows) -> tuple[Floats, Flags]:
    """How often a counter fell."""
    return _count_steps(windows, np.less)


def changes(windows: Windows) -> tuple[Floats, Flags]:
    """How often the value changed; from NaN to NaN is no change."""
    return _count_steps(windows, lambda new, old: (new != old) & ~(np.isnan(new) & np.isnan(old)))


def _count_steps(windows: Windows, counts: Callable[[Floats, Floats], Flags]) -> tuple[Floats, Flags]:
    total = np.zeros(windows.ends.counts.shape)
    previous = windows.ends.first
    for column in windows:
        total = total + (column.inside & counts(column.values, previous))
        previous = np.where(column.inside, column.values, previous)
    return total, windows.ends.counts > 0


RANGE_FUNCTIONS: dict[str, RangeFunction] = {
    function.__name__: function
    for function in (
        rate,
        increase,
        delta,
        irate,
        idelta,
        resets,
        changes,
        count_over_time,
        present_over_time,
        last_over_time,
        sum_over_time,
        avg_over_time,
        max_over_time,
        min_over_time,
    )
}
