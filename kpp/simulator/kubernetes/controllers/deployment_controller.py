"""The Deployment controller: brings the ReplicaSets of a Deployment, and its status, to what its spec says.

Source: k8s.io/kubernetes `pkg/controller/deployment/deployment_controller.go`, from `syncDeployment` on.
"""

from collections.abc import Sequence

from kpp.simulator.kubernetes.controllers.deployment_status import (
    NEW_REPLICA_SET_CREATED,
    NEW_REPLICA_SET_FOUND,
    announce,
    count_status,
    deadline_at,
    find_condition,
    judge_progress,
    set_paused,
)
from kpp.simulator.kubernetes.controllers.event_recorder import EventRecorder
from kpp.simulator.kubernetes.controllers.replica_sets import (
    REVISION,
    is_scaling,
    make_annotations,
    make_replica_set,
    read_revision,
    read_size,
    scale_annotations,
    split_by_template,
)
from kpp.simulator.kubernetes.controllers.rolling_update import (
    Bounds,
    Plan,
    plan_new_size,
    plan_recreate,
    plan_rolling_update,
    plan_scaling,
    read_bounds,
)
from kpp.simulator.kubernetes.objects.deletion import delete_object
from kpp.simulator.kubernetes.objects.registry import Registry
from kpp.simulator.kubernetes.objects.resources import DEPLOYMENTS, PODS, REPLICA_SETS, Json, copy_json


