"""Whether samples cover a rate window: what `rate` leaves out of it where scrapes are missing at an edge.

`rate` knows a counter at its samples only. What lies between the outermost of them and the window's edges it
adds, if that is at most 1.1 mean distances of the samples; else it adds half a distance and takes the rest
for times in which the counter was not there. So a gap in the scrapes that reaches over an edge makes the rate
too low. One inside of the window does not: the counter went on counting. The reasons for the rule are in
docs/adr/0053-windows-cut-by-a-gap.md.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from kpp.collector.prometheus.answer import Series

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MOST_LEFT_OUT = 0.1  # of a window: a value that lacks more is none
REACH = 1.1  # mean distances: `extrapolationThreshold` of promql/functions.go, in all versions of Prometheus
ALMOST = 0.95  # of two distances: so far apart are two samples that lack one between them
USUAL_QUANTILE, LONG_QUANTILE = 0.75, 0.9  # cAdvisor's distances vary; of few, both leave out the longest
FEW = 4  # distances are too few to know what is usual
LOOKS = 15  # at the newest sample, in a window
WINDOWS_BEFORE = 2  # more, to see which distances are usual

POD = "pod"


@dataclass(frozen=True)
class Coverage:
    """How the rate windows of one section of a profile are judged.

    Attributes:
        group: the label that names what is judged as a whole: a workload, or a pod.
        window_seconds: the range of `rate`.
        seconds_after: how much is known of the time after a window.
        look_seconds: at least so far apart are looks at the newest sample.
        runs_at_end: what is asked for is known to run when the window ends; if its series end before, they
            lack scrapes.
    """

    group: str
    window_seconds: int
    seconds_after: float
    runs_at_end: bool = False
    look_seconds: float = 0.0

    @property
    def step_seconds(self) -> float:
        """From one look at the newest sample to the next: samples nearer to each other are not told apart."""
        return max(self.look_seconds, self.window_seconds / LOOKS)

    def range_of(self, first: float, last: float) -> tuple[float, float]:
        """When to look, for windows that end between two instants (Unix seconds), at the first, too."""
        steps_before = math.ceil((1 + WINDOWS_BEFORE) * self.window_seconds / self.step_seconds)
        steps_after = math.ceil((last + self.seconds_after - first) / self.step_seconds)
        return first - steps_before * self.step_seconds, first + steps_after * self.step_seconds

    def coarser(self, newest: Iterable[Series]) -> Self:
        """The same with as few looks as see every sample, as learned from some of the samples."""
        many = [each for found in _times_of(newest, self.group).values() for each in found if len(each) > FEW]
        shortest = [_quantile(np.sort(np.diff(each)), 1 - LONG_QUANTILE) for each in many]
        return replace(
            self, look_seconds=min(round(ALMOST * min(shortest, default=0.0), 3), self.window_seconds)
        )

    def left_out(self, newest: Iterable[Series], ends: Floats) -> dict[str, Floats]:
        """The share of each window that `rate` leaves out although it should not.

        Args:
            newest: when the newest sample was taken (Unix seconds), at every step of the range.
            ends: of the windows, Unix seconds; at least one.

        Returns:
            By what is judged: for each window 0 to 1, the most of all its series.
        """
        groups = _gather(newest, self.group)
        earliest, latest = ends.min() - self.window_seconds, ends.max()
        doubtful = {
            name: [each for each in scrapes if not each.are_whole(earliest, latest)]
            for name, scrapes in groups.items()
        }
        found = {name: np.zeros(ends.shape) for name in groups}
        if not any(doubtful.values()):  # as nearly always; the rest takes its time
            return found
        all_spans = _Spans.of(each for scrapes in groups.values() for each in scrapes)
        for name, scrapes in doubtful.items():
            end_spans = _Spans.of(groups[name]) if self.runs_at_end and scrapes else all_spans
            for each in scrapes:
                share = _left_out(each, ends, self.window_seconds, all_spans, end_spans)
                found[name] = np.maximum(found[name], share)
        return found


@dataclass(frozen=True)
class Distances:
    """How far apart the samples of a series are where none is missing: all the same, or cAdvisor's."""

    usual_seconds: float
    long_seconds: float

    @classmethod
    def of(cls, times: Floats) -> Self:
        """Judge by the times of at least two samples, of which few are missing."""
        distances = np.sort(np.diff(times))
        return cls(_quantile(distances, USUAL_QUANTILE), _quantile(distances, LONG_QUANTILE))

    @property
    def longest_seconds(self) -> float:
        """Samples that are farther apart lack one between them."""
        return ALMOST * (self.usual_seconds + self.long_seconds)


