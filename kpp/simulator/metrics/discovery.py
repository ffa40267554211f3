"""The targets as Prometheus's Kubernetes service discovery describes them, to be relabelled.

Not every build of Prometheus has that discovery (Debian's has none), but all of them can ask over HTTP.
"""

import re
from collections.abc import Iterable
from typing import Any

from kpp.simulator.kubernetes.objects.resources import Json

KUBELET_PORT = 10250
_NO_LABEL_CHARACTER = re.compile(r"[^a-zA-Z0-9_]")

TargetGroup = dict[str, Any]


def label_name(name: str) -> str:
    """As the service discovery writes the name of a Kubernetes label or annotation.

    >>> label_name("app.kubernetes.io/name")
    'app_kubernetes_io_name'
    """
    return _NO_LABEL_CHARACTER.sub("_", name)


def describe_pods(pods: Iterable[Json]) -> list[TargetGroup]:
    """The role `pod`: one target for each pod that has an address."""
    return [_pod_group(pod) for pod in pods if pod["status"].get("podIP")]


def describe_nodes(nodes: Iterable[Json]) -> list[TargetGroup]:
    """The role `node`: the kubelet of each."""
    return [_node_group(node) for node in nodes]


def _pod_group(pod: Json) -> TargetGroup:
    metadata, status = pod["metadata"], pod["status"]
    labels = {
        "namespace": metadata["namespace"],
        "pod_name": metadata["name"],
        "pod_ip": status["podIP"],
        "pod_node_name": pod["spec"].get("nodeName", ""),
        "pod_phase": status.get("phase", ""),
        "pod_uid": metadata["uid"],
        **_prefixed("pod_label_", metadata.get("labels", {})),
        **_prefixed("pod_annotation_", metadata.get("annotations", {})),
    }
    return {"targets": [status["podIP"]], "labels": _prefixed("__meta_kubernetes_", labels)}


def _node_group(node: Json) -> TargetGroup:
    metadata = node["metadata"]
    labels = {
        "node_name": metadata["name"],
        **_prefixed("node_label_", metadata.get("labels", {})),
    }
    address = f"{node['status']['addresses'][0]['address']}:{KUBELET_PORT}"
    return {
        "targets": [address],
        "labels": {"instance": metadata["name"], **_prefixed("__meta_kubernetes_", labels)},
    }


def _prefixed(prefix: str, labels: dict[str, str]) -> dict[str, str]:
    return {prefix + label_name(name): value for name, value in labels.items()}
