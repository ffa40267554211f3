from collections import defaultdict
from itertools import pairwise
from random import Random

import pytest

from kpp.simulator.engine import Engine, Node
from kpp.simulator.kubernetes.objects.resources import Json
from kpp.simulator.metrics.cadvisor import Cadvisor
from kpp.simulator.metrics.pod_cgroups import Runtime
from kpp.simulator.metrics.pod_identity import PodIdentity
from kpp.simulator.metrics.series import Block
from tests.simulator.simulations import STARTED_AT, boutique

USAGE = "container_cpu_usage_seconds_total"
CFS = "container_cpu_cfs_periods_total"
ROUND_SECONDS = 5.0
NODE = Node("minikube", 8.0)


def pod_object(name: str, limits: bool = True) -> Json:
    def container(container_name: str, cpu: str) -> Json:
        resources = {"limits": {"cpu": cpu, "memory": "128Mi"}, "requests": {"cpu": "100m"}}
        return {
            "name": container_name,
            "image": f"{container_name}:1",
            "resources": resources if limits else {},
        }

    statuses = [
        {"name": each, "containerID": f"containerd://{name}-{each}"} for each in ("server", "istio-proxy")
    ]
    return {
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}"},
        "spec": {
            "nodeName": "minikube",
            "containers": [container("server", "200m"), container("istio-proxy", "2")],
        },
        "status": {"podIP": "10.244.0.2", "containerStatuses": statuses},
    }


class World:
    """Two pods of the frontend under load, and the cAdvisor of their node."""

    def __init__(self, runtime: Runtime = Runtime.CONTAINERD, limits: bool = True) -> None:
        self.engine = Engine.with_pods(boutique(), seed=1, nodes=[NODE], replicas={"frontend": 2})
        if not limits:
            for name in ("frontend-0", "frontend-1"):
                self.engine.set_cpu_limit(name, None)
        self.engine.set_users(60, 60)
        self.identities = {
            name: PodIdentity.of(pod_object(name, limits)) for name in ("frontend-0", "frontend-1")
        }
        self.cadvisor = Cadvisor(NODE, runtime, Random(0), STARTED_AT)

    def keep_house(self, rounds: int = 1) -> None:
        for _ in range(rounds):
            self.engine.advance(self.engine.now_seconds + ROUND_SECONDS)
            pods = {pod.name: pod for pod in self.engine.snapshot().pods}
            present = [(identity, pods[name]) for name, identity in self.identities.items() if name in pods]
            self.cadvisor.keep_house(STARTED_AT + self.engine.now_seconds, present)

    def samples(self, name: str) -> dict[tuple[str, str, str], float]:
        """Values by container, pod and id of the cgroup."""
        return {key: value for key, (value, _) in self.stamped(name).items()}

    def stamped(self, name: str) -> dict[tuple[str, str, str], tuple[float, int | None]]:
        return {
            (labels.get("container", ""), labels.get("pod", ""), labels["id"]): (value, each.timestamp_ms)
            for each in self.cadvisor.expose()
            for labels, value in zip(each.label_sets(), each.values, strict=True)
            if labels["__name__"] == name
        }


def test_cpu_time_stands_at_the_levels_of_container_pod_and_node() -> None:
    world = World()
    world.keep_house(rounds=1)  # the first look is at all cgroups
    usage = world.samples(USAGE)
    truth = {pod.name: pod for pod in world.engine.snapshot().pods}
    for name in ("frontend-0", "frontend-1"):
        pod = truth[name]
        assert pod.sidecar_cpu_seconds is not None
        found = {key[0]: value for key, value in usage.items() if key[1] == name and "uid" in key[2]}
        by_path = {key[2].count("/"): value for key, value in usage.items() if key[1] == name and not key[0]}
        assert found["server"] == pytest.approx(pod.cpu_seconds)
        assert found["istio-proxy"] == pytest.approx(pod.sidecar_cpu_seconds)
        assert by_path[3] == pytest.approx(pod.cpu_seconds + pod.sidecar_cpu_seconds)  # the pod's cgroup
        assert by_path[4] == 0  # the sandbox's
    root = usage["", "", "/"]
    assert root == pytest.approx(sum(value for key, value in usage.items() if key[0]))


