import pytest

from kpp.simulator.kubernetes.objects.deletion import DeleteOptions, Propagation, delete_object
from kpp.simulator.kubernetes.objects.resources import (
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    ENDPOINTS,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    SERVICES,
    STORED,
)
from tests.simulator.kubernetes.clusters import install_shop, make_cluster, shop_pods


@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
def test_what_belonged_to_a_deployment_goes_with_it(propagation: Propagation) -> None:
    cluster = make_cluster()
    install_shop(cluster, 2)
    delete_object(cluster.store, DEPLOYMENTS, "shop", "default", DeleteOptions(propagation=propagation))
    is_there = cluster.store.find(DEPLOYMENTS, "shop", "default") is not None
    assert is_there == (propagation == "Foreground")  # which goes last then
    cluster.step(cluster.now + 10)
    for resource in (DEPLOYMENTS, REPLICA_SETS, PODS):
        assert cluster.store.list_all(resource) == []


def test_orphans_stay() -> None:
    cluster = make_cluster()
    install_shop(cluster, 2)
    delete_object(cluster.store, DEPLOYMENTS, "shop", "default", DeleteOptions(propagation="Orphan"))
    cluster.step(cluster.now + 10)
    assert cluster.store.list_all(DEPLOYMENTS) == []
    (replica_set,) = cluster.store.list_all(REPLICA_SETS)
    assert not replica_set["metadata"].get("ownerReferences")
    assert len(shop_pods(cluster)) == 2


def test_a_namespace_goes_when_it_is_empty() -> None:
    cluster = make_cluster()
    install_shop(cluster, 2)
    delete_object(cluster.store, NAMESPACES, "default")
    assert cluster.store.get(NAMESPACES, "default")["status"]["phase"] == "Terminating"
    cluster.step(cluster.now + 10)
    assert cluster.store.find(NAMESPACES, "default") is None
    for resource in STORED:
        if resource.namespaced:
            assert cluster.store.list_all(resource, "default") == []


def test_endpoints_follow_the_pods_and_go_with_the_service() -> None:
    cluster = make_cluster()
    install_shop(cluster, 2)
    addresses = {pod["status"]["podIP"] for pod in shop_pods(cluster)}
    (subset,) = cluster.store.get(ENDPOINTS, "shop", "default")["subsets"]
    assert {each["ip"] for each in subset["addresses"]} == addresses
    (slice_,) = cluster.store.list_all(ENDPOINT_SLICES, "default")
    assert {each["addresses"][0] for each in slice_["endpoints"]} == addresses
    assert all(each["conditions"]["ready"] for each in slice_["endpoints"])
    first = shop_pods(cluster)[0]
    cluster.set_ready(first["metadata"]["name"], is_ready=False)
    cluster.step(cluster.now + 1)
    (subset,) = cluster.store.get(ENDPOINTS, "shop", "default")["subsets"]
    assert [each["ip"] for each in subset["notReadyAddresses"]] == [first["status"]["podIP"]]
    delete_object(cluster.store, SERVICES, "shop", "default")
    cluster.step(cluster.now + 1)
    assert (
        cluster.store.list_all(ENDPOINTS, "default")
        == cluster.store.list_all(ENDPOINT_SLICES, "default")
        == []
    )
