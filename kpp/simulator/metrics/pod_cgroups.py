"""The cgroups of a pod and their counters: the pod's own, its sandbox's, and one for each container.

The same CPU time stands in the pod's and in its containers'.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from kpp.simulator.engine import PodSnapshot
from kpp.simulator.metrics.cgroups import PERIOD_SECONDS, Cgroup, CpuReading
from kpp.simulator.metrics.pod_identity import ContainerIdentity, PodIdentity
from kpp.simulator.metrics.series import Labels

PAUSE_IMAGE = "registry.k8s.io/pause:3.10"


class Runtime(StrEnum):
    """The container runtime, which decides what is labelled."""

    CONTAINERD = "containerd"
    CRI_DOCKERD = "cri-dockerd"  # Minikube's default: only the pods' own series have labels


@dataclass(frozen=True)
class RunningPod:
    """A pod whose containers have started, at one instant."""

    identity: PodIdentity
    snapshot: PodSnapshot
    pod_cpu_seconds: float  # of all runs of its containers
    started_at: float  # Unix seconds
    container_started_at: float  # of the application's present run
    now: float

    @property
    def periods(self) -> int:
        """CFS periods since its start."""
        return int((self.now - self.started_at) / PERIOD_SECONDS)


def find_cgroups(pod: RunningPod, runtime: Runtime) -> Iterator[tuple[Cgroup, CpuReading]]:
    """The cgroups of a pod; the sandbox's process does nothing but wait."""
    path = f"/kubepods/burstable/pod{pod.identity.uid}"
    labels = (("namespace", pod.identity.namespace), ("pod", pod.identity.name))
    yield _pod_cgroup(path, labels, pod)
    sandbox_id = hashlib.sha256(f"{pod.identity.uid}/sandbox".encode()).hexdigest()
    sandbox_labels = _container_labels(labels, "", PAUSE_IMAGE, sandbox_id, runtime)
    yield Cgroup(f"{path}/{sandbox_id}", sandbox_labels), CpuReading(0.0, pod.started_at)
    for container in pod.identity.containers:
        cgroup = Cgroup(
            f"{path}/{container.id}",
            _container_labels(labels, container.name, container.image, container.id, runtime),
            container.cpu_request_cores,
            container.cpu_limit_cores,
            container.memory_limit_bytes,
        )
        yield cgroup, _read_container(container, pod)


def _pod_cgroup(path: str, labels: Labels, pod: RunningPod) -> tuple[Cgroup, CpuReading]:
    """It has a quota only when each container has a limit, and then never the tight one."""
    containers = pod.identity.containers
    request = sum(each.cpu_request_cores or 0.0 for each in containers)
    limits = [each.cpu_limit_cores for each in containers if each.cpu_limit_cores is not None]
    limit = sum(limits) if len(limits) == len(containers) else None
    reading = CpuReading(pod.pod_cpu_seconds, pod.started_at, pod.periods)
    return Cgroup(path, labels, request, limit), reading


def _read_container(container: ContainerIdentity, pod: RunningPod) -> CpuReading:
    snapshot = pod.snapshot
    if container.is_sidecar:  # it never uses up its quota: it has no more workers than cores
        return CpuReading(snapshot.sidecar_cpu_seconds or 0.0, pod.started_at, pod.periods)
    return CpuReading(
        snapshot.cpu_seconds,
        pod.container_started_at,
        snapshot.cfs_periods or 0,
        snapshot.cfs_throttled_periods or 0,
        snapshot.cfs_throttled_seconds or 0.0,
    )


def _container_labels(pod: Labels, container: str, image: str, name: str, runtime: Runtime) -> Labels:
    if runtime is Runtime.CRI_DOCKERD:
        return ()
    return (("container", container), ("image", image), ("name", name), *pod)
