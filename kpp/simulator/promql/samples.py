"""The samples of all series, in memory, for a bounded time."""

import threading
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kpp.simulator.promql.labels import LabelSet
from kpp.simulator.promql.matchers import Matcher, SeriesIndex

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
SeriesNumbers = NDArray[np.intp]

_STALE_BITS = np.uint64(0x7FF0000000000002)  # a NaN of its own: value.StaleNaN in Prometheus's source
STALE = float(np.array([_STALE_BITS]).view(np.float64)[0])
_NEVER = np.iinfo(np.int64).max  # fills the unused end of a row, so that rows stay sorted
_NEVER_BEFORE = np.iinfo(np.int64).min
_FIRST_CAPACITY = 64


def is_stale(values: Floats) -> Flags:
    """Which values are the marker for "this series has ended here"."""
    return np.equal(values.view(np.uint64), _STALE_BITS)


class SampleStore:
    """Series and their samples: one row of timestamps and one of values for each series.

    Series keep their number as long as the store lives, so that whoever feeds it asks for a number once and
    appends whole arrays from then on. Feeding and querying from two threads is safe.

    Args:
        retention_seconds: samples are kept at least this long, counted back from the newest; older ones
            make room when it is needed.
    """

    def __init__(self, *, retention_seconds: float = 3600.0) -> None:
        self.lock = threading.RLock()  # a query holds it from its first to its last read
        self.index = SeriesIndex()
        self._retention_ms = round(retention_seconds * 1000)
        self._lengths = np.zeros(0, dtype=np.int64)
        self._newest = np.zeros(0, dtype=np.int64)  # the last timestamp of each row
        self._timestamps = np.zeros((0, _FIRST_CAPACITY), dtype=np.int64)
        self._values = np.zeros((0, _FIRST_CAPACITY))

    def series_number(self, labels: Mapping[str, str]) -> int:
        """The number of the series with these labels (`__name__` among them); a new one if need be."""
        with self.lock:
            number = self.index.number_of(LabelSet(labels))
            if number >= len(self._lengths):
                self._add_rows()
            return number

    def append(self, series: ArrayLike, timestamps_ms: ArrayLike, values: ArrayLike) -> int:
        """Append one sample to each of some series.

        As in Prometheus, a sample that is not newer than the last one of its series is dropped.

        Args:
            series: numbers of series; of one that is named twice the last sample counts.
            timestamps_ms: Unix time in milliseconds, for all or for each.
            values: one per series; `STALE` ends a series.

        Returns:
            How many samples were taken.
        """
        numbers = np.atleast_1d(np.asarray(series, dtype=np.intp))
        times = np.broadcast_to(np.asarray(timestamps_ms, dtype=np.int64), numbers.shape)
        all_values = np.broadcast_to(np.asarray(values, dtype=np.float64), numbers.shape)
        with self.lock:
            newer = times > self._newest[numbers]
            taken = numbers[newer]
            if self._lengths[taken].max(initial=0) == self._timestamps.shape[1]:
                self._make_room(int(times.max()))
            position = self._lengths[taken]
            self._timestamps[taken, position] = times[newer]
            self._values[taken, position] = all_values[newer]
            self._newest[taken] = times[newer]
            self._lengths[taken] += 1
            return len(taken)

    def select(self, matchers: Iterable[Matcher]) -> SeriesNumbers:
        """The numbers of the series that meet all conditions."""
        return self.index.select(matchers)

    def count_until(self, series: SeriesNumbers, instants_ms: Integers) -> Integers:
        """How many samples each series has at or before each instant: shape (series, instants)."""
        flat = self._timestamps.ravel()
        starts = (series * self._timestamps.shape[1])[:, None]
        counts = np.zeros((len(series), len(instants_ms)), dtype=np.int64)
        step = 1 << (self._timestamps.shape[1].bit_length() - 1)
        while step:  # a binary search in all rows at once
            reached = np.minimum(counts + step, self._timestamps.shape[1])
            counts = np.where(flat.take(starts + reached - 1) <= instants_ms, reached, counts)
            step >>= 1
        return counts

    def seen_between(self, series: SeriesNumbers, start_ms: int, end_ms: int) -> SeriesNumbers:
        """Those series that have a sample between two instants, both included."""
        counts = self.count_until(series, np.array([start_ms - 1, end_ms]))
        return series[np.greater(counts[:, 1], counts[:, 0])]

    def samples_at(self, series: SeriesNumbers, positions: Integers) -> tuple[Integers, Floats]:
        """Timestamps and values at positions (series, any) of the rows; nonsense outside their length."""
        places = (series * self._timestamps.shape[1])[:, None] + np.clip(
            positions, 0, self._timestamps.shape[1] - 1
        )
        return self._timestamps.ravel().take(places), self._values.ravel().take(places)

    def _add_rows(self) -> None:
        rows, columns = self._timestamps.shape
        more = max(rows // 2, _FIRST_CAPACITY)
        self._lengths = np.concatenate([self._lengths, np.zeros(more, dtype=np.int64)])
        self._newest = np.concatenate([self._newest, np.full(more, _NEVER_BEFORE)])
        self._timestamps = np.concatenate([self._timestamps, np.full((more, columns), _NEVER)])
        self._values = np.concatenate([self._values, np.zeros((more, columns))])

    def _make_room(self, newest_ms: int) -> None:
        """Forget what is older than the retention; lengthen the rows if that frees less than a quarter."""
        self._forget_before(newest_ms - self._retention_ms)
        rows, columns = self._timestamps.shape
        if self._lengths.max() > 0.75 * columns:
            self._timestamps = np.hstack([self._timestamps, np.full((rows, columns // 2), _NEVER)])
            self._values = np.hstack([self._values, np.zeros((rows, columns // 2))])

    def _forget_before(self, horizon_ms: int) -> None:
        columns = np.arange(self._timestamps.shape[1])
        forgotten = np.count_nonzero(self._timestamps < horizon_ms, axis=1)
        if not forgotten.any():
            return
        self._lengths -= forgotten
        sources = np.minimum(columns + forgotten[:, None], columns[-1])
        self._values = np.take_along_axis(self._values, sources, axis=1)
        self._timestamps = np.take_along_axis(self._timestamps, sources, axis=1)
        self._timestamps[columns >= self._lengths[:, None]] = _NEVER
