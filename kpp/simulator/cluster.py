"""The simulated cluster: Kubernetes, physics, metrics and Prometheus on one clock that one driver moves."""

import heapq
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kpp.errors import InputError
from kpp.simulator.application import Application
from kpp.simulator.engine import Engine, EngineSnapshot, Node
from kpp.simulator.kubernetes.cluster import ClusterSettings, SimulatedCluster
from kpp.simulator.kubernetes.nodes import NodeSize
from kpp.simulator.kubernetes.objects.status_errors import StatusError
from kpp.simulator.metrics.mesh import Mesh
from kpp.simulator.metrics.pod_cgroups import Runtime
from kpp.simulator.metrics.sources import MetricSources
from kpp.simulator.pod_physics import PodPhysics
from kpp.simulator.promql import SampleStore
from kpp.simulator.scraping import Scraper
from kpp.simulator.workloads import (
    build_manifests,
    service_accounts,
    sidecar_injector,
    startup_times,
)

ROUNDS_PER_SCRAPE = 3  # a round is also Envoy's flush and cAdvisor's shortest step: 5, 15 and 10 to 15 s
SETTLING_SECONDS = 120.0  # from the birth of the cluster until it is handed over


@dataclass(frozen=True)
class SimulationSettings:
    """What is simulated, besides the application."""

    namespace: str = "default"
    nodes: tuple[NodeSize, ...] = (NodeSize(),)
    replicas: Mapping[str, int] = field(default_factory=dict)  # by service, instead of the application's
    runtime: Runtime = Runtime.CONTAINERD
    scrape_seconds: float = 15.0  # Envoy's flushes and cAdvisor's looks are in proportion
    retention_seconds: float = 3600.0
    seed: int = 0


class Simulation:
    """A whole cluster under its load generator, with Istio and Prometheus.

    It stands still until it is moved. Methods may be called from any thread; what moves and what reads the
    cluster holds `lock`.

    Args:
        application: what runs.
        started_at: the cluster's time when it is handed over, Unix seconds. All pods are up by then.
        settings: of everything else.

    Raises:
        InputError: Kubernetes refuses the application's manifests.
    """

    def __init__(
        self, application: Application, started_at: float, settings: SimulationSettings | None = None
    ) -> None:
        self.application = application
        self.settings = settings = settings or SimulationSettings()
        self._origin = started_at - SETTLING_SECONDS
        nodes = [Node(size.name, size.cpu_cores) for size in settings.nodes]
        self._engine = Engine(application, seed=settings.seed, nodes=nodes)
        self._physics = PodPhysics(self._engine, self._origin)
        self.kubernetes = SimulatedCluster(
            self._origin,
            ClusterSettings(
                nodes=settings.nodes,
                startup_times=startup_times(application),
                mutate_pod=sidecar_injector(application),
                seed=settings.seed,
            ),
            self._physics,
        )
        self.lock = self.kubernetes.store.lock
        self.samples = SampleStore(retention_seconds=settings.retention_seconds)
        mesh = Mesh.of(application, settings.namespace, service_accounts(application))
        self.sources = MetricSources(
            self._engine, self.kubernetes.store, mesh, settings.runtime, self._origin, settings.seed
        )
        self._scraper = Scraper(self.samples, ROUNDS_PER_SCRAPE)
        self._is_scraping = True
        self._round_seconds = settings.scrape_seconds / ROUNDS_PER_SCRAPE
        self._round_count = 0
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []  # a heap
        self._agenda_numbers = itertools.count()
        self._install()
        self.advance_to(started_at)

    def _install(self) -> None:
        manifests = build_manifests(self.application, self.settings.namespace, self.settings.replicas)
        try:
            self.kubernetes.install(manifests)
        except StatusError as error:
            mend = "change the application so that Kubernetes would take it"
            raise InputError(
                error.message, where=f"application {self.application.name}", mend=mend
            ) from error

    @property
    def now(self) -> float:
        """The cluster's time, Unix seconds."""
        return self.kubernetes.now

    def snapshot(self) -> EngineSnapshot:
        """The truth about everything at this instant."""
        with self.lock:
            return self.sources.snapshot

    def call_at(self, at: float, action: Callable[[], None]) -> None:
        """Do something when the cluster's time has come; what is due in the past is done at once.

        Args:
            at: Unix seconds.
            action: called with the cluster locked.
        """
        with self.lock:
            heapq.heappush(self._agenda, (at, next(self._agenda_numbers), action))

    def set_scraping(self, is_on: bool) -> None:
        """Let Prometheus scrape, or nothing: then its series have a gap."""
        with self.lock:
            self._is_scraping = is_on

    def advance_to(self, instant: float) -> None:
        """Move everything on to an instant, event by event; one in the past changes nothing.

        Args:
            instant: Unix seconds.
        """
        with self.lock:
            while self.now < instant:
                self._move(min(instant, self._next_event_at()))

    def _next_event_at(self) -> float:
        transition_at = self.kubernetes.next_transition_at
        agenda_at = self._agenda[0][0] if self._agenda else None
        planned = [at for at in (transition_at, agenda_at) if at is not None]
        return max(self.now, min([self._next_round_at, *planned]))

    @property
    def _next_round_at(self) -> float:
        return self._origin + (self._round_count + 1) * self._round_seconds

    def _move(self, at: float) -> None:
        self._engine.advance(max(at - self._origin, self._engine.now_seconds))
        self.kubernetes.step(at)
        while self._agenda and self._agenda[0][0] <= at:
            heapq.heappop(self._agenda)[2]()
        if at >= self._next_round_at:
            self._round_count += 1
            self._do_round(at)

    def _do_round(self, at: float) -> None:
        """What happens every 5 seconds; Envoy's flush comes last, so that its histograms are behind."""
        self._physics.report(self.sources.snapshot, self.kubernetes, self.settings.namespace)
        self.sources.keep_house()
        if self._is_scraping:
            self._scraper.scrape(at, self.sources.targets())
        else:
            self._scraper.fail()
        self.sources.flush()
