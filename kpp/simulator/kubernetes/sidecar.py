"""Istio's injection webhook: in a namespace labelled for it, each new pod gets a proxy of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kpp.simulator.kubernetes.objects.resources import Json, copy_json

SIDECAR_CONTAINER = "istio-proxy"
INJECTION_LABEL = "istio-injection"  # of the namespace: "enabled"
_OPT_OUT = "sidecar.istio.io/inject"  # label or annotation of a pod: "false"
_VERSION = "1.29.0"


@dataclass(frozen=True)
class SidecarInjector:
    """What the webhook adds; requests and limits are Istio's defaults."""

    image: str = f"docker.io/istio/proxyv2:{_VERSION}"
    requests: Mapping[str, str] = field(default_factory=lambda: {"cpu": "100m", "memory": "128Mi"})
    limits: Mapping[str, str] = field(default_factory=lambda: {"cpu": "2", "memory": "1Gi"})

    def __call__(self, pod: Json, namespace: Json) -> None:
        """Change a new pod in place, if its namespace has injection on and the pod does not opt out."""
        metadata, spec = pod["metadata"], pod["spec"]
        labels, annotations = metadata.setdefault("labels", {}), metadata.setdefault("annotations", {})
        is_on = namespace["metadata"].get("labels", {}).get(INJECTION_LABEL) == "enabled"
        opted_out = "false" in (labels.get(_OPT_OUT), annotations.get(_OPT_OUT))
        if not is_on or opted_out or any(each["name"] == SIDECAR_CONTAINER for each in spec["containers"]):
            return
        first = spec["containers"][0]["name"]
        app = labels.get("app", metadata.get("generateName", metadata.get("name", "")).rstrip("-"))
        labels |= {
            "security.istio.io/tlsMode": "istio",
            "service.istio.io/canonical-name": app,
            "service.istio.io/canonical-revision": labels.get("version", "latest"),
        }
        annotations |= {
            "kubectl.kubernetes.io/default-container": first,
            "kubectl.kubernetes.io/default-logs-container": first,
            "prometheus.io/path": "/stats/prometheus",
            "prometheus.io/port": "15020",
            "prometheus.io/scrape": "true",
        }
        # copies: a template's lists are the ReplicaSet's, too
        spec["containers"] = [*copy_json(spec["containers"]), self._proxy()]
        spec["initContainers"] = [self._init(), *copy_json(spec.get("initContainers", []))]

    def _proxy(self) -> Json:
        return {
            "name": SIDECAR_CONTAINER,
            "image": self.image,
            "args": ["proxy", "sidecar", "--domain", "$(POD_NAMESPACE).svc.cluster.local"],
            "ports": [{"name": "http-envoy-prom", "containerPort": 15090, "protocol": "TCP"}],
            "readinessProbe": {"httpGet": {"path": "/healthz/ready", "port": 15021}, "periodSeconds": 15},
            "resources": {"requests": dict(self.requests), "limits": dict(self.limits)},
        }

    def _init(self) -> Json:
        return {
            "name": "istio-init",
            "image": self.image,
            "args": ["istio-iptables", "-p", "15001", "-z", "15006", "-u", "1337"],
            "resources": {"requests": dict(self.requests), "limits": dict(self.limits)},
        }
