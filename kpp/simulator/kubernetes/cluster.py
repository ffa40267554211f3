"""The simulated cluster without its HTTP side: the store and all that moves it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from kpp.simulator.kubernetes.controllers.control_loop import ControlLoop
from kpp.simulator.kubernetes.controllers.deployment_controller import DeploymentController
from kpp.simulator.kubernetes.controllers.event_recorder import EventRecorder
from kpp.simulator.kubernetes.controllers.kubelet import Kubelet
from kpp.simulator.kubernetes.controllers.pod_run import StartupTimes
from kpp.simulator.kubernetes.controllers.replica_set_controller import ReplicaSetController
from kpp.simulator.kubernetes.controllers.scheduler import Scheduler
from kpp.simulator.kubernetes.controllers.work_queue import WorkQueue
from kpp.simulator.kubernetes.manifests import namespace_manifest
from kpp.simulator.kubernetes.nodes import NodeSize, lease_manifest, node_manifest
from kpp.simulator.kubernetes.objects.registry import PodMutator, Registry
from kpp.simulator.kubernetes.objects.resources import (
    LEASES,
    NAMESPACES,
    NODES,
    PODS,
    SERVICE_ACCOUNTS,
    Json,
    resource_of,
)
from kpp.simulator.kubernetes.objects.store import HISTORY_LENGTH, ObjectStore
from kpp.simulator.kubernetes.pod_observer import NoObserver, PodObserver, PodView
from kpp.simulator.kubernetes.sidecar import SIDECAR_CONTAINER, SidecarInjector

_SYSTEM_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


@dataclass(frozen=True)
class ClusterSettings:
    """What a cluster is made of."""

    nodes: tuple[NodeSize, ...] = (NodeSize(),)
    startup_times: StartupTimes = field(default_factory=StartupTimes)
    mutate_pod: PodMutator = field(default_factory=SidecarInjector)
    history_length: int = HISTORY_LENGTH  # changes that watches and paged lists can go back
    seed: int = 0  # of names and uids


class SimulatedCluster:
    """A cluster that moves when `step` says how late it is; every method may be called from any thread.

    Args:
        now: the time at which the cluster comes into being, Unix seconds.
        observer: follows the pods; nobody by default.
    """

    def __init__(
        self,
        now: float,
        settings: ClusterSettings | None = None,
        observer: PodObserver | None = None,
    ) -> None:
        settings = settings or ClusterSettings()
        random = Random(settings.seed)
        queue = WorkQueue()
        self.store = ObjectStore(now, random, settings.history_length)
        self.registry = Registry(self.store, random, settings.mutate_pod)

        def events(component: str) -> EventRecorder:
            return EventRecorder(self.store, queue, random, component)

        self._kubelet = Kubelet(
            self.store, events("kubelet"), settings.startup_times, observer or NoObserver()
        )
        self._loop = ControlLoop(
            self.store,
            queue,
            DeploymentController(self.registry, events("deployment-controller")),
            ReplicaSetController(self.registry, events("replicaset-controller")),
            Scheduler(self.store, events("default-scheduler")),
            self._kubelet,
        )
        for name in _SYSTEM_NAMESPACES:
            self._add_namespace(namespace_manifest(name, sidecars=False))
        for size in settings.nodes:
            self.store.create(NODES, node_manifest(size, now))
            self.store.create(LEASES, lease_manifest(size, now))

    @property
    def now(self) -> float:
        """The time up to which the cluster has moved, Unix seconds."""
        return self.store.now

    @property
    def next_transition_at(self) -> float | None:
        """When something happens next by itself, Unix seconds; None when nothing is under way."""
        with self.store.lock:
            return self._loop.next_at

    def step(self, now: float) -> None:
        """Move on to `now`, Unix seconds: what is due until then happens in order, each at its own time."""
        self._loop.step(now)

    def install(self, manifests: Iterable[Json]) -> None:
        """Create objects as a client would, or change them when they are there.

        Raises:
            LookupError: a manifest has a kind that the cluster does not know.
            StatusError: a manifest breaks a rule of the API.
        """
        with self.store.lock:
            for manifest in manifests:
                resource = resource_of(manifest)
                name = manifest["metadata"]["name"]
                namespace = manifest["metadata"].get("namespace", "default") if resource.namespaced else ""
                if self.store.find(resource, name, namespace) is not None:
                    self.registry.replace(resource, name, namespace, manifest)
                elif resource is NAMESPACES:
                    self._add_namespace(manifest)
                else:
                    self.registry.create(resource, manifest, namespace)

    def running_pods(self) -> list[PodView]:
        """The pods whose containers run, terminating ones too, sorted by namespace and name."""
        with self.store.lock:
            views = (self._kubelet.view_running(pod) for pod in self.store.list_all(PODS))
            return [view for view in views if view is not None]

    def hold_back(self, deployment: str) -> None:
        """From now on no new pod of a Deployment gets ready: a roll-out that never ends."""
        with self.store.lock:
            self._kubelet.hold_back(deployment)

    def release(self, deployment: str) -> None:
        """Let the pods of a Deployment get ready again."""
        with self.store.lock:
            self._kubelet.release(deployment)

    def set_ready(self, pod: str, namespace: str = "default", *, is_ready: bool) -> None:
        """Say how a pod's readiness probe fares; raises StatusError when there is no such pod."""
        with self.store.lock:
            self._kubelet.set_ready(self.store.get(PODS, pod, namespace), is_ready=is_ready)

    def restart_pod(
        self, pod: str, namespace: str = "default", *, exit_code: int = 1, reason: str = "Error"
    ) -> None:
        """End the pod's first container, which then begins anew.

        Raises:
            StatusError: there is no such pod.
        """
        with self.store.lock:
            present = self.store.get(PODS, pod, namespace)
            containers = (each["name"] for each in present["spec"]["containers"])
            container = next(name for name in containers if name != SIDECAR_CONTAINER)
            self._kubelet.restart(present, container, exit_code, reason)

    def restart_service(self, deployment: str, *, exit_code: int = 1, reason: str = "Error") -> None:
        """Do as `restart_pod` does to every running pod of a Deployment."""
        with self.store.lock:
            for pod in self.running_pods():
                if pod.deployment == deployment:
                    self.restart_pod(pod.name, pod.namespace, exit_code=exit_code, reason=reason)

    def _add_namespace(self, manifest: Json) -> None:
        namespace = self.registry.create(NAMESPACES, manifest)["metadata"]["name"]
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        self.registry.create(SERVICE_ACCOUNTS, account, namespace)
