"""Roll-outs on a clock that only the test moves."""

from typing import Any

import pytest

from kpp.simulator.kubernetes.objects.deletion import delete_object
from kpp.simulator.kubernetes.objects.resources import DEPLOYMENTS, PODS, REPLICA_SETS, Json
from tests.simulator.kubernetes.clusters import (
    Seen,
    change_spec,
    install_shop,
    make_cluster,
    record,
    scale,
    set_image,
    shop,
    shop_pods,
    small_node,
)

COUNTS = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas")


def counts(status: Json) -> dict[str, int]:
    return {name: status[name] for name in COUNTS if name in status}


def progress(seen: list[Seen]) -> list[str]:
    """The reasons of the condition Progressing, each once in a row."""
    reasons = [each.conditions["Progressing"][1] for each in seen]
    return [reason for place, reason in enumerate(reasons) if place == 0 or reason != reasons[place - 1]]


def rollout_is_done(deployment: Json) -> bool:
    """The rule of `kubectl rollout status`, in its order."""
    status, wanted = deployment["status"], deployment["spec"]["replicas"]
    return bool(
        status["observedGeneration"] >= deployment["metadata"]["generation"]
        and status.get("updatedReplicas", 0) >= wanted
        and status.get("replicas", 0) <= status.get("updatedReplicas", 0)
        and status.get("availableReplicas", 0) >= status.get("updatedReplicas", 0)
    )


def test_a_settled_deployment_omits_what_is_zero() -> None:
    cluster = make_cluster()
    install_shop(cluster, 2)
    assert shop(cluster)["metadata"]["generation"] == 1
    assert shop(cluster)["status"]["observedGeneration"] == 1
    assert counts(shop(cluster)["status"]) == {name: 2 for name in COUNTS if name != "unavailableReplicas"}
    scale(cluster, 0)
    cluster.step(cluster.now + 60)
    assert counts(shop(cluster)["status"]) == {}
    assert shop_pods(cluster) == []


def test_the_new_generation_is_observed_a_little_later() -> None:
    cluster = make_cluster()
    install_shop(cluster)
    set_image(cluster, "2")
    assert shop(cluster)["metadata"]["generation"] == 2
    assert shop(cluster)["status"]["observedGeneration"] == 1
    assert not rollout_is_done(shop(cluster))
    cluster.step(cluster.now + 1)
    assert shop(cluster)["status"]["observedGeneration"] == 2


def test_one_replica_is_replaced_with_overlap() -> None:
    cluster = make_cluster()
    install_shop(cluster)
    set_image(cluster, "2")
    seen = record(cluster, 30)
    assert progress(seen) == ["NewReplicaSetCreated", "ReplicaSetUpdated", "NewReplicaSetAvailable"]
    assert max(each.live_pods for each in seen) == 2
    assert min(each.ready_pods for each in seen) == 1  # never fewer than wanted
    assert {each.conditions["Available"] for each in seen} == {("True", "MinimumReplicasAvailable")}
    overlap = next(counts(each.status) for each in seen if each.status.get("replicas") == 2)
    assert overlap["updatedReplicas"] == overlap["availableReplicas"] == 1
    assert rollout_is_done(shop(cluster))
    assert [pod["spec"]["containers"][0]["image"] for pod in shop_pods(cluster)] == ["example.org/shop:2"]


def test_a_rollout_is_done_before_the_old_pods_are_gone() -> None:
    cluster = make_cluster()
    install_shop(cluster)
    set_image(cluster, "2")
    while not rollout_is_done(shop(cluster)):
        cluster.step(cluster.next_transition_at or 0)
    old = [pod for pod in shop_pods(cluster) if "deletionTimestamp" in pod["metadata"]]
    assert [pod["spec"]["containers"][0]["image"] for pod in old] == ["example.org/shop:1"]
    cluster.step(cluster.now + 3)
    assert len(shop_pods(cluster)) == 1


