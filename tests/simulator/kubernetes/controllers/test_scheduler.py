from kpp.simulator.kubernetes.nodes import NodeSize
from kpp.simulator.kubernetes.objects.resources import EVENTS, NODES, PODS
from tests.simulator.kubernetes.clusters import (
    install_shop,
    make_cluster,
    scale,
    set_image,
    shop,
    shop_pods,
    small_node,
)

POD_CORES = 0.2  # requested by the application and its sidecar together


def test_pods_wait_until_there_is_room() -> None:
    cluster = make_cluster(nodes=small_node(2 * POD_CORES + 0.1))
    install_shop(cluster, 3)
    placed = [pod for pod in shop_pods(cluster) if "nodeName" in pod["spec"]]
    (waiting,) = (pod for pod in shop_pods(cluster) if "nodeName" not in pod["spec"])
    assert len(placed) == 2
    assert waiting["status"]["phase"] == "Pending"
    (condition,) = waiting["status"]["conditions"]
    assert condition["reason"] == "Unschedulable"
    assert condition["message"] == "0/1 nodes are available: 1 Insufficient cpu."
    reasons = {each["reason"] for each in cluster.store.list_all(EVENTS)}
    assert "FailedScheduling" in reasons
    scale(cluster, 2)
    cluster.step(cluster.now + 30)
    assert all("nodeName" in pod["spec"] for pod in shop_pods(cluster))
    assert shop(cluster)["status"]["readyReplicas"] == 2


def test_a_full_cluster_stalls_a_rollout_that_needs_a_surge() -> None:
    cluster = make_cluster(nodes=small_node(POD_CORES + 0.1))
    install_shop(cluster, progressDeadlineSeconds=20)
    set_image(cluster, "2")
    cluster.step(cluster.now + 60)
    reasons = {each["type"]: each["reason"] for each in shop(cluster)["status"]["conditions"]}
    assert reasons["Progressing"] == "ProgressDeadlineExceeded"
    assert shop(cluster)["status"]["readyReplicas"] == 1  # the old one goes on


def test_room_that_becomes_free_is_used() -> None:
    cluster = make_cluster(nodes=small_node(POD_CORES + 0.1))
    install_shop(cluster, 2)
    assert shop(cluster)["status"]["readyReplicas"] == 1
    node = cluster.store.get(NODES, "minikube")
    cluster.store.edit(NODES, node, lambda edited: edited["status"]["allocatable"].update(cpu="4"))
    cluster.step(cluster.now + 30)
    assert shop(cluster)["status"]["readyReplicas"] == 2


def test_pods_spread_over_nodes() -> None:
    cluster = make_cluster(nodes=(NodeSize("one", cpu_cores=4), NodeSize("two", cpu_cores=4)))
    install_shop(cluster, 6)
    nodes = [pod["spec"]["nodeName"] for pod in cluster.store.list_all(PODS)]
    assert (nodes.count("one"), nodes.count("two")) == (3, 3)
