"""A cluster in memory: Deployments, and a controller that rolls them out step by step, pod by pod.

The objects have the shape of an API server's answers to Online Boutique v0.10.6 with Istio: built from its
manifests, with the fields that a server adds.
"""

import copy

from tests.collector.fake_pods import (
    Object,
    Stall,
    is_ready,
    is_terminating,
    make_pod,
    make_replica_set,
    read_recorded,
    set_ready,
    set_stalled,
)
from tests.collector.strategic_merge import merge

_TIME = "2026-08-12T10:00:00Z"


class InvalidError(Exception):
    """What the server refuses with 422."""


class FakeCluster:
    """Twelve Deployments at rest, each with one ready pod, and two nodes.

    `step` takes every Deployment one step on its way: the new generation is observed; the new pods are
    created; they become ready; the old ones begin to terminate; they are gone.
    """

    def __init__(self) -> None:
        self.deployments: dict[str, Object] = {}
        self.replica_sets: dict[str, Object] = {}
        self.pods: dict[str, Object] = {}
        nodes = read_recorded("nodes")["items"]
        self.nodes: dict[str, Object] = {node["metadata"]["name"]: node for node in nodes}
        self.terminating_pods_stay = False
        self._stalls: dict[str, Stall] = {}
        self._current: dict[tuple[str, int], str] = {}  # Deployment and generation to the ReplicaSet's name
        self._resource_version = 5000
        self._pod_count = 0
        for deployment in read_recorded("deployments")["items"]:
            self.add_deployment({"apiVersion": "apps/v1", "kind": "Deployment", **deployment})

    def add_deployment(self, deployment: Object) -> None:
        """Take a Deployment in and let it come to rest."""
        self.deployments[deployment["metadata"]["name"]] = deployment
        self.settle()

    def stall(self, name: str, reason: str, message: str = "", *, exceeds_deadline: bool = False) -> None:
        """Keep new pods of the Deployment from becoming ready."""
        self._stalls[name] = Stall(reason, message, exceeds_deadline)

    def unstall(self, name: str) -> None:
        """Let them become ready after all."""
        del self._stalls[name]

    def specs(self) -> dict[str, Object]:
        """A copy of what every Deployment asks for, to be compared with a later one."""
        return {name: copy.deepcopy(each["spec"]) for name, each in self.deployments.items()}

    def pods_of(self, name: str) -> list[Object]:
        """The Deployment's pods, terminating ones too."""
        labels = self.deployments[name]["spec"]["selector"]["matchLabels"].items()
        return [pod for pod in self.pods.values() if labels <= pod["metadata"]["labels"].items()]

    def patch_deployment(self, name: str, patch: Object) -> Object:
        """Apply a strategic-merge patch: a new specification is a new generation, no change is no write.

        Raises:
            InvalidError: the server would refuse what came out.
        """
        before = self.deployments[name]
        patched = merge(before, patch)
        _check_pod_spec(patched["spec"]["template"]["spec"])
        if patched["spec"] != before["spec"]:
            generation = before["metadata"]["generation"] + 1
            patched["metadata"] = {**patched["metadata"], "generation": generation}
        if patched != before:
            self.deployments[name] = self._touch(patched)
        return self.deployments[name]

    def settle(self) -> None:
        """Step until nothing changes."""
        while self.step():
            pass

    def step(self) -> bool:
        """Let the controller work for a moment; False when there was nothing to do."""
        stepped = [self._step_deployment(name) for name in self.deployments]
        return any(stepped)

    def _step_deployment(self, name: str) -> bool:
        deployment = self.deployments[name]
        observed = deployment["status"].get("observedGeneration") == deployment["metadata"]["generation"]
        moved = observed and self._move_pods(name)
        status = self._make_status(name)
        if status != deployment["status"]:
            self.deployments[name] = self._touch({**deployment, "status": status})
        return moved or status != deployment["status"]

    def _move_pods(self, name: str) -> bool:
        """Do the first thing that is due, as with one surging pod and none unavailable."""
        wanted, current = self.deployments[name]["spec"]["replicas"], self._current_replica_set(name)
        alive, terminating = self._part_pods(name)
        new = [pod for pod in alive if _owner(pod) == current["metadata"]["name"]]
        old = [pod for pod in alive if pod not in new]
        unready = [pod for pod in new if not is_ready(pod)]
        if terminating and not self.terminating_pods_stay:
            for pod in terminating:
                del self.pods[pod["metadata"]["name"]]
        elif len(new) < wanted:
            self._pod_count += 1
            pod = self._touch(make_pod(current, f"{self._pod_count:05d}"))
            self.pods[pod["metadata"]["name"]] = pod
        elif len(new) > wanted:
            _terminate(new[wanted:])
        elif unready:
            return self._start_pods(name, unready)
        elif old:
            _terminate(old)
        else:
            return False
        return True

    def _start_pods(self, name: str, pods: list[Object]) -> bool:
        before = copy.deepcopy(pods)
        for pod in pods:
            if name in self._stalls:
                set_stalled(pod, self._stalls[name])
            else:
                set_ready(pod)
        return pods != before

    def _current_replica_set(self, name: str) -> Object:
        generation = (name, self.deployments[name]["metadata"]["generation"])
        if generation not in self._current:
            made = make_replica_set(self.deployments[name])
            self._current[generation] = made["metadata"]["name"]
            self.replica_sets.setdefault(made["metadata"]["name"], made)
        return self.replica_sets[self._current[generation]]

    def _part_pods(self, name: str) -> tuple[list[Object], list[Object]]:
        pods = self.pods_of(name)
        return [pod for pod in pods if not is_terminating(pod)], [pod for pod in pods if is_terminating(pod)]

    def _make_status(self, name: str) -> Object:
        """Count the pods that are not terminating; a zero is left out, as the server does."""
        deployment, current = self.deployments[name], self._current_replica_set(name)["metadata"]["name"]
        alive, _ = self._part_pods(name)
        ready = sum(map(is_ready, alive))
        updated = sum(_owner(pod) == current for pod in alive)
        wanted = deployment["spec"]["replicas"]
        counts = {
            "replicas": len(alive),
            "updatedReplicas": updated,
            "readyReplicas": ready,
            "availableReplicas": ready,
            "unavailableReplicas": max(wanted, len(alive)) - ready,
        }
        done = len(alive) == updated == ready == wanted
        hindered = [pod for pod in alive if not is_ready(pod) and "conditions" in pod["status"]]
        late = bool(hindered) and name in self._stalls and self._stalls[name].exceeds_deadline
        return {
            **{field: count for field, count in counts.items() if count},
            "observedGeneration": deployment["metadata"]["generation"],
            "conditions": [_available(ready >= wanted), _progressing(current, done=done, late=late)],
        }

    def _touch(self, changed: Object) -> Object:
        self._resource_version += 1
        metadata = {**changed["metadata"], "resourceVersion": str(self._resource_version)}
        return {**changed, "metadata": metadata}


