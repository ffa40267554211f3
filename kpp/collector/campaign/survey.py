"""The cluster before a campaign changes it: what is measured, how, and what has to be put back."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kpp.clock import Clock
from kpp.collector.campaign.journal_record import describe_difference, find_all_unrestored
from kpp.collector.campaign.manifest import describe_cluster
from kpp.collector.campaign.plan import Plan
from kpp.collector.cluster.services import Resources, Service
from kpp.collector.cluster.state import ClusterState
from kpp.collector.config import Config
from kpp.collector.kubernetes_client import KubernetesClient
from kpp.collector.prometheus_client import CpuSource, PrometheusClient
from kpp.errors import ClusterError, ConfigError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Survey:
    """A cluster as it was found."""

    services: Sequence[Service]
    cpu_source: CpuSource
    resources: Mapping[str, Resources]  # by service
    images: Mapping[str, Mapping[str, str]]  # by service and container
    node_cores: Mapping[str, float]
    kubernetes_version: str | None
    api_server: str
    state: ClusterState

    def as_json(self) -> dict[str, Any]:
        """As the journal and the manifest have it."""
        described = describe_cluster(
            cpu_source=self.cpu_source,
            services=self.services,
            resources=self.resources,
            images=self.images,
            node_cores=self.node_cores,
            kubernetes_version=self.kubernetes_version,
            state=self.state,
        )
        return {"api_server": self.api_server, **described}

    @property
    def deployments(self) -> Mapping[str, str]:
        """Service to Deployment."""
        return {service.name: service.deployment for service in self.services}


def survey(
    config: Config, cluster: KubernetesClient, prometheus: PrometheusClient, clock: Clock, plan: Plan
) -> Survey:
    """Look at everything; nothing is changed.

    Raises:
        ConfigError: the plan scales what is no service here.
        ClusterError: the cluster or Prometheus cannot be reached or refuses.
    """
    services = cluster.discover_services()
    deployments = find_deployments(plan, services)
    return Survey(
        services=services,
        cpu_source=prometheus.detect_cpu_source(clock.now() - config.evaluation_lag_seconds),
        resources=cluster.read_resources(),
        images=cluster.read_images(),
        node_cores=cluster.read_node_cores(),
        kubernetes_version=cluster.read_version(),
        api_server=cluster.api_server,
        state=cluster.read_state([deployments[name] for name in plan.scaled_services]),
    )


def find_deployments(plan: Plan, services: Iterable[Service]) -> dict[str, str]:
    """Service to Deployment.

    Raises:
        ConfigError: the plan scales what is no service here.
    """
    deployments = {service.name: service.deployment for service in services}
    if strangers := [name for name in plan.scaled_services if name not in deployments]:
        raise ConfigError(
            f"replicas are given for {', '.join(strangers)}, which is no service here",
            where="campaign",
            mend=f"the services are {', '.join(sorted(deployments))}",
        )
    return deployments


def refuse_leftovers(directory: Path, state: ClusterState) -> None:
    """Refuse to take for the original state what a dead campaign left.

    Raises:
        ClusterError: a campaign whose journal is here changed this load generator and did not put it back.
    """
    for record in find_all_unrestored(directory):
        if record.state is not None and record.state.load_uid == state.load_uid:
            raise ClusterError(
                f"the cluster is as campaign {record.stem} left it when it died",
                where=str(record.path),
                mend=f"go on with it with `kpp collect --resume {record.path}`, or put the cluster back with "
                f"`kpp restore {record.path}`",
            )


def check_same_application(recorded: Mapping[str, Any], found: Survey) -> Survey:
    """The survey with which a campaign can go on: its CPU is read as before.

    Raises:
        ClusterError: other services are there, or the load generator was made anew.
    """
    mend = "start a new campaign with `kpp collect`"
    before, now = recorded["services"], found.as_json()["services"]
    if before.keys() != now.keys():
        difference = describe_difference(before, now)
        raise ClusterError(f"the services are not those of the campaign ({difference})", mend=mend)
    if recorded["state"]["load_uid"] != found.state.load_uid:
        raise ClusterError("the load generator was made anew since the campaign began", mend=mend)
    if changed := [name for name in before if _kept(before[name]) != _kept(now[name])]:
        logger.warning(
            "Images or resources have changed since the campaign began, of %s: the experiments that follow "
            "measure another application.",
            ", ".join(changed),
        )
    return replace(found, cpu_source=CpuSource(recorded["cpu_source"]))


def _kept(service: Mapping[str, Any]) -> dict[str, Any]:
    """What is not to change; ready replicas come and go."""
    return {name: value for name, value in service.items() if name != "replicas"}
