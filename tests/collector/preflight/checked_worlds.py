"""Simulated clusters that are checked over HTTP, by the very clients that a campaign has."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kubernetes.config import new_client_from_config

from kpp.clock import Clock
from kpp.collector.campaign.plan import Level, plan_campaign
from kpp.collector.config import Config
from kpp.collector.kubernetes_client import KubernetesClient
from kpp.collector.preflight.findings import Finding, Outcome, Report
from kpp.collector.preflight.preflight import Subject, run_preflight
from kpp.collector.prometheus_client import PrometheusClient
from kpp.simulator.kubernetes.api.access import Rule
from kpp.simulator.serving import KUBECONFIG
from tests.end_to_end.campaigns import World


@dataclass(frozen=True)
class OtherClock:
    """A clock that is ahead of another one."""

    clock: Clock
    ahead_seconds: float

    def now(self) -> float:
        return self.clock.now() + self.ahead_seconds

    def sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)


def config_of(world: World, **settings: object) -> Config:
    application = world.simulation.application
    tcp = tuple(name for name, each in application.services.items() if each.protocol == "tcp")
    found = {
        "prometheus_url": world.served.prometheus_url,
        "entry_service": application.entry_service,
        "excluded_services": tcp,
        "output_directory": world.folder / "out",
    }
    return Config(**{**found, **settings})  # type: ignore[arg-type]  # any settings


def check(
    world: World,
    clock: Clock | None = None,
    levels: Sequence[Level] | None = None,
    **settings: object,
) -> Report:
    """Run all checks, on the cluster's own clock unless another is given."""
    config, clock = config_of(world, **settings), clock or world.pace
    api_client = new_client_from_config(config_file=str(world.folder / KUBECONFIG))
    with (
        KubernetesClient(config, clock, api_client) as cluster,
        PrometheusClient(config, clock) as prometheus,
    ):
        return run_preflight(Subject(config, plan_campaign(config, levels), cluster.api, prometheus, clock))


def the_only(report: Report, outcome: Outcome, when: Callable[[Finding], bool] = lambda _: True) -> Finding:
    """The one finding with this outcome."""
    (found,) = [each for each in report.findings if each.outcome is outcome and when(each)]
    return found


def everything_but(verb: str, resource: str) -> list[Rule]:
    """Rules that grant all but one verb on one resource."""
    verbs = tuple({"get", "list", "watch", "create", "update", "patch", "delete"} - {verb})
    resources = {"deployments", "replicasets", "pods", "nodes", "leases", "deployments/scale"}
    resources |= {"horizontalpodautoscalers"}
    return [
        Rule(("*",), ("*",), tuple(resources - {resource})),
        Rule(verbs, ("*",), (resource,)),
    ]
