"""The port to the physics: what the simulated machines are told about pods."""

from dataclasses import dataclass, field
from typing import Protocol

from kpp.simulator.kubernetes.objects.quantities import parse_quantity
from kpp.simulator.kubernetes.objects.resources import Json


@dataclass(frozen=True)
class ContainerView:
    """A container of a pod, as far as physics care."""

    name: str
    image: str
    environment: dict[str, str]  # variables with plain values
    cpu_request_cores: float | None
    cpu_limit_cores: float | None  # None: not throttled


@dataclass(frozen=True)
class PodView:
    """A pod, as far as physics care."""

    name: str
    namespace: str
    uid: str
    deployment: str  # the Deployment that it belongs to; the pod's own name when it belongs to none
    node: str
    ip: str
    labels: dict[str, str] = field(hash=False)
    containers: tuple[ContainerView, ...] = field(hash=False)

    def container(self, name: str) -> ContainerView | None:
        """A container by its name."""
        return next((each for each in self.containers if each.name == name), None)


class PodObserver(Protocol):
    """Follows the pods: called in the order of time, `at` in Unix seconds, under the lock of the cluster."""

    def pod_started(self, pod: PodView, at: float) -> None:
        """Its containers run; a load generator's users begin."""

    def pod_ready(self, pod: PodView, at: float) -> None:
        """It gets requests from now on."""

    def pod_unready(self, pod: PodView, at: float) -> None:
        """It gets no new requests: it was deleted, restarts, or fails its probe. Those in progress go on."""

    def pod_restarted(self, pod: PodView, container: str, at: float) -> None:
        """A container ended and began anew; what it had in progress is lost."""

    def pod_stopped(self, pod: PodView, at: float) -> None:
        """Its containers ended; nothing of it is left."""


class NoObserver:
    """Nobody follows the pods."""

    def pod_started(self, pod: PodView, at: float) -> None:
        """Nothing."""

    def pod_ready(self, pod: PodView, at: float) -> None:
        """Nothing."""

    def pod_unready(self, pod: PodView, at: float) -> None:
        """Nothing."""

    def pod_restarted(self, pod: PodView, container: str, at: float) -> None:
        """Nothing."""

    def pod_stopped(self, pod: PodView, at: float) -> None:
        """Nothing."""


def view_pod(pod: Json, deployment: str) -> PodView:
    """The view of a pod that is on a node."""
    metadata = pod["metadata"]
    return PodView(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        deployment=deployment,
        node=pod["spec"].get("nodeName", ""),
        ip=pod["status"].get("podIP", ""),
        labels=dict(metadata.get("labels", {})),
        containers=tuple(view_container(each) for each in pod["spec"]["containers"]),
    )


def view_container(container: Json) -> ContainerView:
    """The view of a container of a pod or of a template."""
    resources = container.get("resources") or {}
    return ContainerView(
        name=container["name"],
        image=container["image"],
        environment={each["name"]: each.get("value", "") for each in container.get("env", [])},
        cpu_request_cores=_read_cores(resources, "requests"),
        cpu_limit_cores=_read_cores(resources, "limits"),
    )


def _read_cores(resources: Json, part: str) -> float | None:
    cpu = (resources.get(part) or {}).get("cpu")
    return float(parse_quantity(cpu)) if cpu is not None else None
