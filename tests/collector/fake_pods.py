"""Pods and ReplicaSets of the fake cluster, cast from recorded ones."""

import copy
import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Object = dict[str, Any]

RECORDED = Path(__file__).parent / "recorded" / "kubernetes"


@dataclass(frozen=True)
class Stall:
    """Why new pods of a Deployment do not become ready."""

    reason: str  # of the waiting container, or `Unschedulable`
    message: str
    exceeds_deadline: bool


def read_recorded(name: str) -> Object:
    """One recorded answer, anew each time."""
    recorded: Object = json.loads(_read_text(name))
    return recorded


@functools.cache
def _read_text(name: str) -> str:
    return (RECORDED / f"{name}.json").read_text(encoding="utf-8")


def make_replica_set(deployment: Object) -> Object:
    """The ReplicaSet of the Deployment's present template, named by a hash of it."""
    made, name = read_recorded("replica_set"), deployment["metadata"]["name"]
    template = copy.deepcopy(deployment["spec"]["template"])
    template_hash = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
    labels = {**template["metadata"]["labels"], "pod-template-hash": template_hash}
    full_name = f"{name}-{template_hash}"
    made["metadata"] |= {"name": full_name, "uid": f"uid-{full_name}", "labels": labels}
    made["metadata"]["ownerReferences"][0] |= {"name": name, "uid": deployment["metadata"]["uid"]}
    made["spec"] |= {"selector": {"matchLabels": labels}, "template": template}
    return made


def make_pod(replica_set: Object, suffix: str) -> Object:
    """A pending pod, with the sidecar that Istio's webhook injects where the template has none."""
    pod = read_recorded("pod")
    owner, sidecars = replica_set["metadata"], pod["spec"]["containers"][1:]
    name = f"{owner['name']}-{suffix}"
    pod["metadata"] |= {"name": name, "generateName": f"{owner['name']}-", "uid": f"uid-{name}"}
    pod["metadata"]["labels"] |= owner["labels"]
    pod["metadata"]["ownerReferences"][0] |= {"name": owner["name"], "uid": owner["uid"]}
    pod["spec"] |= copy.deepcopy(replica_set["spec"]["template"]["spec"])
    if all(container["name"] != sidecars[0]["name"] for container in pod["spec"]["containers"]):
        pod["spec"]["containers"] += sidecars
    pod["status"] = {"phase": "Pending", "qosClass": "Burstable"}
    return pod


def is_ready(pod: Object) -> bool:
    """Whether the pod's condition Ready is true."""
    conditions = pod["status"].get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def is_terminating(pod: Object) -> bool:
    """Whether the pod is being deleted."""
    return "deletionTimestamp" in pod["metadata"]


def set_ready(pod: Object) -> None:
    """All containers run."""
    mold = read_recorded("pod")["status"]
    statuses = [
        {**mold["containerStatuses"][0], "name": container["name"], "image": container["image"]}
        for container in pod["spec"]["containers"]
    ]
    pod["status"] = {**mold, "containerStatuses": statuses}


def set_stalled(pod: Object, stall: Stall) -> None:
    """The first container waits, or no node takes the pod."""
    waiting = {"reason": stall.reason, "message": stall.message}
    scheduled = stall.reason != "Unschedulable"
    condition = {"type": "PodScheduled", "status": str(scheduled), "lastProbeTime": None}
    pod["status"] = {"phase": "Pending", "qosClass": "Burstable", "conditions": [condition]}
    if not scheduled:
        condition |= waiting
        return
    mold = read_recorded("pod")["status"]["containerStatuses"][0]
    container = pod["spec"]["containers"][0]
    pod["status"]["containerStatuses"] = [
        {
            **mold,
            "name": container["name"],
            "image": container["image"],
            "ready": False,
            "started": False,
            "state": {"waiting": waiting},
        }
    ]
