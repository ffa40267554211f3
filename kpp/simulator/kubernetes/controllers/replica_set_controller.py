"""The ReplicaSet controller: as many pods as asked for, and a status that counts them.

Source: k8s.io/kubernetes `pkg/controller/replicaset/replica_set.go` and `pkg/controller/controller_utils.go`.
"""

from collections.abc import Sequence

from kpp.simulator.kubernetes.controllers.event_recorder import EventRecorder
from kpp.simulator.kubernetes.controllers.pods import is_active, is_ready, ready_at
from kpp.simulator.kubernetes.controllers.replica_sets import owner_reference
from kpp.simulator.kubernetes.objects.deletion import delete_object
from kpp.simulator.kubernetes.objects.registry import Registry
from kpp.simulator.kubernetes.objects.resources import PODS, REPLICA_SETS, Json

BURST = 500  # pods made at a time; the next ones follow when these have been seen


class ReplicaSetController:
    """Looks at one ReplicaSet at a time."""

    def __init__(self, registry: Registry, events: EventRecorder) -> None:
        self._registry = registry
        self._store = registry.store
        self._events = events

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Create or delete pods, and count them; returns when to look again, Unix seconds."""
        replica_set = self._store.find(REPLICA_SETS, name, namespace)
        if replica_set is None or "deletionTimestamp" in replica_set["metadata"]:
            return None
        missing = replica_set["spec"]["replicas"] - len(self._active_pods(replica_set))
        for _ in range(min(missing, BURST)):
            self._create_pod(replica_set)
        for pod in sorted(self._active_pods(replica_set), key=_worth)[: max(-missing, 0)]:
            self._delete_pod(replica_set, pod)
        return self._update_status(replica_set)

    def _active_pods(self, replica_set: Json) -> list[Json]:
        return [pod for pod in self._store.list_owned(PODS, replica_set) if is_active(pod)]

    def _create_pod(self, replica_set: Json) -> None:
        name, namespace = replica_set["metadata"]["name"], replica_set["metadata"]["namespace"]
        template = replica_set["spec"]["template"]
        metadata = {
            **template["metadata"],
            "generateName": f"{name}-",
            "name": self._registry.make_name(PODS, f"{name}-", namespace),
            "ownerReferences": [owner_reference(replica_set)],
        }
        manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
        pod = self._registry.create(PODS, manifest, namespace)
        self._events.record(replica_set, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")

    def _delete_pod(self, replica_set: Json, pod: Json) -> None:
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        delete_object(self._store, PODS, name, namespace)
        self._events.record(replica_set, "SuccessfulDelete", f"Deleted pod: {name}")

    def _update_status(self, replica_set: Json) -> float | None:
        pods = self._active_pods(replica_set)
        labels = replica_set["spec"]["template"]["metadata"].get("labels", {})
        available_at = self._available_times(replica_set, pods)
        counts = {
            "fullyLabeledReplicas": sum(
                labels.items() <= pod["metadata"].get("labels", {}).items() for pod in pods
            ),
            "readyReplicas": sum(is_ready(pod) for pod in pods),
            "availableReplicas": sum(at <= self._store.now for at in available_at),
            "observedGeneration": replica_set["metadata"]["generation"],
        }
        status = {"replicas": len(pods), **{name: count for name, count in counts.items() if count}}
        self._store.edit(REPLICA_SETS, replica_set, lambda edited: edited.update(status=status))
        return min((at for at in available_at if at > self._store.now), default=None)

    def _available_times(self, replica_set: Json, pods: Sequence[Json]) -> list[float]:
        """When each ready pod has been, or will have been, ready for long enough."""
        least = replica_set["spec"].get("minReadySeconds", 0)
        if not least:
            return [self._store.now for pod in pods if is_ready(pod)]
        return [ready_at(pod) + least for pod in pods if is_ready(pod)]


def _worth(pod: Json) -> tuple[bool, bool, bool, float]:
    """Pods that come first are deleted first: not placed, pending, not ready; then the youngest."""
    return (
        "nodeName" in pod["spec"],
        pod["status"]["phase"] == "Running",
        is_ready(pod),
        -ready_at(pod) if is_ready(pod) else 0.0,
    )
