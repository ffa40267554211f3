"""What the labels of a pod's metrics are made of, read from its object."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from kpp.simulator.kubernetes.objects.quantities import parse_quantity
from kpp.simulator.kubernetes.objects.resources import Json
from kpp.simulator.kubernetes.sidecar import SIDECAR_CONTAINER
from kpp.simulator.metrics.series import Labels


@dataclass(frozen=True)
class ContainerIdentity:
    """A container of a pod."""

    name: str
    image: str
    id: str  # empty until it has started
    cpu_request_cores: float | None
    cpu_limit_cores: float | None
    memory_limit_bytes: float | None

    @property
    def is_sidecar(self) -> bool:
        """Whether it is Istio's proxy."""
        return self.name == SIDECAR_CONTAINER


@dataclass(frozen=True)
class PodIdentity:
    """A pod on a node."""

    name: str
    namespace: str
    uid: str
    node: str
    ip: str
    labels: Labels
    annotations: Labels
    containers: tuple[ContainerIdentity, ...]

    @classmethod
    def of(cls, pod: Json) -> Self:
        """Read a Pod object."""
        metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status", {})
        ids = {each["name"]: each.get("containerID", "") for each in status.get("containerStatuses", [])}
        return cls(
            name=metadata["name"],
            namespace=metadata["namespace"],
            uid=metadata["uid"],
            node=spec.get("nodeName", ""),
            ip=status.get("podIP", ""),
            labels=tuple(metadata.get("labels", {}).items()),
            annotations=tuple(metadata.get("annotations", {}).items()),
            containers=tuple(_identify(each, ids.get(each["name"], "")) for each in spec["containers"]),
        )

    @cached_property
    def sidecar(self) -> ContainerIdentity | None:
        """Istio's proxy, if the pod has one."""
        return next((each for each in self.containers if each.is_sidecar), None)

    @cached_property
    def application(self) -> ContainerIdentity:
        """The container that runs the service."""
        return next(each for each in self.containers if not each.is_sidecar)


def _identify(container: Json, runtime_id: str) -> ContainerIdentity:
    resources = container.get("resources") or {}
    return ContainerIdentity(
        name=container["name"],
        image=container["image"],
        id=runtime_id.rpartition("/")[2],
        cpu_request_cores=_amount(resources, "requests", "cpu"),
        cpu_limit_cores=_amount(resources, "limits", "cpu"),
        memory_limit_bytes=_amount(resources, "limits", "memory"),
    )


def _amount(resources: Json, part: str, kind: str) -> float | None:
    quantity: Any = (resources.get(part) or {}).get(kind)
    return None if quantity is None else float(parse_quantity(quantity))