@dataclass(frozen=True)
class Scrapes:
    """When the samples of a series were taken: Unix seconds, ascending."""

    times: Floats
    distances: Distances

    def are_whole(self, start: float, end: float) -> bool:
        """Whether they go on beyond both instants, and none is missing."""
        is_around = self.times[0] <= start and self.times[-1] >= end
        return bool(is_around and np.diff(self.times).max(initial=0.0) <= self.distances.longest_seconds)


@dataclass(frozen=True)
class _Spans:
    """Times in which Prometheus scraped: between two samples of any series that are no gap."""

    starts: Floats  # ascending
    ends: Floats  # the latest of those that start so early

    @classmethod
    def of(cls, all_scrapes: Iterable[Scrapes]) -> Self:
        starts, ends = [np.zeros(0)], [np.zeros(0)]
        for each in all_scrapes:
            is_usual = np.diff(each.times) <= each.distances.longest_seconds
            starts.append(each.times[:-1][is_usual])
            ends.append(each.times[1:][is_usual])
        all_starts = np.concatenate(starts)
        order = np.argsort(all_starts)
        return cls(all_starts[order], np.maximum.accumulate(np.concatenate(ends)[order]))

    def hold(self, instants: Floats) -> Bools:
        """Which instants lie in one of the spans."""
        if not len(self.starts):
            return np.zeros(instants.shape, dtype=np.bool_)
        place = np.searchsorted(self.starts, instants, side="right") - 1
        return np.asarray((place >= 0) & (self.ends[place] >= instants))


def _left_out(
    scrapes: Scrapes, ends: Floats, window_seconds: float, spans: _Spans, end_spans: _Spans
) -> Floats:
    """What `rate` leaves out of the windows of one series.

    Where a series has samples on both sides of an edge, their distance tells whether one is missing between
    them. Where it has none beyond, its pod may have begun or ended there: it has, if others were scraped at
    the time of the next sample.
    """
    starts = ends - window_seconds
    times = np.concatenate([[-np.inf], scrapes.times, [np.inf]])  # a place later than in `scrapes`
    first = np.searchsorted(times, starts, side="left")
    last = np.searchsorted(times, ends, side="right") - 1
    count = last - first + 1
    before, opening, closing, after = times[first - 1], times[first], times[last], times[last + 1]

    long_seconds, longest_seconds = scrapes.distances.long_seconds, scrapes.distances.longest_seconds
    is_newer, is_older = ~spans.hold(opening - long_seconds), ~end_spans.hold(closing + long_seconds)
    lacks_first = np.where(np.isinf(before), is_newer, opening > before + longest_seconds)
    lacks_last = np.where(np.isinf(after), is_older, after > closing + longest_seconds)
    with np.errstate(invalid="ignore"):  # infinite, where the window is empty
        distance = (closing - opening) / np.maximum(count - 1, 1)
        seconds = np.zeros(ends.shape)
        for lacks, to_edge in ((lacks_first, opening - starts), (lacks_last, ends - closing)):
            seconds += np.where(lacks & (to_edge > REACH * distance), to_edge - distance / 2, 0.0)
    is_amid = np.isfinite(before) & np.isfinite(after)  # else it is not there yet, or no longer
    has_no_rate = np.where(count == 1, lacks_first | lacks_last, is_amid & lacks_last)
    return np.where(count >= 2, np.minimum(seconds / window_seconds, 1.0), has_no_rate.astype(np.float64))


def _quantile(ascending: Floats, share: float) -> float:
    """The value below which a share of the others lies; the lower one, where it lies between two."""
    return float(ascending[math.floor(share * (len(ascending) - 1))])


def _gather(newest: Iterable[Series], group: str) -> Mapping[str, list[Scrapes]]:
    """The series of each group, with the times at which their samples were taken."""
    times = _times_of(newest, group)
    many = [Distances.of(each) for found in times.values() for each in found if len(each) > FEW]
    usual_seconds = np.median([each.usual_seconds for each in many]) if many else 0.0
    long_seconds = np.median([each.long_seconds for each in many]) if many else 0.0
    of_all = Distances(float(usual_seconds), float(long_seconds))

    def judge(each: Floats) -> Scrapes:
        is_known = len(each) > FEW or (len(each) > 1 and not many)
        return Scrapes(each, Distances.of(each) if is_known else of_all)

    return {name: [judge(each) for each in found] for name, found in times.items()}


def _times_of(newest: Iterable[Series], group: str) -> Mapping[str, list[Floats]]:
    """The times of the samples of each series, by group."""
    found: defaultdict[str, list[Floats]] = defaultdict(list)
    for each in newest:
        points = np.asarray(each.values, dtype=np.float64).reshape(-1, 2)  # (points, [instant, value])
        times = np.unique(points[np.isfinite(points[:, 1]), 1])
        if len(times):
            found[each.metric.get(group, "")].append(times)
    return found