class DeploymentController:
    """Looks at one Deployment at a time."""

    def __init__(self, registry: Registry, events: EventRecorder) -> None:
        self._registry = registry
        self._store = registry.store
        self._events = events

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Do what is to be done for a Deployment now; returns when to look again, Unix seconds."""
        deployment = self._store.find(DEPLOYMENTS, name, namespace)
        if deployment is None or "deletionTimestamp" in deployment["metadata"]:
            return None
        bounds = read_bounds(deployment["spec"])
        is_paused = bool(deployment["spec"].get("paused"))
        owned = self._store.list_owned(REPLICA_SETS, deployment)
        is_rollout = not is_paused and not is_scaling(deployment, owned)
        if is_rollout:
            deployment = self._roll_out(deployment, owned, bounds)
        else:
            new, old = split_by_template(deployment, owned)
            plan = plan_scaling(bounds, read_size(new) if new else None, [read_size(each) for each in old])
            self._scale(deployment, plan, bounds)
        deployment = self._update_status(deployment, bounds, is_paused=is_paused, is_rollout=is_rollout)
        if is_rollout:
            self._forget_old(deployment)
        return deadline_at(deployment)

    def _roll_out(self, deployment: Json, owned: Sequence[Json], bounds: Bounds) -> Json:
        new, old = split_by_template(deployment, owned)
        is_recreate = deployment["spec"]["strategy"]["type"] == "Recreate"
        old_sizes = [read_size(each) for each in old]
        old_pods_are_gone = not any(self._store.list_owned(PODS, each) for each in old)
        if new is None and (not is_recreate or (old_pods_are_gone and not any(s.wanted for s in old_sizes))):
            new, deployment = self._create_replica_set(deployment, old, bounds)
        elif new is not None:
            new, deployment = self._keep_revision(deployment, new, old, bounds)
        new_size = read_size(new) if new is not None else None
        if is_recreate:
            plan = plan_recreate(bounds.wanted, new_size, old_sizes, old_pods_are_gone=old_pods_are_gone)
        else:
            plan = plan_rolling_update(bounds, new_size, old_sizes) if new_size is not None else {}
        self._scale(deployment, plan, bounds)
        return deployment

    def _create_replica_set(self, deployment: Json, old: Sequence[Json], bounds: Bounds) -> tuple[Json, Json]:
        others = sum(each["spec"]["replicas"] for each in old)
        revision = max((read_revision(each) for each in old), default=0) + 1
        replicas = plan_new_size(bounds, 0, others)
        manifest = make_replica_set(deployment, replicas, bounds, revision)
        new = self._registry.create(REPLICA_SETS, manifest, deployment["metadata"]["namespace"])
        name = new["metadata"]["name"]
        if replicas:
            self._events.record(
                deployment, "ScalingReplicaSet", f"Scaled up replica set {name} from 0 to {replicas}"
            )
        message = f'Created new replica set "{name}"'
        return new, self._announce(deployment, revision, NEW_REPLICA_SET_CREATED, message)

    def _keep_revision(
        self, deployment: Json, new: Json, old: Sequence[Json], bounds: Bounds
    ) -> tuple[Json, Json]:
        """The present template's ReplicaSet has the highest revision, also when a roll-back revived it."""
        revision = max(max((read_revision(each) for each in old), default=0) + 1, read_revision(new))

        def annotate(edited: Json) -> None:
            edited["metadata"]["annotations"] = make_annotations(deployment, bounds, revision)

        new = self._store.edit(REPLICA_SETS, new, annotate)
        has_condition = find_condition(deployment.get("status", {}), "Progressing") is not None
        if has_condition and read_revision(deployment) == revision:
            return new, deployment
        message = f'Found new replica set "{new["metadata"]["name"]}"'
        reason = None if has_condition else NEW_REPLICA_SET_FOUND
        return new, self._announce(deployment, revision, reason, message)

    def _announce(self, deployment: Json, revision: int, reason: str | None, message: str) -> Json:
        def change(edited: Json) -> None:
            edited["metadata"].setdefault("annotations", {})[REVISION] = str(revision)
            if reason is not None:
                edited.setdefault("status", {}).setdefault("conditions", [])
                announce(edited["status"], self._store.now, reason, message)

        return self._store.edit(DEPLOYMENTS, deployment, change)

    def _scale(self, deployment: Json, plan: Plan, bounds: Bounds) -> None:
        namespace = deployment["metadata"]["namespace"]
        for name, replicas in plan.items():
            replica_set = self._store.get(REPLICA_SETS, name, namespace)
            before = replica_set["spec"]["replicas"]
            self._scale_one(replica_set, replicas, bounds)
            direction = "up" if replicas > before else "down"
            message = f"Scaled {direction} replica set {name} from {before} to {replicas}"
            self._events.record(deployment, "ScalingReplicaSet", message)
        for replica_set in self._store.list_owned(REPLICA_SETS, deployment):
            if replica_set["spec"]["replicas"] > 0:  # the others remember nothing that matters
                self._scale_one(replica_set, replica_set["spec"]["replicas"], bounds)

    def _scale_one(self, replica_set: Json, replicas: int, bounds: Bounds) -> None:
        def change(edited: Json) -> None:
            edited["spec"]["replicas"] = replicas
            edited["metadata"]["annotations"].update(scale_annotations(bounds))

        self._store.edit(REPLICA_SETS, replica_set, change)

    def _update_status(self, deployment: Json, bounds: Bounds, *, is_paused: bool, is_rollout: bool) -> Json:
        owned = self._store.list_owned(REPLICA_SETS, deployment)
        new, _ = split_by_template(deployment, owned)
        status = count_status(deployment, new, owned, bounds, self._store.now)
        set_paused(status, self._store.now, is_paused=is_paused)
        if is_rollout:
            judge_progress(deployment, new, status, self._store.now)
        return self._store.edit(
            DEPLOYMENTS, deployment, lambda edited: edited.update(status=copy_json(status))
        )

    def _forget_old(self, deployment: Json) -> None:
        """Delete old ReplicaSets beyond the Deployment's `revisionHistoryLimit`, oldest first."""
        progressing = find_condition(deployment["status"], "Progressing")
        if progressing is None or progressing["reason"] != "NewReplicaSetAvailable":
            return
        _, old = split_by_template(deployment, self._store.list_owned(REPLICA_SETS, deployment))
        idle = [each for each in old if not each["spec"]["replicas"] and not each["status"].get("replicas")]
        idle.sort(key=read_revision)
        surplus = len(old) - deployment["spec"]["revisionHistoryLimit"]
        for each in idle[: max(surplus, 0)]:
            metadata = each["metadata"]
            delete_object(self._store, REPLICA_SETS, metadata["name"], metadata["namespace"])
