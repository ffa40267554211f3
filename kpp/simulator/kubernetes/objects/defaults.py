"""What the API server fills in when a manifest leaves it out, and the one way it writes what is given.

Source: k8s.io/kubernetes `pkg/apis/{core,apps,autoscaling}/*/defaults.go`. Both are idempotent, so that a
patch which changes nothing changes nothing.
"""

from typing import Any

from kpp.simulator.kubernetes.objects.quantities import canonical_resources
from kpp.simulator.kubernetes.objects.resources import Json

_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def without_nulls(value: Any) -> Any:
    """The same without null fields and empty lists, neither of which survives a real server's decoding."""
    if isinstance(value, dict):
        cleaned = {key: without_nulls(part) for key, part in value.items()}
        return {key: part for key, part in cleaned.items() if part is not None and part != []}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def set_defaults(manifest: Json) -> None:
    """Fill in a decoded manifest of any kind, in place."""
    spec = manifest.get("spec")
    match manifest["kind"]:
        case "Deployment":
            _default_deployment(manifest.setdefault("spec", {}))
        case "ReplicaSet":
            spec = manifest.setdefault("spec", {})
            spec.setdefault("replicas", 1)
            default_template(spec)
        case "Job":
            _default_job(manifest.setdefault("spec", {}))
        case "HorizontalPodAutoscaler":
            _default_autoscaler(manifest.setdefault("spec", {}))
            manifest.setdefault("status", {"currentReplicas": 0, "desiredReplicas": 0})
        case "Pod":
            default_pod(manifest.setdefault("spec", {}))
        case "Service":
            _default_service(manifest.setdefault("spec", {}))
            manifest.setdefault("status", {"loadBalancer": {}})
        case "Namespace":
            manifest["spec"] = {"finalizers": ["kubernetes"]} | (spec or {})
            manifest.setdefault("status", {"phase": "Active"})
            labels = manifest["metadata"].setdefault("labels", {})
            labels["kubernetes.io/metadata.name"] = manifest["metadata"].get("name", "")


def default_template(spec: Json) -> None:
    """Fill in the pod template of a Deployment's or ReplicaSet's spec, in place."""
    template = spec.get("template") or {}
    if "spec" in template:
        _default_pod_spec(template["spec"])


def default_pod(spec: Json) -> None:
    """Fill in a pod's spec, in place. Unlike in a template, requests take the limits' values here."""
    _default_pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    spec.setdefault("serviceAccountName", "default")
    for container in [*spec.get("containers", []), *spec.get("initContainers", [])]:
        resources = container["resources"]
        if resources.get("limits"):
            resources["requests"] = {**resources["limits"], **(resources.get("requests") or {})}


def _default_deployment(spec: Json) -> None:
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxSurge", "25%")
        rolling.setdefault("maxUnavailable", "25%")
    default_template(spec)


def _default_job(spec: Json) -> None:
    for key, value in (("parallelism", 1), ("completions", 1), ("backoffLimit", 6), ("suspend", False)):
        spec.setdefault(key, value)
    default_template(spec)


def _default_autoscaler(spec: Json) -> None:
    spec.setdefault("minReplicas", 1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]


def _default_pod_spec(spec: Json) -> None:
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    for container in [*spec.get("containers", []), *spec.get("initContainers", [])]:
        _default_container(container)


def _default_container(container: Json) -> None:
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    tag = container.get("image", "").rpartition("/")[2].partition(":")[2]
    container.setdefault("imagePullPolicy", "Always" if tag in ("", "latest") else "IfNotPresent")
    container["resources"] = canonical_resources(container.get("resources") or {})
    for port in container.get("ports", []):
        port.setdefault("protocol", "TCP")
    for variable in container.get("env", []):
        field = (variable.get("valueFrom") or {}).get("fieldRef")
        if field is not None:
            field.setdefault("apiVersion", "v1")
    for name in _PROBES:
        if name in container:
            _default_probe(container[name])


def _default_probe(probe: Json) -> None:
    for key, value in (
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ):
        probe.setdefault(key, value)
    if "httpGet" in probe:
        probe["httpGet"].setdefault("path", "/")
        probe["httpGet"].setdefault("scheme", "HTTP")
    if "grpc" in probe:
        probe["grpc"].setdefault("service", "")


def _default_service(spec: Json) -> None:
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    spec.setdefault("internalTrafficPolicy", "Cluster")
    spec.setdefault("ipFamilies", ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")
    for port in spec.get("ports", []):
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))
