"""All checks before a campaign, top to bottom. Nothing is changed, and no check stops another."""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kpp.clock import Clock
from kpp.collector.campaign.plan import Plan
from kpp.collector.cluster.api import KubernetesApi
from kpp.collector.cluster.errors import is_away, is_forbidden, status_of
from kpp.collector.cluster.services import Service, find_services, read_deployment_resources
from kpp.collector.config import Config
from kpp.collector.preflight import cluster_facts, prometheus_facts
from kpp.collector.preflight.autoscalers import judge_autoscalers
from kpp.collector.preflight.clocks import Skew, judge_clocks
from kpp.collector.preflight.disk import Disk, judge_disk, needed_bytes
from kpp.collector.preflight.findings import Finding, Outcome, Report, name_some
from kpp.collector.preflight.load import Load, find_load_now, judge_load_generator
from kpp.collector.preflight.metrics import judge_metrics
from kpp.collector.preflight.permissions import judge_permissions, needed_permissions
from kpp.collector.preflight.prometheus_facts import Expected
from kpp.collector.preflight.scraping import CPU, REQUESTS, judge_scraping
from kpp.collector.preflight.sidecars import judge_sidecars
from kpp.collector.profiles.profile import Signal
from kpp.collector.profiles.reading import DEFAULT_PROFILE
from kpp.collector.prometheus_client import PrometheusClient
from kpp.errors import ClusterError, KubernetesError, QueryError

KUBERNETES, PROMETHEUS = "Kubernetes", "Prometheus"


@dataclass(frozen=True)
class Subject:
    """What is checked: a campaign, and what it is run against."""

    config: Config
    plan: Plan
    kubernetes: KubernetesApi | ClusterError  # an error: there are not even credentials
    prometheus: PrometheusClient
    clock: Clock


def run_preflight(subject: Subject) -> Report:
    """Check all that a campaign needs."""
    return _Preflight(subject).run()


