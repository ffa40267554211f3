"""Everything that the simulated cluster exposes, target by target."""

from collections.abc import Iterable
from functools import partial
from random import Random

from kpp.simulator.engine import Engine, EngineSnapshot
from kpp.simulator.kubernetes.objects.resources import DEPLOYMENTS, NODES, PODS
from kpp.simulator.kubernetes.objects.store import ObjectStore
from kpp.simulator.metrics.cadvisor import Cadvisor
from kpp.simulator.metrics.istio import Reports, expose_sidecar, reports_by_pod
from kpp.simulator.metrics.kube_state import expose_objects
from kpp.simulator.metrics.mesh import Mesh
from kpp.simulator.metrics.pod_cgroups import Runtime
from kpp.simulator.metrics.pod_identity import PodIdentity
from kpp.simulator.metrics.series import Block
from kpp.simulator.metrics.targets import Target, node_target, object_target, pod_target


class MetricSources:
    """The sidecars, the nodes' cAdvisors and kube-state-metrics. Not to be used while the engine moves.

    Args:
        engine: whose counters are shown.
        objects: the cluster's.
        mesh: who is who; its namespace is the application's.
        runtime: decides what cAdvisor labels.
        origin: Unix seconds at the engine's instant 0.
        seed: of the rhythms of cAdvisor.
    """

    def __init__(
        self,
        engine: Engine,
        objects: ObjectStore,
        mesh: Mesh,
        runtime: Runtime,
        origin: float,
        seed: int,
    ) -> None:
        self._engine = engine
        self._objects = objects
        self._mesh = mesh
        self._origin = origin
        random = Random(seed)
        self._cadvisors = {node.name: Cadvisor(node, runtime, random, origin) for node in engine.nodes}
        self._identities: dict[str, PodIdentity] = {}  # by resourceVersion
        self._read_at: tuple[float, int] | None = None  # instant and events of the snapshot
        self._snapshot = engine.snapshot()
        self._live: Reports = {}
        self._flushed: Reports = {}

    @property
    def snapshot(self) -> EngineSnapshot:
        """The counters now."""
        present = (self._engine.now_seconds, self._engine.event_count)
        if self._read_at != present:
            self._read_at = present
            self._snapshot = self._engine.snapshot()
            self._live = reports_by_pod(self._snapshot.reports)
        return self._snapshot

    def keep_house(self) -> None:
        """Let cAdvisor look at the cgroups whose turn it is."""
        pods = {pod.name: pod for pod in self.snapshot.pods}
        running = [(identity, pods[identity.name]) for identity in self._pods() if identity.name in pods]
        for name, cadvisor in self._cadvisors.items():
            on_node = [each for each in running if each[0].node == name]
            cadvisor.keep_house(self._origin + self.snapshot.at_seconds, on_node)

    def flush(self) -> None:
        """Let all Envoys merge their histograms."""
        self._flushed = reports_by_pod(self.snapshot.reports)

    def targets(self) -> list[Target]:
        """All endpoints that are there now."""
        names = {pod.name for pod in self.snapshot.pods}
        pods = [
            pod_target(identity, partial(self._expose_sidecar, identity))
            for identity in self._pods()
            if identity.sidecar is not None and identity.name in names
        ]
        nodes = [
            node_target(node, self._cadvisors[node["metadata"]["name"]].expose)
            for node in self._objects.list_all(NODES)
            if node["metadata"]["name"] in self._cadvisors
        ]
        return [*filter(None, pods), *nodes, object_target(self._expose_objects)]

    def _expose_sidecar(self, pod: PodIdentity) -> list[Block]:
        _ = self.snapshot  # brings the reports up to date
        tag = pod.sidecar.image.rpartition(":")[2] if pod.sidecar is not None else ""
        live, flushed = self._live.get(pod.name, ()), self._flushed.get(pod.name, ())
        return expose_sidecar(self._mesh, tag, live, flushed)

    def _expose_objects(self) -> list[Block]:
        deployments, pods, nodes = map(self._objects.list_all, (DEPLOYMENTS, PODS, NODES))
        return expose_objects(deployments, pods, nodes)

    def _pods(self) -> Iterable[PodIdentity]:
        """The application's pods, each read once per version of its object."""
        pods = self._objects.list_all(PODS, self._mesh.namespace)
        known, self._identities = self._identities, {}
        for pod in pods:
            version = pod["metadata"]["resourceVersion"]
            self._identities[version] = known.get(version) or PodIdentity.of(pod)
        return list(self._identities.values())
