import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kpp.clock import ManualClock
from kpp.collector.cluster.api import KubernetesApi
from kpp.collector.cluster.rollout import (
    POLL_SECONDS,
    Outcome,
    RolloutWatch,
    describe_conditions,
    describe_pods,
    format_selector,
    rollout_progress,
)
from kpp.collector.config import Config
from kpp.errors import RolloutError
from tests.collector.fake_kubernetes import FakeKubernetes, Fault
from tests.collector.fake_pods import Object
from tests.real_parts import require

LATE = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]
NAME = "loadgenerator"

# generation and replicas wanted; the status; what it means, and a part of the reason
CASES: dict[str, tuple[int, int, Object, Outcome, str]] = {
    "nothing observed at all": (1, 1, {}, Outcome.WAITING, "not been observed"),
    "an older generation observed": (
        *(3, 1),
        {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1},
        *(Outcome.WAITING, "not been observed"),
    ),
    "an older generation was late": (
        *(3, 1),
        {"observedGeneration": 2, "conditions": LATE},
        *(Outcome.WAITING, "not been observed"),
    ),
    "late": (
        *(2, 1),
        {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 1, "conditions": LATE},
        *(Outcome.FAILED, "progress deadline"),
    ),
    "late though complete": (
        *(2, 1),
        {
            "observedGeneration": 2,
            "replicas": 1,
            "updatedReplicas": 1,
            "availableReplicas": 1,
            "conditions": LATE,
        },
        *(Outcome.FAILED, "progress deadline"),
    ),
    "zero fields left out": (2, 1, {"observedGeneration": 2, "replicas": 1}, Outcome.WAITING, "0 out of 1"),
    "part of the new ones updated": (
        *(2, 3),
        {"observedGeneration": 2, "replicas": 4, "updatedReplicas": 2, "availableReplicas": 3},
        *(Outcome.WAITING, "2 out of 3"),
    ),
    "an old one left": (
        *(2, 1),
        {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 1, "availableReplicas": 2},
        *(Outcome.WAITING, "1 old replicas"),
    ),
    "not available yet": (
        *(2, 2),
        {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 1},
        *(Outcome.WAITING, "1 of 2 updated"),
    ),
    "complete": (
        *(2, 1),
        {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1},
        *(Outcome.DONE, "rolled out"),
    ),
    "a newer generation observed": (
        *(2, 1),
        {"observedGeneration": 3, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1},
        *(Outcome.DONE, "rolled out"),
    ),
    "scaled to zero": (2, 0, {"observedGeneration": 2}, Outcome.DONE, "rolled out"),
    "scaled to zero, one left": (
        2,
        0,
        {"observedGeneration": 2, "replicas": 1},
        Outcome.WAITING,
        "1 old replicas",
    ),
}


@pytest.fixture
def fake() -> Iterator[FakeKubernetes]:
    with FakeKubernetes() as fake:
        yield fake


def set_status(fake: FakeKubernetes, generation: int, replicas: int, status: Object) -> Object:
    """Freeze the Deployment in a status, by taking the controller away from it."""
    deployment = fake.deployments[NAME]
    deployment["metadata"]["generation"] = generation
    deployment["spec"]["replicas"] = replicas
    deployment["status"] = status
    fake.polls_per_step = 10**9
    return deployment


@pytest.mark.parametrize(("generation", "replicas", "status", "outcome", "reason"), CASES.values(), ids=CASES)
def test_a_roll_out_is_judged_by_the_rule(
    fake: FakeKubernetes, generation: int, replicas: int, status: Object, outcome: Outcome, reason: str
) -> None:
    progress = rollout_progress(set_status(fake, generation, replicas, status))

    assert progress.outcome is outcome
    assert reason in progress.reason