@pytest.mark.parametrize("replicas", [2, 3, 4, 10])
def test_surge_and_unavailability_stay_within_a_quarter(replicas: int) -> None:
    cluster = make_cluster(nodes=small_node(32))
    install_shop(cluster, replicas)
    set_image(cluster, "2")
    seen = record(cluster, 120)
    assert max(each.live_pods for each in seen) <= replicas + -(-replicas // 4)
    assert min(each.ready_pods for each in seen) >= replicas - replicas // 4
    assert rollout_is_done(shop(cluster))


def test_scaling_keeps_the_pods_that_are_there() -> None:
    cluster = make_cluster()
    install_shop(cluster, 2)
    before = {pod["metadata"]["name"] for pod in shop_pods(cluster)}
    scale(cluster, 4)
    assert progress(record(cluster, 30)) == ["NewReplicaSetAvailable"]  # scaling is no roll-out
    assert before < {pod["metadata"]["name"] for pod in shop_pods(cluster)}
    scale(cluster, 1)
    cluster.step(cluster.now + 30)
    assert {pod["metadata"]["name"] for pod in shop_pods(cluster)} < before
    assert len(cluster.store.list_all(REPLICA_SETS, "default")) == 1


def test_scaling_amid_a_rollout_is_rolled_out_too() -> None:
    cluster = make_cluster(nodes=small_node(32))
    install_shop(cluster, 4)
    set_image(cluster, "2")
    cluster.step(cluster.now + 3)
    scale(cluster, 8)
    cluster.step(cluster.now + 120)
    assert rollout_is_done(shop(cluster))
    assert {pod["spec"]["containers"][0]["image"] for pod in shop_pods(cluster)} == {"example.org/shop:2"}
    assert len(shop_pods(cluster)) == 8


def test_a_rollout_that_never_gets_ready_exceeds_its_deadline() -> None:
    cluster = make_cluster()
    install_shop(cluster, progressDeadlineSeconds=30)
    cluster.hold_back("shop")
    set_image(cluster, "2")
    seen = record(cluster, 90)
    assert progress(seen)[-1] == "ProgressDeadlineExceeded"
    assert seen[-1].conditions["Progressing"][0] == "False"
    first_late = next(each.at for each in seen if each.conditions["Progressing"][0] == "False")
    assert 90 <= first_late <= 93  # installed and settled for 60 s, then 30 s without progress
    assert counts(shop(cluster)["status"])["unavailableReplicas"] == 1
    cluster.release("shop")
    cluster.step(cluster.now + 10)
    assert rollout_is_done(shop(cluster))
    assert shop(cluster)["status"]["conditions"][-1]["reason"] == "NewReplicaSetAvailable"


def test_a_template_that_was_there_before_gets_its_replica_set_back() -> None:
    cluster = make_cluster()
    install_shop(cluster)
    first = cluster.store.list_all(REPLICA_SETS, "default")[0]["metadata"]["name"]
    for tag in ("2", "1"):
        set_image(cluster, tag)
        cluster.step(cluster.now + 60)
    replica_sets = {
        each["metadata"]["name"]: each for each in cluster.store.list_all(REPLICA_SETS, "default")
    }
    assert len(replica_sets) == 2
    assert replica_sets[first]["spec"]["replicas"] == 1
    assert replica_sets[first]["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
    assert shop(cluster)["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"


def test_old_replica_sets_are_forgotten_beyond_the_limit() -> None:
    cluster = make_cluster()
    install_shop(cluster, revisionHistoryLimit=2)
    for tag in range(2, 8):
        set_image(cluster, str(tag))
        cluster.step(cluster.now + 60)
    assert len(cluster.store.list_all(REPLICA_SETS, "default")) == 3  # the present one and two old


def test_recreate_stops_before_it_starts() -> None:
    cluster = make_cluster()
    install_shop(cluster, 2, strategy={"type": "Recreate"})
    set_image(cluster, "2")
    seen = record(cluster, 60)
    assert min(each.live_pods for each in seen) == 0
    assert max(each.live_pods for each in seen) == 2
    assert rollout_is_done(shop(cluster))


def test_a_paused_deployment_rolls_out_when_it_is_resumed() -> None:
    cluster = make_cluster()
    install_shop(cluster)
    change_spec(cluster, lambda spec: spec.update(paused=True))
    set_image(cluster, "2")
    assert progress(record(cluster, 30))[-1] == "DeploymentPaused"
    assert [pod["spec"]["containers"][0]["image"] for pod in shop_pods(cluster)] == ["example.org/shop:1"]
    change_spec(cluster, lambda spec: spec.pop("paused"))
    cluster.step(cluster.now + 60)
    assert rollout_is_done(shop(cluster))
    assert [pod["spec"]["containers"][0]["image"] for pod in shop_pods(cluster)] == ["example.org/shop:2"]


def test_minimum_ready_seconds_delay_availability() -> None:
    cluster = make_cluster()
    install_shop(cluster, minReadySeconds=20)
    set_image(cluster, "2")
    seen = record(cluster, 60)
    ready_at = next(each.at for each in seen if each.status.get("readyReplicas") == 2)
    done_at = next(each.at for each in seen if each.conditions["Progressing"][1] == "NewReplicaSetAvailable")
    assert 18 <= done_at - ready_at <= 22


@pytest.mark.parametrize("change", [{"labels": {"x": "y"}}, {"annotations": {"x": "y"}}])
def test_metadata_changes_leave_generation_and_pods_alone(change: dict[str, Any]) -> None:
    cluster = make_cluster()
    install_shop(cluster)
    pods = [pod["metadata"]["uid"] for pod in shop_pods(cluster)]
    present = shop(cluster)
    merged = {**present, "metadata": {**present["metadata"], **change}}
    cluster.registry.replace(DEPLOYMENTS, "shop", "default", merged)
    cluster.step(cluster.now + 30)
    assert shop(cluster)["metadata"]["generation"] == 1
    assert [pod["metadata"]["uid"] for pod in shop_pods(cluster)] == pods


def test_a_patch_without_effect_rolls_nothing_out() -> None:
    cluster = make_cluster()
    install_shop(cluster)
    version = shop(cluster)["metadata"]["resourceVersion"]
    set_image(cluster, "1")
    assert shop(cluster)["metadata"]["resourceVersion"] == version


def test_a_deleted_pod_is_replaced() -> None:
    cluster = make_cluster()
    install_shop(cluster)
    first = shop_pods(cluster)[0]["metadata"]["name"]
    delete_object(cluster.store, PODS, first, "default")
    cluster.step(cluster.now + 1)
    assert len(shop_pods(cluster)) == 2  # the old one terminates while the new one starts
    cluster.step(cluster.now + 30)
    assert [pod["metadata"]["name"] for pod in shop_pods(cluster)] != [first]
    assert rollout_is_done(shop(cluster))


def test_one_big_step_and_many_small_ones_give_the_same_cluster() -> None:
    clusters = []
    for step_seconds in (0.01, 60.0):
        cluster = make_cluster()
        install_shop(cluster, 3)
        set_image(cluster, "2")
        ends_at = cluster.now + 60
        while cluster.now < ends_at:
            cluster.step(min(cluster.now + step_seconds, ends_at))
        clusters.append(cluster)
    small, big = clusters
    for resource in (PODS, REPLICA_SETS):
        assert small.store.list_all(resource) == big.store.list_all(resource)
    assert shop(small) == shop(big)
