"""The configuration with which a real Prometheus scrapes the simulated cluster: that of Istio's addon.

Two things differ: targets are asked for over HTTP, as Debian's Prometheus has no Kubernetes discovery, and
`proxy_url` is the way into the cluster's network.
"""

from typing import Any

import yaml

from kpp.simulator.metrics.targets import NODE_JOB, NODE_PATH, OBJECT_ADDRESS, OBJECT_JOB, POD_JOB
from kpp.simulator.metrics_api import DISCOVERY_PATH

Json = dict[str, Any]


def render_scrape_configuration(metrics_url: str, scrape_seconds: float) -> str:
    """The text of a `prometheus.yml`.

    Args:
        metrics_url: where the simulated cluster's metrics are served.
        scrape_seconds: between two scrapes.
    """
    discovery_url = metrics_url + DISCOVERY_PATH
    interval = f"{round(scrape_seconds * 1000)}ms"
    pods: Json = {
        "job_name": POD_JOB,
        "honor_labels": True,
        "http_sd_configs": [{"url": f"{discovery_url}pod", "refresh_interval": interval}],
        "proxy_url": metrics_url,
        "relabel_configs": _POD_RELABELLING,
    }
    nodes: Json = {
        "job_name": NODE_JOB,
        "http_sd_configs": [{"url": f"{discovery_url}node", "refresh_interval": interval}],
        "metrics_path": NODE_PATH,
        "proxy_url": metrics_url,
        "relabel_configs": [{"action": "labelmap", "regex": "__meta_kubernetes_node_label_(.+)"}],
    }
    objects: Json = {
        "job_name": OBJECT_JOB,
        "honor_labels": True,
        "static_configs": [{"targets": [OBJECT_ADDRESS]}],
        "proxy_url": metrics_url,
    }
    content: Json = {
        "global": {"scrape_interval": interval, "scrape_timeout": interval},
        "scrape_configs": [pods, nodes, objects],
    }
    return yaml.safe_dump(content, sort_keys=False)


def _annotation(name: str) -> str:
    return f"__meta_kubernetes_pod_annotation_prometheus_io_{name}"


def _copy(source: str, target: str) -> Json:
    return {"action": "replace", "source_labels": [source], "target_label": target}


_POD_RELABELLING: list[Json] = [
    {"action": "keep", "regex": True, "source_labels": [_annotation("scrape")]},
    {
        "action": "replace",
        "regex": "(.+)",
        "source_labels": [_annotation("path")],
        "target_label": "__metrics_path__",
    },
    {
        "action": "replace",
        "regex": r"(\d+);((([0-9]+?)(\.|$)){4})",
        "replacement": "$2:$1",
        "source_labels": [_annotation("port"), "__meta_kubernetes_pod_ip"],
        "target_label": "__address__",
    },
    {"action": "labelmap", "regex": "__meta_kubernetes_pod_label_(.+)"},
    _copy("__meta_kubernetes_namespace", "namespace"),
    _copy("__meta_kubernetes_pod_name", "pod"),
    _copy("__meta_kubernetes_pod_node_name", "node"),
    {
        "action": "drop",
        "regex": "Pending|Succeeded|Failed|Completed",
        "source_labels": ["__meta_kubernetes_pod_phase"],
    },
]
