"""What the collector asks of Kubernetes: find the services, change the load, wait for it, put it back."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from kubernetes.client import ApiClient

from kpp.clock import Clock
from kpp.collector.campaign.restoring import Restoring
from kpp.collector.cluster.api import KubernetesApi
from kpp.collector.cluster.errors import is_forbidden
from kpp.collector.cluster.lease import CampaignLease, held
from kpp.collector.cluster.lease_object import Holder
from kpp.collector.cluster.load_generator import LoadState, find_load, load_patch, profile_of, replicas_patch
from kpp.collector.cluster.rollout import RolloutWatch
from kpp.collector.cluster.services import (
    Resources,
    Service,
    find_pods,
    find_services,
    read_capacities,
    read_deployment_resources,
    read_images,
)
from kpp.collector.cluster.state import ClusterState, Restored
from kpp.collector.config import Config
from kpp.collector.prometheus.access_settings import split_url
from kpp.collector.quality.pods import read_restarts
from kpp.errors import KubernetesError

__all__ = ["KubernetesClient", "LoadState", "Resources", "Service"]

logger = logging.getLogger(__name__)


class KubernetesClient:
    """One application in one namespace, and its load generator.

    Raises:
        KubernetesError: by every method, when the API cannot be reached or refuses; transient failures are
            tried again first.
    """

    def __init__(self, config: Config, clock: Clock, api_client: ApiClient | None = None) -> None:
        """Connect.

        Args:
            config: namespace, names, time-outs.
            clock: all waiting goes through it.
            api_client: a connection; None takes the kubeconfig, else the credentials of the pod kpp runs in.
        """
        self._config = config
        self._clock = clock
        self._api = KubernetesApi(config, clock, api_client)
        self._profile = profile_of(config)
        self._watch = self._watch_of(config.load_generator)
        self._restoring = Restoring(self._api, config, self._profile)
        self._services: tuple[Service, ...] | None = None
        self._service_uids: Mapping[str, str] = {}  # by Deployment
        self._lease: CampaignLease | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def api(self) -> KubernetesApi:
        """The calls beneath, for checks before a campaign."""
        return self._api

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def discover_services(self) -> tuple[Service, ...]:
        """Find the services to measure, sorted by name; the other methods keep to these from then on.

        Raises:
            KubernetesError: there is none, or one has a name that is no DNS-1123 label.
        """
        discovery = find_services(self._api.list_deployments(), self._config)
        for warning in discovery.warnings:
            logger.warning("%s", warning)
        self._services, self._service_uids = discovery.services, discovery.uids
        return discovery.services

    @contextmanager
    def lease(self, holder: Holder) -> Iterator[None]:
        """Have the namespace for one campaign while the block runs; `keep_lease` is called meanwhile.

        Raises:
            KubernetesError: another campaign has it.
        """
        lease = CampaignLease(self._api, self._clock, self._config.namespace, holder)
        with held(lease):
            self._lease = lease
            try:
                yield
            finally:
                self._lease = None

    def keep_lease(self) -> None:
        """Give a sign of life, when it is time; to be called every few seconds.

        Raises:
            LeaseLostError: another campaign has the namespace by now.
        """
        if self._lease is not None:
            self._lease.keep()

    def read_load(self) -> LoadState:
        """Read the load generator's replicas, and the variables that a campaign changes, as they are set.

        Raises:
            KubernetesError: it does not exist, or not exactly one of its containers has the variables.
        """
        return find_load(self._api.read_deployment(self._config.load_generator), self._profile)

    def read_state(self, deployments: Iterable[str] = ()) -> ClusterState:
        """Read all that a campaign changes: the load generator, and the replicas of these Deployments."""
        load_generator = self._api.read_deployment(self._config.load_generator)
        return ClusterState(
            load=find_load(load_generator, self._profile),
            load_uid=load_generator["metadata"]["uid"],
            replicas={
                name: self._api.read_deployment(name)["spec"].get("replicas", 1) for name in deployments
            },
            service_uids=self._service_uids,
        )

    def stop_load(self) -> None:
        """Scale the load generator to 0 and wait until its pods are gone, terminating ones too.

        Raises:
            RolloutError: pods are still there when the time is up.
        """
        self._api.patch_deployment(self._config.load_generator, replicas_patch(0))
        self._watch.await_stopped()

    def scale(self, replicas: Mapping[str, int]) -> None:
        """Give Deployments these replicas, all at once, and await the roll-outs.

        Raises:
            RolloutError: a roll-out failed or is not done in time.
        """
        for name, count in replicas.items():
            self._api.patch_deployment(name, replicas_patch(count))
        for name in replicas:
            self._watch_of(name).await_rollout()

    def set_load(self, user_count: int, spawn_rate: int) -> None:
        """Set users and rate (users started per second), no more; `start_load` awaits the roll-out."""
        if self._profile.variables:
            patch = load_patch(self.read_load(), user_count, spawn_rate, self._profile)
            self._api.patch_deployment(self._config.load_generator, patch)

    def start_load(self, user_count: int = 1) -> None:
        """Scale the load generator up and await the roll-out, that of an earlier `set_load` included.

        Args:
            user_count: matters where the replicas alone say how many users there are.

        Raises:
            RolloutError: the roll-out failed or is not done in time.
        """
        replicas = self._profile.replicas(user_count)
        self._api.patch_deployment(self._config.load_generator, replicas_patch(replicas))
        self._watch.await_rollout()

    def restore(self, state: ClusterState) -> Restored:
        """Put everything back as it was found, read it again, and compare; awaits no roll-out.

        Raises:
            KubernetesError: it is not as it was found, with the commands that restore it by hand; or this
                may be another cluster.
        """
        return self._restoring.restore(state)

    def read_resources(self) -> dict[str, Resources]:
        """Read every service's resources; one whose Deployment is gone has no replicas."""
        services = self._known_services()
        deployments = {each["metadata"]["name"]: each for each in self._api.list_deployments()}
        gone = Resources(replicas=0, cpu_request_cores=None, cpu_limit_cores=None)
        return {
            service.name: read_deployment_resources(deployments[service.deployment])
            if service.deployment in deployments
            else gone
            for service in services
        }

    def read_images(self) -> dict[str, dict[str, str]]:
        """Read every service's images, by container."""
        names = {service.deployment: service.name for service in self._known_services()}
        deployments = self._api.list_deployments()
        return {
            names[each["metadata"]["name"]]: read_images(each)
            for each in deployments
            if each["metadata"]["name"] in names
        }

    @property
    def api_server(self) -> str:
        """The server's address; a user and a password are left out."""
        return split_url(self._api.server)[0]

    def read_version(self) -> str | None:
        """The version of the cluster; None where it does not tell."""
        try:
            return self._api.read_version()
        except KubernetesError as error:
            logger.info("The version of the cluster is not recorded: %s", error)
            return None

    def read_pods(self) -> dict[str, str]:
        """Read which pods run which service: pod name to service name, terminating pods left out."""
        return find_pods(self._api.list_pods(), self._api.list_replica_sets(), self._known_services())

    def read_restarts(self) -> dict[str, int]:
        """Read how often the containers of each service's pods were restarted, by pod."""
        pods = self._api.list_pods()
        return read_restarts(pods, find_pods(pods, self._api.list_replica_sets(), self._known_services()))

    def read_load_readiness(self) -> tuple[int, int]:
        """Read how many replicas of the load generator are ready, and how many are wanted."""
        deployment = self._api.read_deployment(self._config.load_generator)
        return deployment.get("status", {}).get("readyReplicas", 0), deployment["spec"].get("replicas", 1)

    def read_node_cores(self) -> dict[str, float]:
        """Read the nodes' CPU capacity, by name; empty, with a warning, where the role does not allow it."""
        try:
            return read_capacities(self._api.list_nodes())
        except KubernetesError as error:
            if not is_forbidden(error):
                raise
            logger.warning("The nodes' cores are not recorded: %s", error)
            return {}

    def _known_services(self) -> tuple[Service, ...]:
        return self._services if self._services is not None else self.discover_services()

    def _watch_of(self, deployment: str) -> RolloutWatch:
        timeout_seconds = self._config.rollout_timeout_seconds
        return RolloutWatch(self._api, self._clock, deployment, timeout_seconds, self.keep_lease)
