"""What the controllers ask of a pod."""

from kpp.simulator.kubernetes.objects.resources import Json
from kpp.simulator.kubernetes.objects.timestamps import parse_timestamp


def is_active(pod: Json) -> bool:
    """Whether the pod counts as a replica: neither over nor on its way out."""
    return pod["status"]["phase"] not in ("Succeeded", "Failed") and not is_terminating(pod)


def is_terminating(pod: Json) -> bool:
    """Whether someone deleted the pod and it still stops."""
    return "deletionTimestamp" in pod["metadata"]


def is_ready(pod: Json) -> bool:
    """Whether the pod's condition Ready holds."""
    condition = find_condition(pod, "Ready")
    return condition is not None and condition["status"] == "True"


def ready_at(pod: Json) -> float:
    """Since when the condition Ready is what it is, Unix seconds; 0 before it is set."""
    condition = find_condition(pod, "Ready")
    return parse_timestamp(condition["lastTransitionTime"]) if condition is not None else 0.0


def find_condition(pod: Json, kind: str) -> Json | None:
    """A condition by its type."""
    return next((each for each in pod["status"].get("conditions", []) if each["type"] == kind), None)
