"""What befell the services' pods during an experiment: restarts, and pods that came and went."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kpp.collector.cluster.api import KubernetesObject

PodRestarts = Mapping[str, int]  # pod name to how often its containers were restarted


@dataclass(frozen=True)
class PodChanges:
    """The difference between the start and the end of an experiment."""

    restarts: int  # of containers
    replaced: int  # pods that were there at the start and are not at the end


def read_restarts(pods: Iterable[KubernetesObject], service_of: Mapping[str, str]) -> dict[str, int]:
    """The restarts of the services' pods, native sidecars included.

    Args:
        pods: as the API gives them.
        service_of: pod name to service; other pods are left out.
    """
    found = {}
    for pod in pods:
        name = pod["metadata"]["name"]
        if name in service_of:
            status = pod.get("status", {})
            containers = [*status.get("containerStatuses", []), *status.get("initContainerStatuses", [])]
            found[name] = sum(each.get("restartCount", 0) for each in containers)
    return found


def compare_pods(before: PodRestarts | None, after: PodRestarts | None) -> PodChanges | None:
    """What changed; None where one of them is not known.

    >>> compare_pods({"a": 1, "b": 0}, {"a": 3, "c": 1})
    PodChanges(restarts=3, replaced=1)
    """
    if before is None or after is None:
        return None
    restarts = sum(max(count - before.get(name, 0), 0) for name, count in after.items())
    return PodChanges(restarts, len(before.keys() - after.keys()))