class _Preflight:
    """What the checks have learned so far, and the findings."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._config = subject.config
        self._prometheus = subject.prometheus
        self._clock = subject.clock
        self._findings: list[Finding] = []
        self._skews: dict[str, Skew] = {}
        self._unreachable: dict[str, ClusterError] = {}  # by who cannot be reached
        self._expected = Expected((), None, frozenset())
        self._deployments: tuple[str, ...] = ()
        self._load = Load.OFF

    def run(self) -> Report:
        if self._reach(KUBERNETES, self._greet_kubernetes):
            self._check(KUBERNETES, "services", self._find_services)
            self._check(KUBERNETES, "permissions", self._check_permissions)
            self._check(KUBERNETES, "load generator", self._check_load_generator)
            self._check(KUBERNETES, "sidecars", self._check_sidecars)
            self._check(KUBERNETES, "autoscalers", self._check_autoscalers)
        if self._reach(PROMETHEUS, self._greet_prometheus):
            self._check(PROMETHEUS, "metrics", self._check_metrics)
        self._findings += judge_clocks(self._skews, self._config)
        self._findings += judge_disk(
            _look_at_disk(self._config.output_directory),
            needed_bytes(self._config, len(self._subject.plan.experiments), len(self._expected.services)),
            self._config,
        )
        return Report(tuple(self._findings), tuple(self._unreachable.values()))

    def _reach(self, name: str, greet: Callable[[], str]) -> bool:
        try:
            self._findings.append(Finding(name, Outcome.PASS, greet()))
        except ClusterError as error:
            self._unreachable[name] = error
            self._findings.append(_finding_of(name, error))
            return False
        return True

    def _check(self, asked: str, name: str, check: Callable[[], Iterable[Finding]]) -> None:
        try:
            self._findings += check()
        except ClusterError as error:
            if _is_away(error):
                self._unreachable.setdefault(asked, error)
            self._findings.append(_finding_of(name, error))

    @property
    def _kubernetes(self) -> KubernetesApi:
        if isinstance(self._subject.kubernetes, ClusterError):
            raise self._subject.kubernetes
        return self._subject.kubernetes

    def _greet_kubernetes(self) -> str:
        version, skew = cluster_facts.greet(self._kubernetes, self._clock)
        if skew is not None:
            self._skews["the API server"] = skew
        return f"{self._kubernetes.server} answers: {version}"

    def _greet_prometheus(self) -> str:
        self._skews[PROMETHEUS] = prometheus_facts.measure_prometheus_skew(self._prometheus.api, self._clock)
        return f"{self._prometheus.api.url} answers"

    def _check_permissions(self) -> Iterator[Finding]:
        deployments = {each.name: each.deployment for each in self._expected.services}
        scaled = [deployments.get(name, name) for name in self._subject.plan.scaled_services]
        needed = needed_permissions(self._config, scaled)
        return judge_permissions(cluster_facts.ask_permissions(self._kubernetes, needed), self._config)

    def _check_load_generator(self) -> Iterator[Finding]:
        deployment = cluster_facts.find_deployment(self._kubernetes, self._config.load_generator)
        self._load = find_load_now(deployment, self._config, self._clock.now())
        return judge_load_generator(deployment, self._deployments, self._config)

    def _find_services(self) -> Iterator[Finding]:
        deployments = self._kubernetes.list_deployments()
        self._deployments = tuple(each["metadata"]["name"] for each in deployments)
        discovery = find_services(deployments, self._config)
        limited = {
            each["metadata"]["name"]
            for each in deployments
            if read_deployment_resources(each).cpu_limit_cores is not None
        }
        names = frozenset(each.name for each in discovery.services if each.deployment in limited)
        self._expected = Expected(discovery.services, None, names)
        yield Finding("services", Outcome.PASS, _describe(discovery.services))
        if strangers := {*self._subject.plan.scaled_services} - self._expected.all_services:
            text = f"the campaign scales {name_some(strangers)}, which is no service here"
            known = ", ".join(sorted(self._expected.all_services))
            yield Finding("services", Outcome.FAIL, text, f"mend the campaign file; the services are {known}")
        for warning in discovery.warnings:
            yield Finding(
                "services", Outcome.WARN, warning, "label them with KPP_LABEL_KEY, or leave them out"
            )

    def _check_sidecars(self) -> Iterator[Finding]:
        expected = self._expected
        pods, service_of_pod = cluster_facts.read_pods_of(self._kubernetes, expected.services)
        self._expected = Expected(expected.services, service_of_pod, expected.limited)
        labels, name = self._prometheus.profile.labels, self._prometheus.profile.name
        sidecar = labels.sidecar if name == DEFAULT_PROFILE else None  # other meshes may do without
        return judge_sidecars(pods, expected.services, self._config, sidecar)

    def _check_autoscalers(self) -> Iterable[Finding]:
        try:
            autoscalers = self._kubernetes.list_autoscalers()
        except KubernetesError as error:
            if is_forbidden(error):
                return []  # the permissions tell it
            if status_of(error) == 404:  # autoscaling/v2 is there since Kubernetes 1.23
                text = "not looked for: the server has no autoscaling/v2"
                return [Finding("autoscalers", Outcome.WARN, text, "see that none scales a service")]
            raise
        plan = self._subject.plan
        replicas = {each.deployment: plan.replicas_of(each.name) for each in self._expected.services}
        return judge_autoscalers(autoscalers, replicas, self._config)

    def _check_metrics(self) -> Iterator[Finding]:
        """Each signal of the profile, and how often its metric is scraped."""
        api, profile, at = self._prometheus.api, self._prometheus.profile, self._clock.now()
        cpu = prometheus_facts.cpu_signal(api, profile, at)
        if self._expected.services:
            signals = [*prometheus_facts.find_signals(api, profile, at, self._expected, cpu)]
            services = self._expected.services
            yield from judge_metrics(signals, services, self._config, load=self._load)
        for signal, window in ((Signal.THROUGHPUT, REQUESTS), (cpu, CPU)):
            measured = prometheus_facts.measure_interval(api, profile.queries[signal], at)
            if measured is not None and (measured[1] is not None or self._expected.services):
                yield judge_scraping(*measured, window, self._config)


def _describe(services: Sequence[Service]) -> str:
    return f"{len(services)}: {', '.join(service.name for service in services)}"


def _finding_of(name: str, error: ClusterError) -> Finding:
    where = f"{error.where}: " if error.where else ""
    return Finding(name, Outcome.FAIL, f"{where}{error.what}", error.mend)


def _is_away(error: ClusterError) -> bool:
    if isinstance(error, KubernetesError):
        return is_away(error)
    return isinstance(error, QueryError) and error.is_passing


def _look_at_disk(folder: Path) -> Disk:
    there = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
    return Disk(there, shutil.disk_usage(there).free, os.access(there, os.W_OK))
