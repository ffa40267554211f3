"""The status of a Deployment: counts and conditions, with the API's reasons and messages.

Source: k8s.io/kubernetes `pkg/controller/deployment/{sync,progress}.go` and `util/deployment_util.go`.
"""

from collections.abc import Sequence
from typing import Any

from kpp.simulator.kubernetes.controllers.rolling_update import Bounds
from kpp.simulator.kubernetes.objects.resources import Json
from kpp.simulator.kubernetes.objects.timestamps import format_timestamp, parse_timestamp

NEW_REPLICA_SET_CREATED = "NewReplicaSetCreated"
NEW_REPLICA_SET_FOUND = "FoundNewReplicaSet"
NEW_REPLICA_SET_AVAILABLE = "NewReplicaSetAvailable"
REPLICA_SET_UPDATED = "ReplicaSetUpdated"
DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
PAUSED, RESUMED = "DeploymentPaused", "DeploymentResumed"

_COUNTS = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas")


def count_status(
    deployment: Json, new: Json | None, every: Sequence[Json], bounds: Bounds, now: float
) -> Json:
    """The status with its counts and the condition Available brought up to date; zero fields are left out.

    Args:
        new: the ReplicaSet of the present template, None before it exists.
        every: all ReplicaSets of the Deployment, `new` among them.
        now: Unix seconds.
    """
    available = _total(every, "availableReplicas")
    counts = {
        "replicas": _total(every, "replicas"),
        "updatedReplicas": (new or {}).get("status", {}).get("replicas", 0),
        "readyReplicas": _total(every, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(sum(each["spec"]["replicas"] for each in every) - available, 0),
    }
    status: Json = {
        "observedGeneration": deployment["metadata"]["generation"],
        **{name: count for name, count in counts.items() if count},
        "conditions": list(deployment.get("status", {}).get("conditions", [])),
    }
    if available >= bounds.fewest_available:
        _set(
            status, now, "Available", True, "MinimumReplicasAvailable", "Deployment has minimum availability."
        )
    else:
        message = "Deployment does not have minimum availability."
        _set(status, now, "Available", False, "MinimumReplicasUnavailable", message)
    return status


def judge_progress(deployment: Json, new: Json | None, status: Json, now: float) -> None:
    """Bring the condition Progressing of a new status up to date, in place."""
    spec, before = deployment["spec"], deployment.get("status", {})
    present = find_condition(status, "Progressing")
    is_over = present is not None and present["reason"] == NEW_REPLICA_SET_AVAILABLE
    if is_over and status.get("replicas", 0) == status.get("updatedReplicas", 0):
        return
    subject = (
        f'ReplicaSet "{new["metadata"]["name"]}"' if new else f'Deployment "{deployment["metadata"]["name"]}"'
    )
    if _is_complete(spec["replicas"], status):
        message = f"{subject} has successfully progressed."
        _set(status, now, "Progressing", True, NEW_REPLICA_SET_AVAILABLE, message)
    elif _has_progressed(before, status):
        _renew(status, now, "Progressing", REPLICA_SET_UPDATED, f"{subject} is progressing.")
    elif _is_late(spec, status, now):
        message = f"{subject} has timed out progressing."
        _set(status, now, "Progressing", False, DEADLINE_EXCEEDED, message)


def announce(status: Json, now: float, reason: str, message: str) -> None:
    """Say in the condition Progressing that a ReplicaSet was created or found, in place."""
    _set(status, now, "Progressing", True, reason, message)


def set_paused(status: Json, now: float, *, is_paused: bool) -> None:
    """Say in the condition Progressing that the roll-out is paused, or is not any more, in place."""
    present = find_condition(status, "Progressing")
    if present is not None and present["reason"] == DEADLINE_EXCEEDED:
        return
    was_paused = present is not None and present["reason"] == PAUSED
    if is_paused and not was_paused:
        _write(status, now, "Progressing", "Unknown", PAUSED, "Deployment is paused")
    elif was_paused and not is_paused:
        _write(status, now, "Progressing", "Unknown", RESUMED, "Deployment is resumed")


def deadline_at(deployment: Json) -> float | None:
    """When a roll-out that does not move is late, Unix seconds; None when none is under way."""
    present = find_condition(deployment.get("status", {}), "Progressing")
    if present is None or present["reason"] in (NEW_REPLICA_SET_AVAILABLE, DEADLINE_EXCEEDED, PAUSED):
        return None
    # a whole second late: the condition's time is cut to seconds
    return (
        parse_timestamp(present["lastUpdateTime"]) + float(deployment["spec"]["progressDeadlineSeconds"]) + 1
    )


def find_condition(status: Json, kind: str) -> Json | None:
    """A condition by its type."""
    return next((each for each in status.get("conditions", []) if each["type"] == kind), None)


def _total(replica_sets: Sequence[Json], field: str) -> int:
    return sum(each.get("status", {}).get(field, 0) for each in replica_sets)


def _is_complete(wanted: int, status: Json) -> bool:
    fields = ("updatedReplicas", "replicas", "availableReplicas")
    return all(status.get(field, 0) == wanted for field in fields)


def _has_progressed(before: Json, after: Json) -> bool:
    def outdated(status: Json) -> int:
        return int(status.get("replicas", 0) - status.get("updatedReplicas", 0))

    grown = any(
        after.get(field, 0) > before.get(field, 0)
        for field in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )
    return grown or outdated(after) < outdated(before)


def _is_late(spec: Json, status: Json, now: float) -> bool:
    present = find_condition(status, "Progressing")
    if present is None or present["reason"] in (NEW_REPLICA_SET_AVAILABLE, PAUSED):
        return False
    if present["reason"] == DEADLINE_EXCEEDED:
        return True
    return parse_timestamp(present["lastUpdateTime"]) + float(spec["progressDeadlineSeconds"]) < now


def _set(status: Json, now: float, kind: str, holds: bool, reason: str, message: str) -> None:
    """Write a condition unless it says so already."""
    present = find_condition(status, kind)
    if present is None or (present["status"], present["reason"]) != (str(holds), reason):
        _write(status, now, kind, str(holds), reason, message)


def _renew(status: Json, now: float, kind: str, reason: str, message: str) -> None:
    """Write a condition that holds, with a new `lastUpdateTime` in any case."""
    _write(status, now, kind, "True", reason, message)


def _write(status: Json, now: float, kind: str, value: str, reason: str, message: str) -> None:
    present = find_condition(status, kind)
    moment: Any = format_timestamp(now)
    unchanged = present is not None and present["status"] == value
    condition = {
        "type": kind,
        "status": value,
        "lastUpdateTime": moment,
        "lastTransitionTime": present["lastTransitionTime"] if present and unchanged else moment,
        "reason": reason,
        "message": message,
    }
    status["conditions"] = [each for each in status["conditions"] if each["type"] != kind] + [condition]
