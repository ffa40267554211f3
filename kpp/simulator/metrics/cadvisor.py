"""What the kubelet's cAdvisor of one node exposes: the CPU of containers, pods and the node.

Each cgroup is looked at in its own rhythm, every 10 to 15 seconds, and its samples carry the time of that
look. Memory is not simulated.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from random import Random

from kpp.simulator.engine import Node, PodSnapshot
from kpp.simulator.metrics.cgroups import Cgroup, CpuReading, expose_cgroup, expose_machine
from kpp.simulator.metrics.pod_cgroups import RunningPod, Runtime, find_cgroups
from kpp.simulator.metrics.pod_identity import PodIdentity
from kpp.simulator.metrics.series import Block

_LOOKS_AFTER = (2, 3)  # rounds; one takes 5 s


@dataclass
class _Account:
    """A pod's CPU over all runs of its container: the pod's own cgroup outlives them."""

    earlier_runs_seconds: float = 0.0
    container_started_at: float = 0.0
    container_seconds: float = 0.0
    sidecar_seconds: float = 0.0

    @property
    def seconds(self) -> float:
        return self.earlier_runs_seconds + self.container_seconds + self.sidecar_seconds

    def update(self, pod: PodSnapshot) -> None:
        if pod.container_started_at != self.container_started_at:
            self.earlier_runs_seconds += self.container_seconds
            self.container_started_at = pod.container_started_at
        self.container_seconds = pod.cpu_seconds
        self.sidecar_seconds = pod.sidecar_cpu_seconds or 0.0


@dataclass
class Cadvisor:
    """One node's.

    Args:
        node: the machine.
        runtime: decides what is labelled.
        random: shifts the looks at the cgroups against each other.
        started_at: Unix seconds at the engine's instant 0.
    """

    node: Node
    runtime: Runtime
    random: Random
    started_at: float
    _round: int = 0
    _due: dict[str, int] = field(default_factory=dict)  # cgroup -> round of the next look
    _shown: dict[str, list[Block]] = field(default_factory=dict)  # cgroup -> what the last look saw
    _accounts: dict[str, _Account] = field(default_factory=dict)  # by the pod's uid
    _departed_seconds: float = 0.0  # of pods that are gone

    def keep_house(self, now: float, pods: Iterable[tuple[PodIdentity, PodSnapshot]]) -> None:
        """Look at the cgroups whose turn it is; to be called in even rounds.

        Args:
            now: Unix seconds.
            pods: those of this node whose containers have started.
        """
        present = list(pods)
        self._settle(present)
        found = {cgroup.path: (cgroup, reading) for cgroup, reading in self._find(now, present)}
        for gone in self._shown.keys() - found.keys():
            del self._shown[gone], self._due[gone]
        for path, (cgroup, reading) in found.items():
            if self._due.get(path, self._round) <= self._round:
                self._shown[path] = expose_cgroup(cgroup, reading, now)
                self._due[path] = self._round + self.random.choice(_LOOKS_AFTER)
        self._round += 1

    def expose(self) -> list[Block]:
        """What the last looks saw."""
        return [expose_machine(self.node.cores), *(each for shown in self._shown.values() for each in shown)]

    def _settle(self, pods: list[tuple[PodIdentity, PodSnapshot]]) -> None:
        for identity, pod in pods:
            self._accounts.setdefault(identity.uid, _Account()).update(pod)
        for uid in self._accounts.keys() - {identity.uid for identity, _ in pods}:
            self._departed_seconds += self._accounts.pop(uid).seconds

    def _find(
        self, now: float, pods: list[tuple[PodIdentity, PodSnapshot]]
    ) -> Iterator[tuple[Cgroup, CpuReading]]:
        all_seconds = self._departed_seconds + sum(account.seconds for account in self._accounts.values())
        for path in ("/", "/kubepods"):
            yield Cgroup(path), CpuReading(all_seconds, self.started_at)
        for identity, pod in pods:
            running = RunningPod(
                identity,
                pod,
                pod_cpu_seconds=self._accounts[identity.uid].seconds,
                started_at=self.started_at + pod.started_at,
                container_started_at=self.started_at + pod.container_started_at,
                now=now,
            )
            yield from find_cgroups(running, self.runtime)
