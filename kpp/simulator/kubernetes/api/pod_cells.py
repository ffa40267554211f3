"""A pod's row of a table, whose STATUS sums up what its containers do.

Source: k8s.io/kubernetes `pkg/printers/internalversion/printers.go`, `printPod`.
"""

from typing import Any

from kpp.simulator.kubernetes.api.durations import human_duration
from kpp.simulator.kubernetes.objects.resources import Json
from kpp.simulator.kubernetes.objects.timestamps import parse_timestamp

POD_COLUMNS = (
    ("Name", "Ready", "Status", "Restarts", "Age"),
    ("IP", "Node", "Nominated Node", "Readiness Gates"),
)
_NONE = "<none>"


def pod_cells(pod: Json, age: str, now: float) -> list[Any]:
    """The cells under `POD_COLUMNS`; `now` in Unix seconds."""
    statuses = pod["status"].get("containerStatuses", [])
    ready = f"{sum(each['ready'] for each in statuses)}/{len(pod['spec']['containers'])}"
    return [
        pod["metadata"]["name"],
        ready,
        _summary(pod, statuses),
        _restarts(statuses, now),
        age,
        pod["status"].get("podIP", _NONE),
        pod["spec"].get("nodeName", _NONE),
        _NONE,
        _NONE,
    ]


def _summary(pod: Json, statuses: list[Json]) -> str:
    if "deletionTimestamp" in pod["metadata"]:
        return "Terminating"
    init_statuses = pod["status"].get("initContainerStatuses", [])
    done = sum("terminated" in each["state"] for each in init_statuses)
    if "nodeName" in pod["spec"] and done < len(init_statuses):
        return f"Init:{done}/{len(init_statuses)}"
    for status in statuses:
        waiting = status["state"].get("waiting")
        if waiting is not None:
            return str(waiting["reason"])
    return str(pod["status"]["phase"])


def _restarts(statuses: list[Json], now: float) -> str:
    count = sum(each["restartCount"] for each in statuses)
    ended = [
        parse_timestamp(each["lastState"]["terminated"]["finishedAt"])
        for each in statuses
        if "terminated" in each.get("lastState", {})
    ]
    return f"{count} ({human_duration(now - max(ended))} ago)" if ended else str(count)