@pytest.mark.parametrize(("generation", "replicas", "status", "outcome", "reason"), CASES.values(), ids=CASES)
def test_kubectl_judges_alike(
    fake: FakeKubernetes,
    tmp_path: Path,
    generation: int,
    replicas: int,
    status: Object,
    outcome: Outcome,
    reason: str,
) -> None:
    set_status(fake, generation, replicas, status)
    options = ["--kubeconfig", str(fake.write_kubeconfig(tmp_path / "config")), "--cache-dir", str(tmp_path)]
    command = [str(require("kubectl")), *options, "rollout", "status", f"deployment/{NAME}", "--watch=false"]

    told = subprocess.run(command, capture_output=True, check=False, timeout=60, text=True)

    words = {
        Outcome.DONE: "successfully rolled out",
        Outcome.WAITING: "Waiting for",
        Outcome.FAILED: "exceeded",
    }
    assert words[outcome] in told.stdout + told.stderr
    assert told.returncode == (1 if outcome is Outcome.FAILED else 0)
    if outcome is Outcome.WAITING and "observed" not in reason:
        assert reason in told.stdout


def make_watch(fake: FakeKubernetes, clock: ManualClock, **settings: Any) -> RolloutWatch:
    config = Config(rollout_timeout_seconds=60, **settings)
    return RolloutWatch(KubernetesApi(config, clock, fake.api_client()), clock, NAME, 60)


def patch_users(fake: FakeKubernetes, users: str) -> None:
    env = [{"name": "USERS", "value": users}]
    pod_spec = {"containers": [{"name": "main", "env": env}]}
    fake.cluster.patch_deployment(NAME, {"spec": {"template": {"spec": pod_spec}}})


def test_a_roll_out_is_awaited_until_the_old_pods_are_gone(fake: FakeKubernetes) -> None:
    clock = ManualClock(started_at=1000)
    (old,) = fake.cluster.pods_of(NAME)
    patch_users(fake, "50")

    make_watch(fake, clock).await_rollout()

    (new,) = fake.cluster.pods_of(NAME)
    assert new["metadata"]["name"] != old["metadata"]["name"]
    polls = [request for request in fake.requests if request.path.endswith(f"/deployments/{NAME}")]
    assert clock.now() == 1000 + (len(polls) - 1) * POLL_SECONDS
    pod_lists = [request for request in fake.requests if request.path.endswith("/pods")]
    assert pod_lists[-1].query["labelSelector"] == "app=loadgenerator"


def test_a_finished_roll_out_is_not_waited_for(fake: FakeKubernetes) -> None:
    clock = ManualClock()

    make_watch(fake, clock).await_rollout()

    assert clock.now() == 0
    assert len(fake.requests) == 2


def test_a_terminating_pod_counts_as_there_although_the_deployment_is_done(fake: FakeKubernetes) -> None:
    fake.cluster.terminating_pods_stay = True
    patch_users(fake, "50")

    with pytest.raises(RolloutError) as caught:
        make_watch(fake, ManualClock()).await_rollout()

    assert rollout_progress(fake.deployments[NAME]).outcome is Outcome.DONE
    (stuck,) = [pod for pod in fake.cluster.pods_of(NAME) if "deletionTimestamp" in pod["metadata"]]
    assert f"old pods are still there ({stuck['metadata']['name']})" in str(caught.value)


def test_an_evicted_pod_is_not_waited_for(fake: FakeKubernetes) -> None:
    evicted = {"metadata": {"name": "evicted", "labels": {"app": NAME}}, "status": {"phase": "Failed"}}
    fake.polls_per_step = 10**9  # the fake's controller knows no such pod
    fake.cluster.pods["evicted"] = evicted

    make_watch(fake, ManualClock()).await_rollout()


@pytest.mark.parametrize("phase", ["Running", "Failed"])
def test_a_terminating_pod_is_waited_for_whatever_its_phase_and_the_number_of_pods(
    fake: FakeKubernetes, phase: str
) -> None:
    fake.polls_per_step = 10**9
    (pod,) = fake.cluster.pods_of(NAME)
    pod["metadata"]["deletionTimestamp"] = "2026-08-12T10:00:00Z"
    pod["status"]["phase"] = phase

    with pytest.raises(RolloutError, match="old pods are still there"):
        make_watch(fake, ManualClock()).await_rollout()


