"""The control loop: changes in the store queue work for the controllers, and time lets them do it."""

from collections.abc import Callable
from functools import partial

from kpp.simulator.kubernetes.controllers.deployment_controller import DeploymentController
from kpp.simulator.kubernetes.controllers.endpoints_controller import EndpointsController, selects
from kpp.simulator.kubernetes.controllers.event_recorder import EXPIRE_EVENT
from kpp.simulator.kubernetes.controllers.garbage_collector import GarbageCollector
from kpp.simulator.kubernetes.controllers.kubelet import Kubelet
from kpp.simulator.kubernetes.controllers.replica_set_controller import ReplicaSetController
from kpp.simulator.kubernetes.controllers.scheduler import Scheduler
from kpp.simulator.kubernetes.controllers.work_queue import Task, WorkQueue
from kpp.simulator.kubernetes.objects.history import Change
from kpp.simulator.kubernetes.objects.resources import (
    DEPLOYMENTS,
    EVENTS,
    NODES,
    PODS,
    REPLICA_SETS,
    SERVICES,
    STORED,
    Json,
)
from kpp.simulator.kubernetes.objects.store import ObjectStore, controller_reference

REACTION_SECONDS = 0.05  # from a change until a controller has seen it, as over a real API server

_DEPLOYMENT, _REPLICA_SET, _ENDPOINTS = "deployment", "replica set", "endpoints"
_SCHEDULER, _KUBELET = "scheduler", "kubelet"
Controller = Callable[[str, str], float | None]


class ControlLoop:
    """Runs all controllers in the order of time, on whatever clock its owner has."""

    def __init__(
        self,
        store: ObjectStore,
        queue: WorkQueue,
        deployments: DeploymentController,
        replica_sets: ReplicaSetController,
        scheduler: Scheduler,
        kubelet: Kubelet,
    ) -> None:
        self._store = store
        self._queue = queue
        self._kubelet = kubelet
        self._scheduler = scheduler
        self._garbage = GarbageCollector(store)
        self._controllers: dict[str, Controller] = {
            _DEPLOYMENT: deployments.reconcile,
            _REPLICA_SET: replica_sets.reconcile,
            _SCHEDULER: scheduler.reconcile,
            _KUBELET: kubelet.reconcile,
            _ENDPOINTS: EndpointsController(store).reconcile,
            EXPIRE_EVENT: self._expire_event,
            **{_finalizer(each.plural): partial(self._garbage.finalize, each) for each in STORED},
        }
        store.subscribe(self._queue_work)

    @property
    def next_at(self) -> float | None:
        """When something happens by itself, Unix seconds; None when nothing is under way."""
        return self._queue.next_at

    def step(self, now: float) -> None:
        """Do all that is due until `now`, each thing at its own time; then the store's time is `now`."""
        with self._store.lock:
            while (at := self._queue.next_at) is not None and at <= now:
                self._store.now = max(self._store.now, at)
                task = self._queue.pop()
                look_again_at = self._controllers[task.controller](task.namespace, task.name)
                if look_again_at is not None:
                    self._queue.add(task, max(look_again_at, self._store.now))
            self._store.now = max(self._store.now, now)

    def _queue_work(self, change: Change) -> None:
        namespace, name = change.key
        soon = self._store.now + REACTION_SECONDS
        if change.resource is DEPLOYMENTS:
            self._queue.add(Task(_DEPLOYMENT, namespace, name), soon)
        elif change.resource is REPLICA_SETS:
            self._queue.add(Task(_REPLICA_SET, namespace, name), soon)
            self._queue_owner(_DEPLOYMENT, change.object, soon)
        elif change.resource is PODS:
            self._queue_pod(change, soon)
        elif change.resource is SERVICES:
            self._queue.add(Task(_ENDPOINTS, namespace, name), soon)
        elif change.resource is NODES:
            self._queue_waiting_pods(soon)
        if change.type == "DELETED":
            self._garbage.collect(change.object)
        elif "deletionTimestamp" in change.object["metadata"]:
            self._queue.add(Task(_finalizer(change.resource.plural), namespace, name), soon)

    def _queue_pod(self, change: Change, soon: float) -> None:
        namespace, name = change.key
        if change.type == "DELETED":
            self._kubelet.forget(change.object)
            self._scheduler.forget(change.object)
            self._queue_waiting_pods(soon)
        elif "nodeName" in change.object["spec"]:
            self._queue.add(Task(_KUBELET, namespace, name), self._store.now)
        elif change.type == "ADDED":
            self._queue.add(Task(_SCHEDULER, namespace, name), soon)
        for service in self._store.list_all(SERVICES, namespace):
            if selects(service, change.object):
                self._queue.add(Task(_ENDPOINTS, namespace, service["metadata"]["name"]), soon)
        self._queue_owner(_REPLICA_SET, change.object, soon)
        owner = controller_reference(change.object)
        replica_set = self._store.find(REPLICA_SETS, owner["name"], namespace) if owner is not None else None
        if change.type == "DELETED" and replica_set is not None:  # a roll-out that waits for the last old pod
            self._queue_owner(_DEPLOYMENT, replica_set, soon)

    def _queue_owner(self, controller: str, manifest: Json, at: float) -> None:
        owner = controller_reference(manifest)
        if owner is not None:
            self._queue.add(Task(controller, manifest["metadata"]["namespace"], owner["name"]), at)

    def _queue_waiting_pods(self, at: float) -> None:
        for pod in self._store.list_all(PODS):
            if "nodeName" not in pod["spec"]:
                self._queue.add(Task(_SCHEDULER, pod["metadata"]["namespace"], pod["metadata"]["name"]), at)

    def _expire_event(self, namespace: str, name: str) -> None:
        if self._store.find(EVENTS, name, namespace) is not None:
            self._store.remove(EVENTS, name, namespace)


def _finalizer(plural: str) -> str:
    return f"finalize {plural}"
