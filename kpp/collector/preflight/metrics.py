"""Whether Prometheus has each metric for each service, with the labels that the queries use."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kpp.collector.cluster.services import Service
from kpp.collector.config import Config
from kpp.collector.preflight.commands import kubectl
from kpp.collector.preflight.findings import Finding, Outcome, name_some
from kpp.collector.preflight.load import Load, settling_seconds

CHECK = "metrics"
_REASONS = {
    Load.NEW: "the load has only just begun",
    Load.OFF: "the load is off",
    Load.ABSENT: "there is no load generator",
}


@dataclass(frozen=True)
class Selector:
    """A metric as a query selects it, and the labels without which the query is empty."""

    metric: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Diagnosis:
    """How far a selector gets, asked of Prometheus without the namespace and without the labels' values."""

    selector: Selector
    series_count: int  # of the metric, whatever its labels
    labels_missing: tuple[str, ...]  # on all of these series


@dataclass(frozen=True)
class Presence:
    """Which services a signal has values for."""

    signal: str
    services: frozenset[str]  # with a value, or with series that have none just now
    expected: frozenset[str]
    is_required: bool  # its column is one that every model needs
    diagnoses: tuple[Diagnosis, ...] = ()  # where no service has values


def judge_metrics(
    signals: Sequence[Presence], services: Sequence[Service], config: Config, *, load: Load
) -> Iterator[Finding]:
    """What is found of each signal; signals with the same fault share a finding.

    Without load nothing may have been measured lately, so what is missing then is no more than a warning.

    Args:
        signals: which services have which signal.
        services: all that are to be measured.
        config: names the namespace and the load generator.
        load: whether the load generator runs.
    """
    judge = _Judge(services, config, load)
    faults: dict[_Fault, list[str]] = {}
    for signal in signals:
        if signal.expected - signal.services:
            faults.setdefault(judge.fault_of(signal), []).append(signal.signal)
    for fault, names in faults.items():
        yield Finding(CHECK, fault.outcome, f"{', '.join(names)}: {fault.text}", fault.mend, fault.command)
    complete = [signal.signal for signal in signals if not signal.expected - signal.services]
    if complete:
        yield Finding(CHECK, Outcome.PASS, f"every service has {name_some(complete, most=9)}")


@dataclass(frozen=True)
class _Fault:
    """What several signals may have in common."""

    outcome: Outcome
    text: str
    mend: str
    command: str = ""


@dataclass(frozen=True)
class _Judge:
    """What decides besides the signal itself."""

    services: Sequence[Service]
    config: Config
    load: Load

    def fault_of(self, signal: Presence) -> _Fault:
        """What is wrong with a signal that some service lacks."""
        if signal.services:
            return self._incomplete(signal)
        for diagnosis in signal.diagnoses:
            if not diagnosis.series_count:
                metric = diagnosis.selector.metric
                is_certain = self.load is Load.ON or not metric.startswith("istio_")
                text = f"Prometheus has no {metric}"
                return _Fault(_outcome(signal, is_certain=is_certain), text, *_mend_absent(metric))
            if diagnosis.labels_missing:
                text = f"{diagnosis.selector.metric} has no label {name_some(diagnosis.labels_missing)}"
                mend = "keep it: see metric_relabel_configs and labeldrop in the configuration of Prometheus"
                return _Fault(_outcome(signal, is_certain=True), text, mend)
        text = f"no values in namespace {self.config.namespace}"
        outcome = _outcome(signal, is_certain=self.load is Load.ON)
        mend, command = self._wait()
        return _Fault(outcome, text, f"check KPP_NAMESPACE and KPP_PROFILE; {mend}", command)

    def _incomplete(self, signal: Presence) -> _Fault:
        missing = signal.expected - signal.services
        if self.load is not Load.ON:
            text = f"nothing of {name_some(missing)}, but {_REASONS[self.load]}"
            return _Fault(Outcome.WARN, text, *self._wait())
        excluded = ",".join(sorted({*self.config.excluded_services, *missing}))
        deployments = [each.deployment for each in self.services if each.name in missing]
        return _Fault(
            _outcome(signal, is_certain=True),
            f"nothing of {name_some(missing)}",
            f"what has no HTTP or gRPC requests is left out with --excluded-services {excluded}; else see",
            kubectl(self.config, "get", "deployments", *sorted(deployments)),
        )

    def _wait(self) -> tuple[str, str]:
        """What to do until there are values, and the command for it."""
        again = f"wait {settling_seconds(self.config)} s, and check again"
        match self.load:
            case Load.ABSENT:
                return "name the load generator, and check again", ""
            case Load.NEW:
                return again, ""
            case Load.ON:
                logs = kubectl(self.config, "logs", f"deployment/{self.config.load_generator}", "--tail=20")
                return "see whether its users get answers:", logs
        start = f"deployment/{self.config.load_generator}"
        return f"start the load, {again}:", kubectl(self.config, "scale", start, "--replicas=1")


def _outcome(signal: Presence, *, is_certain: bool) -> Outcome:
    return Outcome.FAIL if signal.is_required and is_certain else Outcome.WARN


def _mend_absent(metric: str) -> tuple[str, str]:
    if metric.startswith("istio_"):
        return (
            "let Prometheus scrape the sidecars (path /stats/prometheus, port 15020), as Istio's own does:",
            "kubectl apply --filename samples/addons/prometheus.yaml",
        )
    if metric.startswith("container_"):
        return "let Prometheus scrape cAdvisor on each kubelet, path /metrics/cadvisor", ""
    return "let Prometheus scrape what exposes it: see its page /targets", ""