def test_a_time_out_says_why_in_one_line(fake: FakeKubernetes) -> None:
    clock = ManualClock()
    fake.cluster.stall(NAME, "ImagePullBackOff", 'Back-off pulling image\n"locust:none"')
    patch_users(fake, "50")

    with pytest.raises(RolloutError) as caught:
        make_watch(fake, clock).await_rollout()

    assert clock.now() == 60
    text = str(caught.value)
    assert text.startswith(
        "Deployment loadgenerator in namespace default: the roll-out is not done after 60 s: 1 old "
    )
    assert "Progressing=True ReplicaSetUpdated (ReplicaSet " in text
    assert 'main ImagePullBackOff (Back-off pulling image "locust:none")' in text
    assert "\n" not in text


def test_an_exceeded_deadline_ends_the_wait_at_once(fake: FakeKubernetes) -> None:
    clock = ManualClock()
    message = "0/2 nodes are available: 2 Insufficient cpu."
    fake.cluster.stall(NAME, "Unschedulable", message, exceeds_deadline=True)
    patch_users(fake, "50")

    with pytest.raises(RolloutError) as caught:
        make_watch(fake, clock).await_rollout()

    assert clock.now() < 60
    assert "the roll-out failed: it exceeded its progress deadline" in str(caught.value)
    assert "Progressing=False ProgressDeadlineExceeded" in str(caught.value)
    assert f"Unschedulable ({message})" in str(caught.value)


def test_pods_that_may_not_be_listed_do_not_hide_why(fake: FakeKubernetes) -> None:
    fake.cluster.stall(NAME, "ImagePullBackOff", exceeds_deadline=True)
    patch_users(fake, "50")
    fake.fail_next(Fault(403), times=100, path="/pods")

    with pytest.raises(RolloutError, match=r"exceeded its progress deadline.*pods could not be listed"):
        make_watch(fake, ManualClock()).await_rollout()


def test_a_roll_out_that_failed_before_does_not_hinder_stopping(fake: FakeKubernetes) -> None:
    fake.cluster.terminating_pods_stay = True
    set_status(fake, 2, 0, {"observedGeneration": 2, "conditions": LATE})
    clock = ManualClock()

    with pytest.raises(RolloutError, match="old pods are still there"):
        make_watch(fake, clock).await_stopped()
    assert clock.now() == 60

    fake.cluster.pods.clear()
    make_watch(fake, clock).await_stopped()


def test_conditions_and_pods_that_say_nothing() -> None:
    assert describe_conditions({"status": {}}) == "conditions: none"
    assert describe_pods([]) == "no pods"
    pod = {
        "metadata": {"name": "a", "deletionTimestamp": "2026-08-12T10:00:00Z"},
        "status": {"phase": "Running"},
    }
    assert describe_pods([pod, {"metadata": {"name": "b"}, "status": {"phase": "Pending"}}]) == (
        "pod a: terminating; pod b: Pending"
    )


def test_a_waiting_init_container_is_named() -> None:
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}}
    status = {"phase": "Pending", "initContainerStatuses": [{"name": "frontend-check", "state": waiting}]}

    assert describe_pods([{"metadata": {"name": "a"}, "status": status}]) == (
        "pod a: frontend-check CrashLoopBackOff (back-off 40s)"
    )


def test_every_operator_of_a_selector_is_known() -> None:
    expressions = [
        {"key": "a", "operator": "In", "values": ["1", "2"]},
        {"key": "b", "operator": "NotIn", "values": ["3"]},
        {"key": "c", "operator": "Exists"},
        {"key": "d", "operator": "DoesNotExist"},
    ]

    assert format_selector({"matchExpressions": expressions}) == "a in (1,2),b notin (3),c,!d"
