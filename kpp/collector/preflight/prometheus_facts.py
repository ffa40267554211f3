"""The facts that Prometheus tells, as the checks need them; all by instant queries."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kpp.clock import Clock
from kpp.collector.cluster.services import Service
from kpp.collector.preflight.clocks import Skew, measure_skew
from kpp.collector.preflight.metrics import Diagnosis, Presence, Selector
from kpp.collector.preflight.promql_text import first_selection, read_selectors
from kpp.collector.preflight.scraping import WINDOWS_SECONDS, scrape_interval_seconds
from kpp.collector.profiles.profile import Profile, Signal
from kpp.collector.prometheus.answer import Sample
from kpp.collector.prometheus.api import PrometheusApi
from kpp.collector.queries import Query

LOOKED_BACK_SECONDS = 300  # for series of services that are seldom called
_TIME = Query("clock", "vector(time())")


@dataclass(frozen=True)
class Expected:
    """What is known of the cluster when its metrics are looked for."""

    services: Sequence[Service]
    service_of_pod: Mapping[str, str] | None  # None: not known, so neither is whose the CPU is
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


def cpu_signal(api: PrometheusApi, profile: Profile, at: float) -> Signal:
    """The query that the campaign takes for CPU usage: by pods, where only those have labels."""
    for signal in (Signal.CPU_BY_CONTAINER, Signal.CPU_BY_POD):
        query = profile.queries.get(signal)
        if query is not None and api.query(query, at, LOOKED_BACK_SECONDS):
            return signal
    return Signal.CPU_BY_CONTAINER if Signal.CPU_BY_CONTAINER in profile.queries else Signal.CPU_BY_POD


def measure_interval(api: PrometheusApi, query: Query, at: float) -> tuple[str, float | None] | None:
    """A query's first metric, and its scrape interval in seconds, None where there are too few samples.

    A query of somebody's own may name no metric with matchers; of that one nothing is known.

    Args:
        api: Prometheus.
        query: of a profile.
        at: the instant to look back from, Unix seconds.
    """
    selection = first_selection(query.template)
    if selection is None:
        return None
    counting = Query("samples", f"max(count_over_time({selection}[$window]))")
    counts = {window: _number(api.query(counting, at, window)) for window in WINDOWS_SECONDS}
    return selection.partition("{")[0], scrape_interval_seconds(counts)


def find_signals(
    api: PrometheusApi, profile: Profile, at: float, expected: Expected, cpu: Signal
) -> Iterator[Presence]:
    """Which services have which signal, lately.

    Args:
        api: Prometheus.
        profile: what is asked.
        at: the instant to look back from, Unix seconds.
        expected: what is known of the cluster.
        cpu: as `cpu_signal` found it.
    """
    workloads = {service.deployment: service.name for service in expected.services}

    def of_workload(sample: Sample) -> str | None:
        return workloads.get(sample.metric.get(profile.labels.workload, ""))

    def of_pod(sample: Sample) -> str | None:
        is_sidecar = sample.metric.get("container") == profile.labels.sidecar
        return None if is_sidecar else (expected.service_of_pod or {}).get(sample.metric.get("pod", ""))

    look = _Look(api, at)
    for signal, service_of, services in (
        (Signal.THROUGHPUT, of_workload, expected.all_services),
        (Signal.RESPONSE_TIME, of_workload, expected.all_services),
        (Signal.RESPONSE_TIME_P95, of_workload, expected.all_services),
        (cpu, of_pod, expected.all_services),
        (Signal.PERIODS, of_pod, expected.limited if cpu is Signal.CPU_BY_CONTAINER else frozenset()),
    ):
        is_known = service_of is not of_pod or expected.service_of_pod is not None
        if services and is_known and signal in profile.queries:
            is_required = signal not in (Signal.RESPONSE_TIME_P95, Signal.PERIODS)
            yield look.find(profile.queries[signal], service_of, services, is_required=is_required)


@dataclass(frozen=True)
class _Look:
    """Looks for signals at one instant."""

    api: PrometheusApi
    at: float

    def find(
        self,
        query: Query,
        service_of: Callable[[Sample], str | None],
        expected: frozenset[str],
        *,
        is_required: bool,
    ) -> Presence:
        samples = self.api.query(query, self.at, LOOKED_BACK_SECONDS)
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
