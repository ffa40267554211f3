"""The scheduler: each pod goes to the node with most CPU left, or waits until its requests fit somewhere."""

from fractions import Fraction

from kpp.simulator.kubernetes.controllers.event_recorder import EventRecorder
from kpp.simulator.kubernetes.controllers.pods import is_active
from kpp.simulator.kubernetes.objects.quantities import parse_quantity
from kpp.simulator.kubernetes.objects.resources import NODES, PODS, Json
from kpp.simulator.kubernetes.objects.store import ObjectStore
from kpp.simulator.kubernetes.objects.timestamps import format_timestamp

_RESOURCES = ("cpu", "memory")
_Amounts = dict[str, Fraction]


class Scheduler:
    """Looks at one pod at a time."""

    def __init__(self, store: ObjectStore, events: EventRecorder) -> None:
        self._store = store
        self._events = events
        self._requests: dict[str, _Amounts] = {}  # by the pod's uid

    def reconcile(self, namespace: str, name: str) -> None:
        """Place a pod that has no node yet, or say why it cannot be placed."""
        pod = self._store.find(PODS, name, namespace)
        if pod is None or "nodeName" in pod["spec"] or not is_active(pod):
            return
        wanted = self._requests_of(pod)
        left = {node["metadata"]["name"]: self._left(node) for node in self._store.list_all(NODES)}
        lacking = {
            node: [kind for kind in _RESOURCES if wanted[kind] > amounts[kind]]
            for node, amounts in left.items()
        }
        fitting = [node for node, kinds in lacking.items() if not kinds]
        if fitting:
            self._bind(pod, max(fitting, key=lambda node: left[node]["cpu"]))
        else:
            self._refuse(pod, lacking)

    def _left(self, node: Json) -> _Amounts:
        on_node = [
            pod
            for pod in self._store.list_all(PODS)
            if pod["spec"].get("nodeName") == node["metadata"]["name"]
            and pod["status"]["phase"] not in ("Succeeded", "Failed")
        ]
        allocatable = node["status"]["allocatable"]
        return {
            kind: parse_quantity(allocatable[kind]) - sum(self._requests_of(pod)[kind] for pod in on_node)
            for kind in _RESOURCES
        }

    def _requests_of(self, pod: Json) -> _Amounts:
        uid = pod["metadata"]["uid"]
        if uid not in self._requests:
            self._requests[uid] = requests(pod)
        return self._requests[uid]

    def forget(self, pod: Json) -> None:
        """A pod is out of the store."""
        self._requests.pop(pod["metadata"]["uid"], None)

    def _bind(self, pod: Json, node: str) -> None:
        def change(edited: Json) -> None:
            edited["spec"]["nodeName"] = node
            _set_scheduled(edited, self._store.now, None)

        placed = self._store.edit(PODS, pod, change)
        name, namespace = placed["metadata"]["name"], placed["metadata"]["namespace"]
        message = f"Successfully assigned {namespace}/{name} to {node}"
        self._events.record(placed, "Scheduled", message)

    def _refuse(self, pod: Json, lacking: dict[str, list[str]]) -> None:
        reasons = [
            f"{sum(kind in kinds for kinds in lacking.values())} Insufficient {kind}"
            for kind in _RESOURCES
            if any(kind in kinds for kinds in lacking.values())
        ]
        why = ", ".join(reasons) or "no nodes available to schedule pods"
        message = f"0/{len(lacking)} nodes are available: {why}."
        self._store.edit(PODS, pod, lambda edited: _set_scheduled(edited, self._store.now, message))
        self._events.record(pod, "FailedScheduling", message, "Warning")


def requests(pod: Json) -> _Amounts:
    """CPU in cores and memory in bytes that a node has to have left for the pod."""
    running = _sum(pod["spec"]["containers"])
    starting = [_sum([container]) for container in pod["spec"].get("initContainers", [])]
    return {kind: max(running[kind], *(each[kind] for each in starting), Fraction(0)) for kind in _RESOURCES}


def _sum(containers: list[Json]) -> _Amounts:
    asked = [(container.get("resources") or {}).get("requests") or {} for container in containers]
    return {
        kind: sum((parse_quantity(each.get(kind, 0)) for each in asked), Fraction(0)) for kind in _RESOURCES
    }


def _set_scheduled(pod: Json, now: float, problem: str | None) -> None:
    condition: Json = {"type": "PodScheduled", "status": "False" if problem else "True"}
    present = next(
        (each for each in pod["status"].get("conditions", []) if each["type"] == "PodScheduled"), None
    )
    unchanged = present is not None and present["status"] == condition["status"]
    condition["lastTransitionTime"] = (
        present["lastTransitionTime"] if present and unchanged else format_timestamp(now)
    )
    if problem:
        condition |= {"reason": "Unschedulable", "message": problem}
    pod["status"]["conditions"] = [condition]
