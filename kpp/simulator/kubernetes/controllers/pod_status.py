"""The status of a pod on its node, as its kubelet reports it."""

import hashlib

from kpp.simulator.kubernetes.controllers.pod_run import PodRun, Stage
from kpp.simulator.kubernetes.objects.resources import Json
from kpp.simulator.kubernetes.objects.timestamps import format_timestamp
from kpp.simulator.kubernetes.sidecar import SIDECAR_CONTAINER

_RUNTIME = "containerd"


def make_status(pod: Json, run: PodRun, host_ip: str, now: float) -> Json:
    """The whole status; conditions that stay as they were keep their `lastTransitionTime`.

    Args:
        pod: the pod with its status so far.
        now: Unix seconds.
    """
    spec = pod["spec"]
    containers = [_running_status(pod, each, run) for each in spec["containers"]]
    status: Json = {
        "phase": "Running" if run.is_running else "Pending",
        "conditions": _conditions(pod, run, containers, now),
        "hostIP": host_ip,
        "hostIPs": [{"ip": host_ip}],
        "podIP": run.ip,
        "podIPs": [{"ip": run.ip}],
        "startTime": format_timestamp(run.created_at),
        "qosClass": pod["status"]["qosClass"],
        "containerStatuses": containers,
    }
    if spec.get("initContainers"):
        status["initContainerStatuses"] = [_init_status(pod, each, run) for each in spec["initContainers"]]
    return status


def image_id(image: str) -> str:
    """The image with a digest, as runtimes report it."""
    return f"{image.partition('@')[0].rpartition(':')[0] or image}@sha256:{_digest(image)}"


def container_id(pod: Json, container: str, restarts: int) -> str:
    """The id of a container's present run."""
    return f"{_RUNTIME}://{_digest(pod['metadata']['uid'], container, str(restarts))}"


def _status_before(container: Json, restarts: int, last_state: Json) -> Json:
    """Of a container that does not run yet, but for why."""
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "ready": False,
        "started": False,
        "restartCount": restarts,
        "lastState": last_state,
    }


def _running_status(pod: Json, container: Json, run: PodRun) -> Json:
    name = container["name"]
    restarts = run.restarts.get(name, 0)
    status = _status_before(container, restarts, run.last_states.get(name, {}))
    if run.started_at is None:
        has_init = bool(pod["spec"].get("initContainers"))
        reason = "PodInitializing" if has_init else "ContainerCreating"
        return status | {"state": {"waiting": {"reason": reason}}}
    began_at = run.restarted_at.get(name, run.started_at)
    return status | {
        "imageID": image_id(container["image"]),
        "containerID": container_id(pod, name, restarts),
        "ready": run.stage is Stage.READY or name == SIDECAR_CONTAINER,
        "started": True,
        "state": {"running": {"startedAt": format_timestamp(began_at)}},
    }


def _init_status(pod: Json, container: Json, run: PodRun) -> Json:
    name = container["name"]
    status = _status_before(container, 0, {})
    if run.init_started_at is None:
        return status | {"state": {"waiting": {"reason": "PodInitializing"}}}
    known = {"imageID": image_id(container["image"]), "containerID": container_id(pod, name, 0)}
    began = format_timestamp(run.init_started_at)
    if run.started_at is None:
        return status | known | {"started": True, "state": {"running": {"startedAt": began}}}
    finished = {
        "exitCode": 0,
        "reason": "Completed",
        "startedAt": began,
        "finishedAt": format_timestamp(run.started_at),
        "containerID": known["containerID"],
    }
    return status | known | {"ready": True, "state": {"terminated": finished}}


def _conditions(pod: Json, run: PodRun, containers: list[Json], now: float) -> list[Json]:
    unready = [each["name"] for each in containers if not each["ready"]]
    problem = {
        "reason": "ContainersNotReady",
        "message": f"containers with unready status: [{' '.join(unready)}]",
    }
    uninitialized = {"reason": "ContainersNotInitialized", "message": "containers with incomplete status"}
    holds: list[tuple[str, bool, Json]] = [
        ("PodReadyToStartContainers", run.stage is not Stage.CREATING, {}),
        ("Initialized", run.is_running or not pod["spec"].get("initContainers"), uninitialized),
        ("Ready", not unready, problem),
        ("ContainersReady", not unready, problem),
        ("PodScheduled", True, {}),
    ]
    before = {each["type"]: each for each in pod["status"].get("conditions", [])}
    conditions = []
    for kind, is_true, explanation in holds:
        condition = {"type": kind, "status": str(is_true)}
        unchanged = before.get(kind, {}).get("status") == condition["status"]
        moment = before[kind]["lastTransitionTime"] if unchanged else format_timestamp(now)
        conditions.append(condition | {"lastTransitionTime": moment} | ({} if is_true else explanation))
    return conditions


def _digest(*parts: str) -> str:
    return hashlib.sha256("/".join(parts).encode()).hexdigest()
