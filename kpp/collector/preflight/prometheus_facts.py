"""The facts that Prometheus tells, as the checks need them; all by instant queries."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kpp.clock import Clock
from kpp.collector import queries
from kpp.collector.preflight.clocks import Skew, measure_skew
from kpp.collector.preflight.metrics import Diagnosis, Presence, Selector
from kpp.collector.preflight.promql_text import first_selection, read_selectors
from kpp.collector.preflight.scraping import WINDOWS_SECONDS, scrape_interval_seconds
from kpp.collector.prometheus_answer import Sample
from kpp.collector.prometheus_api import PrometheusApi
from kpp.collector.queries import Query
from kpp.collector.services import SIDECAR, Service
from kpp.collector.signals import WORKLOAD

LOOKED_BACK_SECONDS = 300  # for series of services that are seldom called
_TIME = Query("clock", "vector(time())")


@dataclass(frozen=True)
class Expected:
    """What is known of the cluster when its metrics are looked for."""

    services: Sequence[Service]
    service_of_pod: Mapping[str, str]
    limited: frozenset[str]  # services with a CPU limit, so with CFS counters

    @property
    def all_services(self) -> frozenset[str]:
        """The services' names."""
        return frozenset(service.name for service in self.services)


def measure_prometheus_skew(api: PrometheusApi, clock: Clock) -> Skew:
    """How far its clock is ahead.

    Raises:
        PrometheusError: it cannot be reached or refuses.
    """
    asked_at = clock.now()
    told = api.query(_TIME, None, 1)[0].value[1]
    return measure_skew(asked_at, clock.now(), told)


def measure_intervals(api: PrometheusApi, at: float, *, by_container: bool) -> dict[str, float | None]:
    """The scrape interval of Istio's and of cAdvisor's metrics, in seconds; None is not known.

    Args:
        api: Prometheus.
        at: the instant to look back from, Unix seconds.
        by_container: whether the runtime labels containers.
    """
    cpu = queries.CPU_BY_CONTAINER if by_container else queries.CPU_BY_POD
    intervals = {}
    for query in (queries.THROUGHPUT, cpu):
        selection = first_selection(query.template)
        counting = Query("samples", f"max(count_over_time({selection}[$window]))")
        counts = {window: _number(api.query(counting, at, window)) for window in WINDOWS_SECONDS}
        intervals[selection.partition("{")[0]] = scrape_interval_seconds(counts)
    return intervals


def find_signals(
    api: PrometheusApi, at: float, window_seconds: int, expected: Expected, *, by_container: bool
) -> list[Presence]:
    """Which services have which signal.

    Args:
        api: Prometheus.
        at: the instant to look at, Unix seconds.
        window_seconds: the range of `rate()`.
        expected: what is known of the cluster.
        by_container: whether the runtime labels containers.
    """
    workloads = {service.deployment: service.name for service in expected.services}

    def of_workload(sample: Sample) -> str | None:
        return workloads.get(sample.metric.get(WORKLOAD, ""))

    def of_pod(sample: Sample) -> str | None:
        is_sidecar = sample.metric.get("container") == SIDECAR
        return None if is_sidecar else expected.service_of_pod.get(sample.metric.get("pod", ""))

    look = _Look(api, at, max(window_seconds, LOOKED_BACK_SECONDS))
    everyone = expected.all_services
    signals = [
        look.find(queries.THROUGHPUT, of_workload, everyone, is_required=True),
        look.find(queries.RESPONSE_TIME, of_workload, everyone, is_required=True),
        look.find(queries.RESPONSE_TIME_P95, of_workload, everyone),
    ]
    cpu = queries.CPU_BY_CONTAINER if by_container else queries.CPU_BY_POD
    signals.append(look.find(cpu, of_pod, everyone, is_required=True))
    if by_container and expected.limited:
        signals.append(look.find(queries.PERIODS, of_pod, expected.limited))
    return signals


@dataclass(frozen=True)
class _Look:
    """Looks for signals at one instant."""

    api: PrometheusApi
    at: float
    window_seconds: int

    def find(
        self,
        query: Query,
        service_of: Callable[[Sample], str | None],
        expected: frozenset[str],
        *,
        is_required: bool = False,
    ) -> Presence:
        samples = self.api.query(query, self.at, self.window_seconds)
        services = frozenset(filter(None, map(service_of, samples)))
        diagnoses = () if services else tuple(map(self._diagnose, read_selectors(query.template)))
        return Presence(query.name, services, expected, is_required, diagnoses)

    def _diagnose(self, selector: Selector) -> Diagnosis:
        count = self._count(selector.metric)
        missing = [label for label in selector.labels if not self._count(f'{selector.metric}{{{label}!=""}}')]
        return Diagnosis(selector, count, tuple(missing) if count else ())

    def _count(self, selection: str) -> int:
        return int(_number(self.api.query(Query("series", f"count({selection})"), self.at, 1)))


def _number(samples: Sequence[Sample]) -> float:
    return samples[0].value[1] if samples else 0.0
