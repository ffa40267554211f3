from pathlib import Path

from kubernetes import config

from kpp.simulator.kubernetes.kubeconfig import write_kubeconfig
from tests.simulator.kubernetes.kubectl import Kubectl


def test_the_python_client_and_kubectl_read_it(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    write_kubeconfig(path, "http://127.0.0.1:8001", namespace="shop")
    contexts, active = config.list_kube_config_contexts(str(path))
    assert [each["name"] for each in contexts] == [active["name"]] == ["kpp-simulated"]
    kubectl = Kubectl(path, tmp_path)
    assert kubectl("config", "current-context").strip() == "kpp-simulated"
    assert (
        kubectl("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}") == "http://127.0.0.1:8001"
    )
    assert kubectl("config", "view", "-o", "jsonpath={.contexts[0].context.namespace}") == "shop"
