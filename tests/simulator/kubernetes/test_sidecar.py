from kpp.simulator.kubernetes.cluster import SimulatedCluster
from kpp.simulator.kubernetes.manifests import application_manifests
from kpp.simulator.kubernetes.objects.resources import NAMESPACES, PODS, Json
from kpp.simulator.kubernetes.sidecar import SidecarInjector
from tests.simulator.kubernetes.clusters import install_shop, make_cluster, make_shop, shop, shop_pods


def container_names(manifest: Json) -> list[str]:
    return [each["name"] for each in manifest["spec"]["containers"]]


def install(cluster: SimulatedCluster, *, sidecar: bool) -> Json:
    cluster.install(application_manifests([make_shop(sidecar=sidecar)], entry_service=None))
    cluster.step(cluster.now + 30)
    (pod,) = cluster.store.list_all(PODS, "default")
    return pod


def test_pods_get_a_proxy_and_deployments_do_not_show_it() -> None:
    cluster = make_cluster()
    install_shop(cluster)
    (pod,) = shop_pods(cluster)
    assert container_names(pod) == ["server", "istio-proxy"]
    assert container_names(shop(cluster)["spec"]["template"]) == ["server"]
    assert pod["spec"]["containers"][1]["resources"]["limits"]["cpu"] == "2"
    assert pod["metadata"]["labels"]["service.istio.io/canonical-name"] == "shop"
    assert pod["metadata"]["annotations"]["prometheus.io/scrape"] == "true"


def test_a_pod_may_opt_out() -> None:
    assert container_names(install(make_cluster(), sidecar=False)) == ["server"]


def test_a_namespace_has_to_ask_for_it() -> None:
    cluster = make_cluster()
    default = cluster.store.get(NAMESPACES, "default")
    assert "istio-injection" not in default["metadata"].get("labels", {})
    manifests = [each for each in application_manifests([make_shop()]) if each["kind"] != "Namespace"]
    cluster.install(manifests)
    cluster.step(cluster.now + 30)
    (pod,) = shop_pods(cluster)
    assert container_names(pod) == ["server"]


def test_its_resources_can_be_those_of_the_demo_profile() -> None:
    injector = SidecarInjector(requests={"cpu": "10m", "memory": "40Mi"})
    pod = install(make_cluster(mutate_pod=injector), sidecar=True)
    assert pod["spec"]["containers"][1]["resources"]["requests"] == {"cpu": "10m", "memory": "40Mi"}
