"""What a selector sees of the samples: the latest one before an instant, or all within a range."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kpp.simulator.promql.samples import Flags, Floats, Integers, SampleStore, SeriesNumbers, is_stale

LOOKBACK_MS = 5 * 60 * 1000  # Prometheus's --query.lookback-delta


@dataclass(frozen=True)
class SampleColumn:
    """One sample for each series and instant; each array has the shape (series, instants)."""

    timestamps_ms: Integers
    values: Floats
    inside: Flags  # where there is one: it may be missing, too old, or a stale marker


def read_latest(store: SampleStore, series: SeriesNumbers, instants_ms: Integers) -> SampleColumn:
    """The latest sample of each series at each instant; none that is stale or older than `LOOKBACK_MS`."""
    counts = store.count_until(series, instants_ms)
    timestamps, values = store.samples_at(series, counts - 1)
    present = (counts > 0) & (timestamps >= instants_ms - LOOKBACK_MS) & ~is_stale(values)
    return SampleColumn(timestamps, values, present)


@dataclass(frozen=True)
class WindowEnds:
    """The first and the last sample of every window; each array has the shape (series, instants)."""

    counts: Integers  # samples in the window, stale markers left out
    first_ms: Integers
    first: Floats
    last_ms: Integers
    last: Floats


class Windows:
    """The samples of each series in the range that ends at each instant.

    As in Prometheus before 3.0 both ends of the range are inside. Iterating goes through all windows at once,
    from their oldest sample to their newest, so that what folds over them rounds as Prometheus does.
    """

    def __init__(self, store: SampleStore, series: SeriesNumbers, ends_ms: Integers, range_ms: int) -> None:
        self.ends_ms = ends_ms
        self.range_ms = range_ms
        self._store = store
        self._series = series
        self._starts = store.count_until(series, ends_ms - range_ms - 1)
        self._stops = store.count_until(series, ends_ms)

    def __iter__(self) -> Iterator[SampleColumn]:
        """The k-th sample of every window, for each k."""
        longest = int((self._stops - self._starts).max(initial=0))
        for offset in range(longest):
            positions = self._starts + offset
            timestamps, values = self._store.samples_at(self._series, positions)
            yield SampleColumn(timestamps, values, (positions < self._stops) & ~is_stale(values))

    @cached_property
    def ends(self) -> WindowEnds:
        """The first and last samples; nonsense where the count is 0."""
        counts = np.zeros(self._starts.shape, dtype=np.int64)
        first_ms, last_ms = np.zeros_like(counts), np.zeros_like(counts)
        first, last = np.zeros(counts.shape), np.zeros(counts.shape)
        for column in self:
            starting = column.inside & (counts == 0)
            first_ms = np.where(starting, column.timestamps_ms, first_ms)
            first = np.where(starting, column.values, first)
            last_ms = np.where(column.inside, column.timestamps_ms, last_ms)
            last = np.where(column.inside, column.values, last)
            counts += column.inside
        return WindowEnds(counts, first_ms, first, last_ms, last)