def _owner(pod: Object) -> str:
    return str(pod["metadata"]["ownerReferences"][0]["name"])


def _terminate(pods: list[Object]) -> None:
    for pod in pods:
        pod["metadata"] |= {"deletionTimestamp": _TIME, "deletionGracePeriodSeconds": 5}


def _check_pod_spec(pod_spec: Object) -> None:
    """Of all that the API server checks, what a wrong patch of `env` would run into."""
    for container in [*pod_spec["containers"], *pod_spec.get("initContainers", [])]:
        if "image" not in container:
            raise InvalidError(f"containers[{container['name']}].image: Required value")
        for variable in container.get("env", []):
            if "value" in variable and "valueFrom" in variable:
                raise InvalidError(
                    f'env[{variable["name"]}].valueFrom: Invalid value: "": '
                    "may not be specified when `value` is not empty"
                )


def _available(available: bool) -> Object:
    if available:
        message = "Deployment has minimum availability."
        return _condition("Available", "True", "MinimumReplicasAvailable", message)
    message = "Deployment does not have minimum availability."
    return _condition("Available", "False", "MinimumReplicasUnavailable", message)


def _progressing(replica_set: str, *, done: bool, late: bool) -> Object:
    status, reason, text = "True", "ReplicaSetUpdated", "is progressing"
    if late:
        status, reason, text = "False", "ProgressDeadlineExceeded", "has timed out progressing"
    elif done:
        reason, text = "NewReplicaSetAvailable", "has successfully progressed"
    return _condition("Progressing", status, reason, f'ReplicaSet "{replica_set}" {text}.')


def _condition(kind: str, status: str, reason: str, message: str) -> Object:
    times = {"lastTransitionTime": _TIME, "lastUpdateTime": _TIME}
    return {"type": kind, "status": status, "reason": reason, "message": message, **times}
