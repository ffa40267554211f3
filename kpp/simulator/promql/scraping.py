"""Scrapes: what Prometheus makes of a target's samples before it stores them."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kpp.simulator.promql.labels import METRIC_NAME
from kpp.simulator.promql.samples import STALE, SampleStore

NO_OWN_TIMESTAMP = -1


class ScrapedTarget:
    """One target: gives its series the target's labels, keeps `up`, ends series that it no longer shows.

    Usage: ask once for the number of each series, then hand over arrays of values, scrape by scrape.

    >>> store = SampleStore()
    >>> target = ScrapedTarget(store, {"job": "pods", "instance": "10.0.0.1:15020"})
    >>> number = target.series_number({"__name__": "requests_total", "code": "200"})
    >>> target.scrape(1000.0, [number], [5.0])
    >>> store.index.labels[number]
    requests_total{code="200", instance="10.0.0.1:15020", job="pods"}

    Args:
        store: where the samples go.
        labels: the target's labels; `job` and `instance` belong among them.
        honor_labels: where an exposed label has the name of one of the target's, the exposed one stays;
            otherwise it becomes `exported_…`.
    """

    def __init__(self, store: SampleStore, labels: Mapping[str, str], *, honor_labels: bool = False) -> None:
        self._store = store
        self._labels = dict(labels)
        self._honor_labels = honor_labels
        self._up = store.series_number({METRIC_NAME: "up", **labels})
        self._live: NDArray[np.intp] = np.zeros(0, dtype=np.intp)

    def series_number(self, exposed: Mapping[str, str]) -> int:
        """The number of a series of this target.

        Args:
            exposed: its labels as exposed, `__name__` among them.
        """
        labels = {name: value for name, value in exposed.items() if value}
        for name, value in self._labels.items():
            if name in labels:
                if self._honor_labels:
                    continue
                labels[self._free_name(name, labels)] = labels[name]
            labels[name] = value
        return self._store.series_number(labels)

    def _free_name(self, name: str, labels: Mapping[str, str]) -> str:
        exported = f"exported_{name}"
        return (
            self._free_name(exported, labels) if exported in labels or exported in self._labels else exported
        )

    def scrape(
        self,
        scraped_at: float,
        series: ArrayLike,
        values: ArrayLike,
        own_timestamps_ms: ArrayLike = NO_OWN_TIMESTAMP,
    ) -> None:
        """Take over a successful scrape; series that were there last time and are missing now end here.

        Args:
            scraped_at: Unix seconds.
            series: numbers of series.
            values: one per series.
            own_timestamps_ms: Unix milliseconds, for all or for each, of samples that are exposed with their
                own timestamp, as cAdvisor's are; `NO_OWN_TIMESTAMP` for the others. As in Prometheus a series
                with timestamps of its own is never ended.
        """
        numbers = np.atleast_1d(np.asarray(series, dtype=np.intp))
        own_ms = np.broadcast_to(np.asarray(own_timestamps_ms, dtype=np.int64), numbers.shape)
        has_own = own_ms != NO_OWN_TIMESTAMP
        scraped_ms = round(scraped_at * 1000)
        self._store.append(numbers, np.where(has_own, own_ms, scraped_ms), values)
        live = numbers[~has_own]
        if not np.array_equal(live, self._live):
            self._end(scraped_ms, np.setdiff1d(self._live, live))
        self._live = live
        self._store.append(self._up, scraped_ms, 1.0)

    def fail(self, scraped_at: float) -> None:
        """Take over a scrape that failed: `up` is 0 and all series end."""
        scraped_ms = round(scraped_at * 1000)
        self._end_all(scraped_ms)
        self._store.append(self._up, scraped_ms, 0.0)

    def vanish(self, at: float) -> None:
        """The target is gone from the service discovery: all its series end, `up` too."""
        at_ms = round(at * 1000)
        self._end_all(at_ms)
        self._store.append(self._up, at_ms, STALE)

    def _end_all(self, at_ms: int) -> None:
        self._end(at_ms, self._live)
        self._live = self._live[:0]

    def _end(self, at_ms: int, series: NDArray[np.intp]) -> None:
        self._store.append(series, at_ms, STALE)
