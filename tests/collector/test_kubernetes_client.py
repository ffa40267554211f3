import os
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kpp.clock import ManualClock
from kpp.collector.config import Config
from kpp.collector.kubernetes_client import KubernetesClient, Resources, Service
from kpp.errors import KubernetesError, RolloutError
from tests.collector.fake_kubernetes import FakeKubernetes, Fault
from tests.collector.fake_pods import Object
from tests.real_parts import require

NAME = "loadgenerator"
DRIVEN = {
    "spec": {
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "main",
                        "env": [{"name": "USERS", "value": "50"}, {"name": "RATE", "value": "5"}],
                    }
                ]
            }
        }
    }
}


@pytest.fixture
def client(fake: FakeKubernetes, clock: ManualClock) -> Iterator[KubernetesClient]:
    with KubernetesClient(Config(), clock, fake.api_client()) as client:
        yield client


def read_main(fake: FakeKubernetes) -> Object:
    """The container `main` of the load generator."""
    main: Object = fake.deployments[NAME]["spec"]["template"]["spec"]["containers"][0]
    return main


def paths(fake: FakeKubernetes) -> list[str]:
    return [f"{request.method} {request.path.rpartition('/')[2]}" for request in fake.requests]


def test_services_are_discovered_with_one_list(fake: FakeKubernetes, client: KubernetesClient) -> None:
    services = client.discover_services()

    assert len(services) == 10
    assert Service("frontend", "frontend") in services
    assert paths(fake) == ["GET deployments"]


