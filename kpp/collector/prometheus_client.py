"""What the collector asks of Prometheus: is it there, how is every service doing, who calls whom."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self

from kpp import schema
from kpp.clock import Clock
from kpp.collector.cluster.services import Service
from kpp.collector.config import Config
from kpp.collector.profiles.profile import Profile, Signal
from kpp.collector.profiles.reading import read_profile
from kpp.collector.prometheus.answer import Sample
from kpp.collector.prometheus.api import PrometheusApi
from kpp.collector.prometheus.cut_windows import CutWindows
from kpp.collector.prometheus.signals import (
    NO_CPU,
    Call,
    CpuAnswers,
    CpuSource,
    RequestAnswers,
    Signals,
    by_container,
    by_workload,
    calls_per_request,
    join_signals,
    split_by_service,
)
from kpp.collector.queries import SELF_TEST

__all__ = ["Call", "CpuSource", "PrometheusClient", "Signals"]

logger = logging.getLogger(__name__)

SHOWN_NAMES = 5

_COLUMNS = {
    "response_time_seconds": schema.RESPONSE_TIME,
    "throughput_rps": schema.THROUGHPUT,
    "cpu_cores": schema.CPU_USAGE,
    "error_rate_rps": schema.ERROR_RATE,
    "response_time_p95_seconds": schema.RESPONSE_TIME_P95,
}
_COLUMNS_NOT_OF_ALL = {  # a service may well be without a sidecar or a CPU limit
    "sidecar_cpu_cores": schema.SIDECAR_CPU_USAGE,
    "throttled": schema.THROTTLED,
}


class PrometheusClient:
    """The measurements of one namespace.

    Raises:
        ConfigError: at the start, if the profile is not there or faulty.
        PrometheusError: by every method, when Prometheus cannot be reached, refuses, or answers nonsense;
            faults that pass are tried again first.
    """

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config = config
        self._profile = read_profile(config.profile)
        self._clock = clock
        self._api = PrometheusApi(
            config.prometheus_url,
            config.namespace,
            config.request_timeout_seconds,
            clock,
            config.prometheus_access,
        )
        self._cut_windows = CutWindows(self._api, self._profile, config)
        self._reported: set[tuple[str, str]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def api(self) -> PrometheusApi:
        """The questions beneath, for checks before a campaign."""
        return self._api

    @property
    def profile(self) -> Profile:
        """What is asked."""
        return self._profile

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def check_ready(self) -> None:
        """Ask something that every Prometheus can answer, over the very API that the measurements need.

        `/-/ready` is not asked: what stores for Prometheus put in front of the same API often lacks it, and a
        Prometheus that is not ready refuses the API too.
        """
        self._api.query(SELF_TEST, self._clock.now(), self._config.rate_window_seconds)

    def detect_cpu_source(self, at: float) -> CpuSource:
        """Find out whether the runtime labels containers or only pods; to be asked once per campaign.

        Args:
            at: the instant to look at, in Unix seconds.
        """
        window_seconds = self._config.cpu_rate_window_seconds
        if self._ask(Signal.CPU_BY_CONTAINER, at, window_seconds):
            return CpuSource.CONTAINERS
        if self._ask(Signal.CPU_BY_POD, at, window_seconds):
            logger.warning(
                "The container runtime labels only pods: application and sidecar can't be told apart, so "
                "`CPU Usage` holds both, and throttling is not measured (to have them apart on Minikube, "
                "start it with --container-runtime=containerd)."
            )
            return CpuSource.PODS
        logger.warning(
            "There is no CPU usage in namespace %s over the %d s before %.0f: check that Prometheus scrapes "
            "cAdvisor, and that KPP_CPU_RATE_WINDOW_SECONDS spans at least two scrapes, better eight.",
            self._config.namespace,
            window_seconds,
            at,
        )
        return CpuSource.CONTAINERS

    def sample(
        self, at: float, pods: Mapping[str, str], services: Sequence[Service], cpu_source: CpuSource
    ) -> dict[str, Signals]:
        """Measure every service over the rate windows that end at one and the same instant.

        Args:
            at: that instant, in Unix seconds.
            pods: pod name to service name; series of other pods, as those of dead ones, do not count.
            services: what to measure; a service's Deployment is Istio's workload.
            cpu_source: as `detect_cpu_source` found it.

        Returns:
            The signals of all `services`, by name. What is missing is told once per service and signal.
        """
        requests, cpu = self._ask_requests(at), self._ask_cpu(at, cpu_source)
        cut_workloads, cut_pods = self._cut_windows.workloads(at), self._cut_windows.pods(at)
        requests, cpu_of = requests.without(cut_workloads), split_by_service(cpu.without(cut_pods), pods)
        pods_of = defaultdict(set)
        for pod, service_name in pods.items():
            pods_of[service_name].add(pod)
        signals = {
            service.name: join_signals(
                service.deployment,
                frozenset(pods_of[service.name]),
                requests,
                cpu_of.get(service.name, NO_CPU),
            )
            for service in services
        }
        cut = {
            each.name
            for each in services
            if each.deployment in cut_workloads or pods_of[each.name] & cut_pods
        }
        self._report_cut(at, cut)
        for name, measured in signals.items():
            if name not in cut:
                self._report_missing(name, measured)
        return signals

    def measure_calls(self, start: float, end: float, services: Sequence[Service]) -> tuple[Call, ...]:
        """Measure who calls whom between two instants (Unix seconds), among `services`.

        As in the throughput, a request is counted where it is served: what a service serves is then what the
        services ask of it and what comes from outside.
        """
        window_seconds = max(round(end - start), 1)
        labels = self._profile.labels
        served = by_workload(self._ask(Signal.THROUGHPUT, end, window_seconds), labels.workload)
        calls = self._ask(Signal.CALLS, end, window_seconds)
        service_of = {service.deployment: service.name for service in services}
        return calls_per_request(calls, served, service_of, labels)

    def _ask_requests(self, at: float) -> RequestAnswers:
        def ask(signal: Signal) -> dict[str, float]:
            samples = self._ask(signal, at, self._config.rate_window_seconds)
            return by_workload(samples, self._profile.labels.workload)

        return RequestAnswers(
            throughput=ask(Signal.THROUGHPUT),
            response_time=ask(Signal.RESPONSE_TIME),
            response_time_p95=ask(Signal.RESPONSE_TIME_P95),
            error_rate=ask(Signal.ERROR_RATE) if Signal.ERROR_RATE in self._profile.queries else None,
        )

    def _ask_cpu(self, at: float, cpu_source: CpuSource) -> CpuAnswers:
        def ask(signal: Signal) -> dict[tuple[str, str], float]:
            return by_container(self._ask(signal, at, self._config.cpu_rate_window_seconds))

        is_by_pod = cpu_source is CpuSource.PODS
        return CpuAnswers(
            cores=ask(Signal.CPU_BY_POD if is_by_pod else Signal.CPU_BY_CONTAINER),
            # a pod's cgroup has its own CFS counters, but what is throttled are the containers in it
            throttled_periods={} if is_by_pod else ask(Signal.THROTTLED_PERIODS),
            periods={} if is_by_pod else ask(Signal.PERIODS),
            sidecar=self._profile.labels.sidecar,
        )

    def _ask(self, signal: Signal, at: float, window_seconds: int) -> list[Sample]:
        """The answer to a query of the profile; nothing where the profile has none."""
        query = self._profile.queries.get(signal)
        return self._api.query(query, at, window_seconds) if query is not None else []

    def _report_cut(self, at: float, cut: Iterable[str]) -> None:
        if names := sorted(cut):
            logger.warning(
                "Scrapes are missing at the edge of a rate window that ends at %.0f: throughput, errors or "
                "CPU of %s stay empty, since they would read too low.",
                at,
                ", ".join(names[:SHOWN_NAMES]) + (" and others" if len(names) > SHOWN_NAMES else ""),
            )

    def _report_missing(self, service_name: str, signals: Signals) -> None:
        for level, columns in ((logging.WARNING, _COLUMNS), (logging.INFO, _COLUMNS_NOT_OF_ALL)):
            missing = [columns[name] for name in columns if getattr(signals, name) is None]
            new = [column for column in missing if (service_name, column) not in self._reported]
            self._reported |= {(service_name, column) for column in new}
            if new:
                logger.log(
                    level,
                    "Service %s has no data for: %s; such cells stay empty (this is said once)",
                    service_name,
                    ", ".join(new),
                )
