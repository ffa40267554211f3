"""What Prometheus scrapes, and the labels that it gives each target, as Istio's addon configures it."""

from collections.abc import Callable
from dataclasses import dataclass

from kpp.simulator.kubernetes.objects.resources import Json
from kpp.simulator.metrics.discovery import KUBELET_PORT, label_name
from kpp.simulator.metrics.pod_identity import PodIdentity
from kpp.simulator.metrics.series import Block, Labels

POD_JOB = "kubernetes-pods"
NODE_JOB = "kubernetes-nodes-cadvisor"
OBJECT_JOB = "kube-state-metrics"

NODE_PATH = "/metrics/cadvisor"
OBJECT_PATH = "/metrics"
OBJECT_ADDRESS = "kube-state-metrics.kube-system.svc:8080"


@dataclass(frozen=True)
class Target:
    """One endpoint: where it is inside the cluster, its labels, and what it shows when it is asked."""

    address: str  # host:port
    path: str
    labels: Labels  # after relabelling; `job` and `instance` among them
    honor_labels: bool
    expose: Callable[[], list[Block]]


def pod_target(pod: PodIdentity, expose: Callable[[], list[Block]]) -> Target | None:
    """The sidecar of a pod; None where the pod's annotations ask for no scrape, or it has no address yet."""
    annotations = dict(pod.annotations)
    if annotations.get("prometheus.io/scrape") != "true" or not pod.ip:
        return None
    address = f"{pod.ip}:{annotations['prometheus.io/port']}"
    labels = {label_name(name): value for name, value in pod.labels}
    labels |= {"job": POD_JOB, "instance": address}
    labels |= {"namespace": pod.namespace, "pod": pod.name, "node": pod.node}
    path = annotations.get("prometheus.io/path", "/metrics")
    return Target(address, path, tuple(labels.items()), True, expose)


def node_target(node: Json, expose: Callable[[], list[Block]]) -> Target:
    """The kubelet of a node."""
    metadata = node["metadata"]
    labels = {label_name(name): value for name, value in metadata.get("labels", {}).items()}
    labels |= {"job": NODE_JOB, "instance": metadata["name"]}
    return Target(
        f"{node['status']['addresses'][0]['address']}:{KUBELET_PORT}",
        NODE_PATH,
        tuple(labels.items()),
        False,
        expose,
    )


def object_target(expose: Callable[[], list[Block]]) -> Target:
    """kube-state-metrics, whose labels speak of other pods than its own."""
    labels = (("job", OBJECT_JOB), ("instance", OBJECT_ADDRESS))
    return Target(OBJECT_ADDRESS, OBJECT_PATH, labels, True, expose)
