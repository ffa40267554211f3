"""Asks Prometheus whose rate windows are cut by a gap in the scrapes: two queries for all services."""

import numpy as np

from kpp.collector.config import Config
from kpp.collector.profiles.profile import Profile, Signal
from kpp.collector.prometheus.api import PrometheusApi
from kpp.collector.prometheus.coverage import MOST_LEFT_OUT, POD, Coverage


class CutWindows:
    """The windows of one namespace; none is cut where the profile does not ask for the newest samples.

    Raises:
        PrometheusError: by every method, as those of `PrometheusApi` do.
    """

    def __init__(self, api: PrometheusApi, profile: Profile, config: Config) -> None:
        self._api = api
        self._profile = profile
        self._config = config
        self._coverages: dict[Signal, Coverage] = {}  # with as few looks as the scrapes need

    def workloads(self, at: float) -> frozenset[str]:
        """Those whose rates of requests, over the window that ends `at` (Unix seconds), are too low."""
        workload, window_seconds = self._profile.labels.workload, self._config.rate_window_seconds
        coverage = Coverage(workload, window_seconds, self._config.evaluation_lag_seconds)
        return self._find(Signal.NEWEST_REQUESTS, coverage, at)

    def pods(self, at: float) -> frozenset[str]:
        """Those whose CPU usage is too low; of pods that do not run `at` that instant (Unix seconds), too."""
        window_seconds, lag_seconds = (
            self._config.cpu_rate_window_seconds,
            self._config.evaluation_lag_seconds,
        )
        coverage = Coverage(POD, window_seconds, lag_seconds, runs_at_end=True)
        return self._find(Signal.NEWEST_CPU, coverage, at)

    def _find(self, signal: Signal, coverage: Coverage, at: float) -> frozenset[str]:
        query = self._profile.queries.get(signal)
        if query is None:
            return frozenset()
        coverage = self._coverages.get(signal, coverage)
        text = query.text(self._config.namespace, coverage.window_seconds)
        newest = self._api.query_range(query.name, text, *coverage.range_of(at, at), coverage.step_seconds)
        if not coverage.look_seconds:
            self._coverages[signal] = coverage.coarser(newest)
        left_out = coverage.left_out(newest, np.array([at], dtype=np.float64))
        return frozenset(name for name, shares in left_out.items() if shares[0] > MOST_LEFT_OUT)