def test_a_pods_labels_are_those_of_the_kubelet() -> None:
    world = World()
    world.keep_house()
    labels = [
        labels
        for each in world.cadvisor.expose()
        for labels in each.label_sets()
        if labels["__name__"] == USAGE
        and labels.get("container") == "server"
        and labels["pod"] == "frontend-0"
    ]
    assert labels == [
        {
            "__name__": USAGE,
            "id": "/kubepods/burstable/poduid-frontend-0/frontend-0-server",
            "container": "server",
            "image": "server:1",
            "name": "frontend-0-server",
            "namespace": "default",
            "pod": "frontend-0",
            "cpu": "total",
        }
    ]


def test_each_cgroup_has_its_own_time_of_10_to_15_seconds() -> None:
    world = World()
    looks: defaultdict[tuple[str, str, str], list[int]] = defaultdict(list)
    for _ in range(60):
        world.keep_house()
        now_ms = round(1000 * (STARTED_AT + world.engine.now_seconds))
        for key, (_, timestamp_ms) in world.stamped(USAGE).items():
            assert timestamp_ms is not None
            assert 0 <= now_ms - timestamp_ms < 15_000
            if timestamp_ms not in looks[key]:
                looks[key].append(timestamp_ms)
    gaps = {later - earlier for times in looks.values() for earlier, later in pairwise(times)}
    assert gaps == {10_000, 15_000}
    assert len({tuple(times) for times in looks.values()}) > 5, "they do not keep step with each other"


def test_cfs_counters_are_there_only_with_a_limit() -> None:
    world = World()
    world.keep_house(rounds=20)
    periods = world.samples(CFS)
    throttled = world.samples("container_cpu_cfs_throttled_periods_total")
    quota = world.samples("container_spec_cpu_quota")
    containers = {key[0] for key in periods if key[0]}
    assert containers == {"server", "istio-proxy"}
    assert {key[0]: value for key, value in quota.items()} == {
        "server": 20_000,
        "istio-proxy": 200_000,
        "": 220_000,
    }
    assert all(throttled[key] <= periods[key] for key in periods)

    free = World(limits=False)
    free.keep_house(rounds=20)
    assert free.samples(CFS) == free.samples("container_spec_cpu_quota") == {}
    assert free.samples(USAGE)


def test_throttling_is_that_of_the_engine() -> None:
    world = World()
    world.engine.set_users(700, 700)
    world.keep_house(rounds=24)
    truth = {pod.name: pod for pod in world.engine.snapshot().pods}
    for (container, pod, _), throttled in world.samples("container_cpu_cfs_throttled_periods_total").items():
        if container == "server":
            true = truth[pod].cfs_throttled_periods
            assert true is not None
            assert 0 < throttled <= true


def test_with_cri_dockerd_only_the_pods_own_series_have_labels() -> None:
    world = World(Runtime.CRI_DOCKERD)
    world.keep_house()
    label_sets = [
        labels
        for each in world.cadvisor.expose()
        for labels in each.label_sets()
        if labels["__name__"] == USAGE
    ]
    assert {frozenset(labels) - {"__name__", "cpu"} for labels in label_sets} == {
        frozenset({"id"}),
        frozenset({"id", "namespace", "pod"}),
    }
    assert len([labels for labels in label_sets if "pod" in labels]) == 2


def test_the_node_remembers_pods_that_are_gone() -> None:
    world = World()
    world.keep_house(rounds=6)
    before = world.samples(USAGE)["", "", "/"]
    world.engine.remove_pod("frontend-0")
    world.keep_house(rounds=3)
    usage = world.samples(USAGE)
    assert not [key for key in usage if key[1] == "frontend-0"]
    assert usage["", "", "/"] > before


def test_a_restarted_container_begins_at_0_but_its_pod_goes_on() -> None:
    world = World()
    world.keep_house(rounds=12)
    before = {key[0]: value for key, value in world.samples(USAGE).items() if key[1] == "frontend-0"}
    before_pod = world.samples(USAGE)["", "frontend-0", "/kubepods/burstable/poduid-frontend-0"]
    world.engine.restart_container("frontend-0")
    world.keep_house(rounds=3)
    after = {key[0]: value for key, value in world.samples(USAGE).items() if key[1] == "frontend-0"}
    assert after["server"] < before["server"]
    assert after["istio-proxy"] > before["istio-proxy"]
    assert world.samples(USAGE)["", "frontend-0", "/kubepods/burstable/poduid-frontend-0"] > before_pod


def test_the_machine_has_its_cores() -> None:
    blocks: list[Block] = Cadvisor(NODE, Runtime.CONTAINERD, Random(0), STARTED_AT).expose()
    assert [(labels, each.values.tolist()) for each in blocks for labels in each.label_sets()] == [
        ({"__name__": "machine_cpu_cores"}, [8.0])
    ]
