"""The engine: an application on nodes, users who load it, and a virtual clock that moves when told to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from kpp.errors import ConfigError
from kpp.simulator.application import Application
from kpp.simulator.engine import orders
from kpp.simulator.engine.kernel_cache import run_until
from kpp.simulator.engine.roster import Roster
from kpp.simulator.engine.snapshot import EngineSnapshot
from kpp.simulator.engine.snapshot_reader import SnapshotReader
from kpp.simulator.engine.states import NEVER, Phase, UserState
from kpp.simulator.engine.tables import build_tables
from kpp.simulator.engine.world import build_world, grow_requests


@dataclass(frozen=True)
class Node:
    """A machine whose cores its pods share."""

    name: str
    cores: float


DEFAULT_NODES = (Node("minikube", 8.0),)


class Engine:
    """Simulates an application on a virtual clock, which starts at 0.

    The same seed and the same orders at the same instants give the same run, bit for bit. An order takes
    effect at the present instant. One thread at a time.
    """

    def __init__(self, application: Application, *, seed: int, nodes: Sequence[Node] = DEFAULT_NODES) -> None:
        """Build a cluster without pods and users.

        Raises:
            ConfigError: no node, or one without cores.
        """
        if not nodes or any(node.cores <= 0 for node in nodes):
            raise ConfigError("a cluster needs nodes with cores", mend="give every node more than 0 cores")
        self.application = application
        self.nodes = tuple(nodes)
        self._tables = build_tables(application)
        cores = [node.cores for node in nodes]
        self._world = build_world(self._tables, cores, application.sidecar.workers, seed)
        orders.vary_at_start(self._world)
        self._roster = Roster()

    @classmethod
    def with_pods(
        cls,
        application: Application,
        *,
        seed: int,
        nodes: Sequence[Node] = DEFAULT_NODES,
        replicas: Mapping[str, int] | None = None,
    ) -> Self:
        """Build a cluster whose pods are ready, as many as the application or else `replicas` says.

        The pods are called `service-0`, `service-1` and so on.
        """
        engine = cls(application, seed=seed, nodes=nodes)
        for name, service in application.services.items():
            for number in range((replicas or {}).get(name, service.replicas)):
                engine.add_pod(name, f"{name}-{number}", ready_after_seconds=0)
        return engine

    @property
    def now_seconds(self) -> float:
        """The virtual clock."""
        return float(self._world.state["now"][0])

    @property
    def event_count(self) -> int:
        """Events processed so far."""
        return int(self._world.state["event_count"][0])

    def advance(self, until_seconds: float) -> None:
        """Move the clock on. Many small steps give the same run as one large one.

        Raises:
            ConfigError: `until_seconds` lies in the past, or is not finite.
        """
        if not self.now_seconds <= until_seconds < NEVER:
            what = f"the virtual clock cannot go from {self.now_seconds:g} s to {until_seconds:g} s"
            raise ConfigError(what, mend="advance to a later instant")
        run_until(self._world, float(until_seconds))
        while self._world.state["needs_room"][0]:
            self._world = grow_requests(self._world)
            run_until(self._world, float(until_seconds))

    def snapshot(self) -> EngineSnapshot:
        """Read all counters at this instant. Reading changes nothing."""
        names = {row: name for name, row in self._roster.rows.items()}
        node_names = [node.name for node in self.nodes]
        return SnapshotReader(self._world, self.application, self._tables, names, node_names).read()

    def add_pod(
        self,
        service: str,
        name: str,
        *,
        node: str | None = None,
        ready_after_seconds: float | None = None,
        cpu_limit_cores: float | None = None,
    ) -> None:
        """Start a pod.

        Args:
            service: whose pod.
            name: unique among the pods that are there.
            node: where; None: on the node with the fewest pods for its cores.
            ready_after_seconds: until it gets requests; None: as the application says; infinite: never.
            cpu_limit_cores: of the application's container; None: as the application says; infinite: none.

        Raises:
            ConfigError: no such service or node, or the name is taken.
        """
        if service not in self.application.services:
            raise ConfigError(
                f"there is no service {service!r}", mend="name one of the application's services"
            )
        if name in self.pod_names():
            raise ConfigError(f"there is a pod {name!r} already", mend="give the new pod a name of its own")
        if cpu_limit_cores is None:
            cpu_limit_cores = self.application.services[service].cpu_limit_cores or NEVER
        self._world, row = orders.free_pod_row(self._world)
        self._roster.enter(name, row)
        service_row = self._tables.service_names.index(service)
        orders.place_pod(self._world, row, service_row, self._node_row(node), cpu_limit_cores)
        if ready_after_seconds is not None:
            self._world.pods["timer_at"][row] = self.now_seconds + ready_after_seconds
        self._wake(row)

    def remove_pod(self, name: str, *, grace_seconds: float = 0) -> None:
        """End a pod: it gets no more requests, and goes when it has answered all it has, or after the grace.

        What it has in progress then fails; a load generator's users go with it. Its counters go too.

        Raises:
            ConfigError: no such pod.
        """
        row = self._roster.row(self._world, name)
        pods = self._world.pods
        waits = grace_seconds > 0 and (
            pods["open_requests"][row] > 0 or len(orders.users_of(self._world, row)) > 0
        )
        pods["phase"][row] = Phase.TERMINATING
        pods["timer_at"][row] = self.now_seconds + (grace_seconds if waits else 0)
        self._wake(row)

    def set_ready(self, name: str, ready: bool) -> None:
        """Keep a pod out of its service's endpoints, whatever its probes say, or let it in again.

        Raises:
            ConfigError: no such pod.
        """
        row = self._roster.row(self._world, name)
        self._world.pods["held_unready"][row] = not ready
        self._wake(row)

    def restart_container(self, name: str) -> None:
        """Crash a pod's application: what is in progress fails, and it starts again when the kubelet would.

        Raises:
            ConfigError: no such pod, or it is not running.
        """
        row = self._roster.row(self._world, name)
        if self._world.pods["phase"][row] != Phase.RUNNING:
            raise ConfigError(f"the pod {name!r} is not running", mend="wait until it has started")
        self._world.pods["phase"][row] = Phase.FAILING
        self._world.pods["timer_at"][row] = self.now_seconds
        self._wake(row)

    def set_cpu_limit(self, name: str, cores: float | None) -> None:
        """Change the CPU limit of a pod's application; None: no limit.

        Raises:
            ConfigError: no such pod, or the limit is not above 0.
        """
        row = self._roster.row(self._world, name)
        if cores is not None and not cores > 0:
            raise ConfigError(f"a CPU limit of {cores:g} cores", mend="set one above 0, or none")
        self._world.pods["ordered_limit"][row] = NEVER if cores is None else cores
        self._wake(row)

    def set_users(self, user_count: int, spawn_rate: float, *, pod: str | None = None) -> None:
        """Change how many users a load generator runs.

        New ones start one after the other, `spawn_rate` a second; those too many go when their action ends.

        Args:
            user_count: all that it shall run.
            spawn_rate: users started per second.
            pod: the load generator's pod; None: the only one there is.

        Raises:
            ConfigError: a number that makes no sense, or no such pod.
        """
        if user_count < 0 or not spawn_rate > 0:
            what = f"{user_count} users at {spawn_rate:g} per second"
            raise ConfigError(what, mend="ask for 0 users or more, and more than 0 per second")
        row = self._load_generator_row(pod)
        present = orders.users_of(self._world, row)
        staying = present[self._world.users["state"][present] != UserState.LEAVING]
        if user_count >= len(staying):
            self._world = orders.start_users(self._world, row, user_count - len(staying), spawn_rate)
        else:
            orders.retire_users(self._world, staying[user_count:])
        self.advance(self.now_seconds)

    def stop_users(self, *, pod: str | None = None) -> None:
        """Stop all users of a load generator at once; what they wait for is given up.

        Raises:
            ConfigError: no such pod.
        """
        row = self._load_generator_row(pod)
        orders.stop_users(self._world, orders.users_of(self._world, row))
        self.advance(self.now_seconds)

    def pod_names(self) -> list[str]:
        """The pods that are there, those that are ending included."""
        return self._roster.names(self._world)

    def _wake(self, row: int) -> None:
        orders.wake_pod(self._world, row)
        self.advance(self.now_seconds)

    def _load_generator_row(self, name: str | None) -> int:
        service_row = self._tables.service_names.index(self.application.users.service)
        return self._roster.row_among(self._world, service_row, name)

    def _node_row(self, name: str | None) -> int:
        names = [node.name for node in self.nodes]
        if name is None:
            placed = [int(self._world.pods["node"][self._roster.rows[pod]]) for pod in self.pod_names()]
            return min(range(len(names)), key=lambda row: (placed.count(row) / self.nodes[row].cores, row))
        if name not in names:
            raise ConfigError(f"there is no node {name!r}", mend=f"name one of {', '.join(names)}")
        return names.index(name)
