from dataclasses import dataclass, field

import pytest

from kpp.simulator.kubernetes.cluster import ClusterSettings, SimulatedCluster
from kpp.simulator.kubernetes.controllers.pod_run import PodTimes, StartupTimes
from kpp.simulator.kubernetes.objects.deletion import DeleteOptions, delete_object
from kpp.simulator.kubernetes.objects.resources import PODS, Json
from kpp.simulator.kubernetes.objects.status_errors import StatusError
from kpp.simulator.kubernetes.pod_observer import PodView
from tests.simulator.kubernetes.clusters import STARTED_AT, TIMES, install_shop, scale, set_image, shop_pods


@dataclass
class Diary:
    """An observer that writes down what it is told."""

    entries: list[tuple[str, str, float]] = field(default_factory=list)  # what, which pod, when
    pods: dict[str, PodView] = field(default_factory=dict)

    def pod_started(self, pod: PodView, at: float) -> None:
        self._write("started", pod, at)

    def pod_ready(self, pod: PodView, at: float) -> None:
        self._write("ready", pod, at)

    def pod_unready(self, pod: PodView, at: float) -> None:
        self._write("unready", pod, at)

    def pod_restarted(self, pod: PodView, container: str, at: float) -> None:
        self._write(f"restarted {container}", pod, at)

    def pod_stopped(self, pod: PodView, at: float) -> None:
        self._write("stopped", pod, at)

    def of(self, name: str) -> list[str]:
        return [what for what, pod, _ in self.entries if pod == name]

    def _write(self, what: str, pod: PodView, at: float) -> None:
        self.entries.append((what, pod.name, at))
        self.pods[pod.name] = pod


@pytest.fixture
def diary() -> Diary:
    return Diary()


@pytest.fixture
def cluster(diary: Diary) -> SimulatedCluster:
    cluster = SimulatedCluster(STARTED_AT, ClusterSettings(startup_times=StartupTimes(TIMES)), diary)
    install_shop(cluster)
    return cluster


def only_pod(cluster: SimulatedCluster) -> Json:
    (pod,) = shop_pods(cluster)
    return pod


def name_of(pod: Json) -> str:
    return str(pod["metadata"]["name"])


def conditions(pod: Json) -> dict[str, str]:
    return {each["type"]: each["status"] for each in pod["status"]["conditions"]}


def test_a_pod_goes_through_all_stages() -> None:
    cluster = SimulatedCluster(STARTED_AT, ClusterSettings(startup_times=StartupTimes(TIMES)))
    install_shop(cluster)
    scale(cluster, 2)
    stages = []
    known = name_of(only_pod(cluster))
    ends_at = cluster.now + 30
    while (at := cluster.next_transition_at) is not None and at < ends_at:
        cluster.step(at)
        for pod in shop_pods(cluster):
            if name_of(pod) == known:
                continue
            held = conditions(pod) if "conditions" in pod["status"] else {}
            stage = (pod["status"]["phase"], held.get("Initialized"), held.get("Ready"))
            if stage not in stages:
                stages.append(stage)
    assert stages == [
        ("Pending", None, None),
        ("Pending", "False", "False"),
        ("Running", "True", "False"),
        ("Running", "True", "True"),
    ]


def test_the_observer_is_told_of_a_replacement_in_order(cluster: SimulatedCluster, diary: Diary) -> None:
    old = name_of(only_pod(cluster))
    set_image(cluster, "2")
    cluster.step(cluster.now + 60)
    new = name_of(only_pod(cluster))
    assert diary.of(old) == ["started", "ready", "unready", "stopped"]
    assert diary.of(new) == ["started", "ready"]
    times = [at for _, _, at in diary.entries]
    assert times == sorted(times)
    when = {(what, pod): at for what, pod, at in diary.entries}
    assert when["ready", new] - when["started", new] == pytest.approx(TIMES.startup_seconds)
    assert when["stopped", old] - when["unready", old] == pytest.approx(TIMES.stopping_seconds)
    assert when["unready", old] > when["ready", new]


def test_the_observer_sees_what_physics_need(cluster: SimulatedCluster, diary: Diary) -> None:
    pod = diary.pods[name_of(only_pod(cluster))]
    assert (pod.deployment, pod.node, pod.namespace) == ("shop", "minikube", "default")
    assert pod.ip
    server, proxy = pod.container("server"), pod.container("istio-proxy")
    assert server is not None
    assert (server.cpu_request_cores, server.cpu_limit_cores) == (0.1, 0.2)
    assert server.environment == {"PORT": "8080"}
    assert proxy is not None
    assert proxy.cpu_limit_cores == 2.0
    assert [each.name for each in cluster.running_pods()] == [pod.name]


def test_a_pod_that_is_forced_out_stops_at_once(cluster: SimulatedCluster, diary: Diary) -> None:
    name = name_of(only_pod(cluster))
    delete_object(cluster.store, PODS, name, "default", DeleteOptions(grace_seconds=0))
    assert diary.of(name)[-2:] == ["unready", "stopped"]
    assert cluster.running_pods() == []


def test_a_short_grace_period_ends_a_slow_pod() -> None:
    slow = StartupTimes(PodTimes(stopping_seconds=60))
    cluster = SimulatedCluster(STARTED_AT, ClusterSettings(startup_times=slow))
    install_shop(cluster)  # its grace period is 5 s
    delete_object(cluster.store, PODS, name_of(only_pod(cluster)), "default")
    deleted_at = cluster.now
    cluster.step(deleted_at + 4.9)
    assert len(shop_pods(cluster)) == 2
    cluster.step(deleted_at + 5.1)
    assert len(shop_pods(cluster)) == 1


def test_a_restarted_container_is_counted_and_gets_ready_again(
    cluster: SimulatedCluster, diary: Diary
) -> None:
    cluster.restart_service("shop", exit_code=137, reason="OOMKilled")
    pod = only_pod(cluster)
    server, proxy = pod["status"]["containerStatuses"]
    assert (server["restartCount"], server["ready"], proxy["restartCount"]) == (1, False, 0)
    ended = server["lastState"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "OOMKilled")
    assert conditions(pod)["Ready"] == "False"
    cluster.step(cluster.now + 10)
    assert conditions(only_pod(cluster))["Ready"] == "True"
    assert diary.of(name_of(pod)) == ["started", "ready", "unready", "restarted server", "ready"]


def test_a_failing_probe_takes_the_pod_out_of_its_service(cluster: SimulatedCluster, diary: Diary) -> None:
    name = name_of(only_pod(cluster))
    cluster.set_ready(name, is_ready=False)
    assert conditions(only_pod(cluster))["Ready"] == "False"
    cluster.set_ready(name, is_ready=False)  # no news
    cluster.set_ready(name, is_ready=True)
    assert conditions(only_pod(cluster))["Ready"] == "True"
    assert diary.of(name) == ["started", "ready", "unready", "ready"]
    with pytest.raises(StatusError, match="not found"):
        cluster.set_ready("nobody", is_ready=True)


def test_pods_that_are_held_back_run_and_stay_unready(cluster: SimulatedCluster, diary: Diary) -> None:
    cluster.hold_back("shop")
    scale(cluster, 2)
    cluster.step(cluster.now + 600)
    assert sorted(conditions(pod)["Ready"] for pod in shop_pods(cluster)) == ["False", "True"]
    cluster.release("shop")
    assert sorted(conditions(pod)["Ready"] for pod in shop_pods(cluster)) == ["True", "True"]
    assert len([what for what, _, _ in diary.entries if what == "ready"]) == 2