def test_what_is_odd_about_the_deployments_is_said_once(
    fake: FakeKubernetes, client: KubernetesClient, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("emailservice", "adservice"):
        del fake.deployments[name]["metadata"]["labels"]
    fake.deployments["cartservice"]["metadata"]["labels"]["app"] = "frontend"

    assert len(client.discover_services()) == 8
    client.read_resources()
    client.read_pods()

    assert caplog.messages == [
        "Left out, for want of the label app: adservice, emailservice",
        "Recorded as their Deployments, which share a label app: cartservice, frontend",
    ]


def test_the_load_is_stopped_set_and_started(
    fake: FakeKubernetes, client: KubernetesClient, clock: ManualClock
) -> None:
    before = fake.cluster.specs()

    client.stop_load()
    assert fake.cluster.pods_of(NAME) == []
    client.set_load(50, 5)
    client.start_load()

    assert fake.patches == [{"spec": {"replicas": 0}}, DRIVEN, {"spec": {"replicas": 1}}]
    (pod,) = fake.cluster.pods_of(NAME)
    env = {entry["name"]: entry["value"] for entry in pod["spec"]["containers"][0]["env"]}
    assert env == {"FRONTEND_ADDR": "frontend:80", "USERS": "50", "RATE": "5"}
    assert pod["status"]["phase"] == "Running"
    read_main(fake)["env"] = before[NAME]["template"]["spec"]["containers"][0]["env"]
    assert fake.cluster.specs() == before
    assert clock.now() > 0


def test_stopping_waits_for_terminating_pods(fake: FakeKubernetes, clock: ManualClock) -> None:
    fake.cluster.terminating_pods_stay = True
    config = Config(rollout_timeout_seconds=30)

    with (
        KubernetesClient(config, clock, fake.api_client()) as client,
        pytest.raises(RolloutError, match=r"not done after 30 s: old pods are still there \(loadgenerator-"),
    ):
        client.stop_load()

    assert clock.now() == 30


def test_starting_reports_a_roll_out_that_fails(fake: FakeKubernetes, client: KubernetesClient) -> None:
    client.stop_load()
    fake.cluster.stall(NAME, "ImagePullBackOff", "no such image", exceeds_deadline=True)

    with pytest.raises(RolloutError, match=r"main ImagePullBackOff \(no such image\)"):
        client.start_load()


def test_a_load_generator_that_is_not_there_is_an_error_that_names_the_setting(
    fake: FakeKubernetes, clock: ManualClock
) -> None:
    config = Config(load_generator="locust")

    with (
        KubernetesClient(config, clock, fake.api_client()) as client,
        pytest.raises(KubernetesError, match=r"deployments/locust in namespace default .*KPP_LOAD_GENERATOR"),
    ):
        client.read_load()


FINDINGS: dict[str, list[Object]] = {
    "both plain": [
        {"name": "FRONTEND_ADDR", "value": "frontend:80"},
        {"name": "USERS", "value": "10"},
        {"name": "RATE", "value": "1"},
    ],
    "RATE absent": [{"name": "USERS", "value": "10"}, {"name": "FRONTEND_ADDR", "value": "frontend:80"}],
    "from a ConfigMap": [
        {"name": "RATE", "valueFrom": {"configMapKeyRef": {"name": "load", "key": "rate", "optional": True}}},
        {"name": "FRONTEND_ADDR", "value": "frontend:80"},
        {"name": "USERS", "valueFrom": {"configMapKeyRef": {"name": "load", "key": "users"}}},
    ],
    "empty": [{"name": "USERS"}, {"name": "RATE"}],
}


@pytest.mark.parametrize("env", FINDINGS.values(), ids=FINDINGS)
@pytest.mark.parametrize("replicas", [0, 1, 2])
def test_the_cluster_is_left_as_it_was_found(
    fake: FakeKubernetes, client: KubernetesClient, env: list[Object], replicas: int
) -> None:
    read_main(fake)["env"] = env
    fake.deployments[NAME]["spec"]["replicas"] = replicas
    before = fake.cluster.specs()
    state = client.read_state()

    client.stop_load()
    client.set_load(50, 5)
    client.start_load()
    driven = {entry["name"]: entry for entry in read_main(fake)["env"]}
    assert driven["USERS"] == {"name": "USERS", "value": "50"}
    assert driven["RATE"] == {"name": "RATE", "value": "5"}
    patches = len(fake.patches)
    client.restore(state)

    assert len(fake.patches) == patches + 1
    assert fake.cluster.specs() == before


STEPS = st.lists(st.sampled_from(["stop", "set", "start", "fail", "restore"]), max_size=8)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_whatever_was_done_before_restoring_brings_the_cluster_back(steps: list[str]) -> None:
    with FakeKubernetes() as fake, KubernetesClient(Config(), ManualClock(), fake.api_client()) as client:
        before = fake.cluster.specs()
        state = client.read_state()
        actions: dict[str, Callable[[], object]] = {
            "stop": client.stop_load,
            "set": lambda: client.set_load(99, 9),
            "start": client.start_load,
            "fail": lambda: fake.fail_next(Fault(503)),
            "restore": lambda: client.restore(state),
        }
        for step in steps:
            actions[step]()

        client.restore(state)

        assert fake.cluster.specs() == before


def fail_to_restore(client: KubernetesClient, fake: FakeKubernetes, fault: Fault) -> KubernetesError:
    state = client.read_state()
    client.stop_load()
    client.set_load(50, 5)
    fake.fail_next(fault, method="PATCH")
    with pytest.raises(KubernetesError) as caught:
        client.restore(state)
    return caught.value


def test_a_restore_that_is_refused_says_what_to_run(fake: FakeKubernetes, client: KubernetesClient) -> None:
    error = fail_to_restore(client, fake, Fault(403, message="no longer"))

    text = str(error)
    assert text.startswith(
        "Deployment loadgenerator in namespace default: could not be put back as it was found: "
    )
    assert "(HTTP 403: no longer)" in text
    assert (
        "or run by hand: kubectl patch deployment loadgenerator --namespace default --type strategic" in text
    )
    assert "\n" not in text


def test_what_it_says_to_run_does_restore(
    fake: FakeKubernetes, client: KubernetesClient, tmp_path: Path
) -> None:
    require("kubectl")
    before = fake.cluster.specs()
    error = fail_to_restore(client, fake, Fault(403))
    assert fake.cluster.specs() != before
    command = str(error).rpartition("run by hand: ")[2]
    environment = {**os.environ, "KUBECONFIG": str(fake.write_kubeconfig(tmp_path / "config"))}

    subprocess.run(
        [*shlex.split(command), "--cache-dir", str(tmp_path)],
        check=True,
        capture_output=True,
        timeout=60,
        env=environment,
    )

    assert fake.cluster.specs() == before


def test_a_restore_that_something_undoes_is_noticed(
    fake: FakeKubernetes, client: KubernetesClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = client.read_state()
    client.set_load(50, 5)
    monkeypatch.setattr(fake.cluster, "patch_deployment", lambda name, patch: fake.deployments[name])

    with pytest.raises(
        KubernetesError, match=r"it has replicas 1, USERS=50, RATE=5 .*instead of .*USERS=10.*run by"
    ):
        client.restore(state)


def test_the_command_names_the_context_that_was_asked_for(fake: FakeKubernetes, clock: ManualClock) -> None:
    config = Config(kube_context="mini", namespace="shop")
    fake.namespace = "shop"
    with KubernetesClient(config, clock, fake.api_client()) as client:
        error = fail_to_restore(client, fake, Fault(422))

    assert "--namespace shop --context mini --type strategic" in str(error)


def test_resources_are_read_with_one_list(fake: FakeKubernetes, client: KubernetesClient) -> None:
    client.discover_services()
    fake.requests.clear()
    del fake.deployments["adservice"]
    fake.deployments["cartservice"]["status"].pop("readyReplicas")

    resources = client.read_resources()

    assert paths(fake) == ["GET deployments"]
    assert len(resources) == 10
    assert resources["adservice"] == Resources(0, None, None)
    assert resources["cartservice"] == Resources(0, 0.2, 0.3)
    assert resources["frontend"] == Resources(1, 0.1, 0.2)


def test_pods_are_read_with_two_lists(fake: FakeKubernetes, client: KubernetesClient) -> None:
    client.discover_services()
    fake.requests.clear()
    fake.cluster.patch_deployment("frontend", {"spec": {"replicas": 3}})
    fake.cluster.settle()
    old = fake.cluster.pods_of("adservice")[0]
    old["metadata"]["deletionTimestamp"] = "2026-08-12T10:00:00Z"

    pods = client.read_pods()

    assert paths(fake) == ["GET pods", "GET replicasets"]
    assert sorted(pods.values()).count("frontend") == 3
    assert len(pods) == 9 + 2  # without the load generator, redis-cart and the terminating pod
    assert old["metadata"]["name"] not in pods


def test_node_cores_are_no_reason_to_fail(
    fake: FakeKubernetes, client: KubernetesClient, caplog: pytest.LogCaptureFixture
) -> None:
    assert client.read_node_cores() == {"minikube": 8.0, "minikube-m02": 3.92}

    fake.fail_next(Fault(403, message="nodes is forbidden"))
    assert client.read_node_cores() == {}
    assert len(caplog.messages) == 1
    assert "nodes is forbidden" in caplog.messages[0]

    fake.fail_next(Fault(401))
    with pytest.raises(KubernetesError, match="HTTP 401"):
        client.read_node_cores()


def test_kubectl_shows_the_load_that_was_set(
    fake: FakeKubernetes, client: KubernetesClient, tmp_path: Path
) -> None:
    client.set_load(50, 5)
    options = ["--kubeconfig", str(fake.write_kubeconfig(tmp_path / "config")), "--cache-dir", str(tmp_path)]
    template = "jsonpath={.spec.template.spec.containers[?(@.name=='main')].env[*].value}"
    command = [str(require("kubectl")), *options, "get", "deployment", NAME, "--output", template]

    shown = subprocess.run(command, check=True, capture_output=True, timeout=60, text=True)

    assert shown.stdout == "frontend:80 50 5"
