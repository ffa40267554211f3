"""What the collector asks of Kubernetes: find the services, change the load, wait for it, put it back."""

import json
import logging
from types import TracebackType
from typing import Self

from kubernetes.client import ApiClient

from kpp.clock import Clock
from kpp.collector.config import Config
from kpp.collector.kubernetes_api import KubernetesApi
from kpp.collector.kubernetes_errors import is_forbidden
from kpp.collector.load_generator import (
    LoadState,
    find_load,
    kubectl_patch_command,
    load_patch,
    replicas_patch,
    restore_patch,
)
from kpp.collector.rollout import RolloutWatch
from kpp.collector.services import (
    Resources,
    Service,
    find_pods,
    find_services,
    read_capacities,
    read_deployment_resources,
)
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
        self._api = KubernetesApi(config, clock, api_client)
        self._watch = RolloutWatch(self._api, clock, config.load_generator, config.rollout_timeout_seconds)
        self._services: tuple[Service, ...] | None = None

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
        self._services = discovery.services
        return discovery.services

    def read_load(self) -> LoadState:
        """Read the load generator's replicas, and USERS and RATE as they are set.

        Raises:
            KubernetesError: it does not exist, or not exactly one of its containers has USERS.
        """
        return find_load(self._api.read_deployment(self._config.load_generator))

    def stop_load(self) -> None:
        """Scale the load generator to 0 and wait until its pods are gone, terminating ones too.

        Raises:
            RolloutError: pods are still there when the time is up.
        """
        self._api.patch_deployment(self._config.load_generator, replicas_patch(0))
        self._watch.await_stopped()

    def set_load(self, user_count: int, spawn_rate: int) -> None:
        """Set USERS and RATE (users started per second), no more; `start_load` awaits the roll-out."""
        self._api.patch_deployment(
            self._config.load_generator, load_patch(self.read_load(), user_count, spawn_rate)
        )

    def start_load(self) -> None:
        """Scale the load generator to 1 and await the roll-out, that of an earlier `set_load` included.

        Raises:
            RolloutError: the roll-out failed or is not done in time.
        """
        self._api.patch_deployment(self._config.load_generator, replicas_patch(1))
        self._watch.await_rollout()

    def restore_load(self, state: LoadState) -> None:
        """Put the load generator back as it was found, read it again, and compare; awaits no roll-out.

        Raises:
            KubernetesError: it is not as it was found; with the command that restores it by hand.
        """
        try:
            self._api.patch_deployment(self._config.load_generator, restore_patch(state))
            found = self.read_load()
        except KubernetesError as error:
            raise self._not_restored(state, str(error)) from error
        if found != state:
            raise self._not_restored(state, f"it has {found} instead of {state}")

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

    def read_pods(self) -> dict[str, str]:
        """Read which pods run which service: pod name to service name, terminating pods left out."""
        return find_pods(self._api.list_pods(), self._api.list_replica_sets(), self._known_services())

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

    def _not_restored(self, state: LoadState, reason: str) -> KubernetesError:
        name, namespace = self._config.load_generator, self._config.namespace
        patch_json = json.dumps(restore_patch(state))
        command = kubectl_patch_command(name, namespace, self._config.kube_context, patch_json)
        return KubernetesError(
            f"could not be put back as it was found: {reason}",
            where=f"Deployment {name} in namespace {namespace}",
            mend=f"run by hand: {command}",
        )
