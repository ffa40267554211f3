"""The manifests of an application, as Google's microservices-demo has them.

Source: `kubernetes-manifests/*.yaml` of microservices-demo v0.10.6.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from kpp.simulator.kubernetes.objects.resources import Json
from kpp.simulator.kubernetes.sidecar import INJECTION_LABEL

ProbeKind = Literal["grpc", "http", "tcp"]


@dataclass(frozen=True)
class Workload:
    """A microservice as it is deployed. Without a `port` nothing calls it, and it gets no Service."""

    name: str
    image: str
    container: str = "server"
    port: int | None = None  # of the Service
    target_port: int | None = None  # of the container; None: the same
    port_name: str = "grpc"  # its prefix tells Istio the protocol
    environment: Mapping[str, str] = field(default_factory=dict)
    replicas: int | None = None  # None: left out, which means 1
    cpu_request_cores: float | None = None
    cpu_limit_cores: float | None = None
    memory_request: str | None = None
    memory_limit: str | None = None
    probe: ProbeKind | None = None
    probe_delay_seconds: int = 0
    service_account: str | None = None  # None: one of its own
    sidecar: bool = True


@dataclass(frozen=True)
class LoadGenerator:
    """The Deployment that runs the users."""

    image: str
    name: str = "loadgenerator"
    container: str = "main"
    user_count: int = 10
    spawn_rate: int = 1  # users started per second
    frontend_address: str = "frontend:80"
    init_image: str = "docker.io/library/busybox:1.37"
    cpu_request_cores: float = 0.3
    cpu_limit_cores: float = 0.5
    memory_request: str = "256Mi"
    memory_limit: str = "512Mi"


def application_manifests(
    workloads: Iterable[Workload],
    load_generator: LoadGenerator | None = None,
    *,
    namespace: str = "default",
    entry_service: str | None = "frontend",
) -> list[Json]:
    """All manifests of an application, its namespace (with sidecars on) first.

    Args:
        entry_service: the workload that a Service of type LoadBalancer exposes, too; None for none.
    """
    manifests = [namespace_manifest(namespace)]
    for workload in workloads:
        manifests.append(deployment_manifest(workload))
        if workload.service_account is None:
            manifests.append(_object("v1", "ServiceAccount", workload.name))
        if workload.port is not None:
            manifests.append(service_manifest(workload))
        if workload.name == entry_service and workload.port is not None:
            manifests.append(_external_service_manifest(workload))
    if load_generator is not None:
        manifests.append(load_generator_manifest(load_generator))
        manifests.append(_object("v1", "ServiceAccount", load_generator.name))
    for manifest in manifests[1:]:
        manifest["metadata"]["namespace"] = namespace
    return manifests


def namespace_manifest(name: str, *, sidecars: bool = True) -> Json:
    """A namespace, with Istio's injection on or off."""
    manifest = _object("v1", "Namespace", name)
    if sidecars:
        manifest["metadata"]["labels"] = {INJECTION_LABEL: "enabled"}
    return manifest


def deployment_manifest(workload: Workload) -> Json:
    """The Deployment of a microservice."""
    container: Json = {
        "name": workload.container,
        "image": workload.image,
        "resources": _resources(workload),
    }
    variables = [{"name": name, "value": value} for name, value in workload.environment.items()]
    port = workload.target_port or workload.port
    if port is not None:
        container["ports"] = [{"name": workload.port_name, "containerPort": port}]
        variables.insert(0, {"name": "PORT", "value": str(port)})
        if workload.probe is not None:
            probe = _probe(workload.probe, port, workload.probe_delay_seconds)
            container |= {"readinessProbe": probe, "livenessProbe": probe}
    if variables:
        container["env"] = variables
    annotations = {} if workload.sidecar else {"sidecar.istio.io/inject": "false"}
    return _deployment(
        workload.name,
        workload.replicas,
        annotations,
        {
            "serviceAccountName": workload.service_account or workload.name,
            "terminationGracePeriodSeconds": 5,
            "containers": [container],
        },
    )


def service_manifest(workload: Workload) -> Json:
    """The Service through which others call a microservice."""
    return _service(workload.name, workload, "ClusterIP")


def load_generator_manifest(load: LoadGenerator) -> Json:
    """The Deployment of the load generator: waits for the frontend, then runs its users for ever."""
    address = {"name": "FRONTEND_ADDR", "value": load.frontend_address}
    check = {
        "name": "frontend-check",
        "image": load.init_image,
        "command": ["/bin/sh", "-exc", "wget --server-response http://${FRONTEND_ADDR}"],
        "env": [address],
    }
    main = {
        "name": load.container,
        "image": load.image,
        "env": [
            address,
            {"name": "USERS", "value": str(load.user_count)},
            {"name": "RATE", "value": str(load.spawn_rate)},
        ],
        "resources": _resources(load),
    }
    pod_spec = {
        "serviceAccountName": load.name,
        "terminationGracePeriodSeconds": 5,
        "restartPolicy": "Always",
        "initContainers": [check],
        "containers": [main],
    }
    return _deployment(load.name, 1, {"sidecar.istio.io/rewriteAppHTTPProbers": "true"}, pod_spec)


def _external_service_manifest(workload: Workload) -> Json:
    return _service(f"{workload.name}-external", workload, "LoadBalancer")


def _service(name: str, workload: Workload, kind: str) -> Json:
    port = {
        "name": workload.port_name,
        "port": workload.port,
        "targetPort": workload.target_port or workload.port,
    }
    manifest = _object("v1", "Service", name)
    manifest["metadata"]["labels"] = {"app": workload.name}
    return manifest | {"spec": {"type": kind, "selector": {"app": workload.name}, "ports": [port]}}


def _deployment(name: str, replicas: int | None, annotations: Mapping[str, str], pod_spec: Json) -> Json:
    labels = {"app": name}  # each part gets a copy: whoever changes one means that one
    template_metadata: Json = {"labels": dict(labels)} | (
        {"annotations": dict(annotations)} if annotations else {}
    )
    spec: Json = {
        "selector": {"matchLabels": dict(labels)},
        "template": {"metadata": template_metadata, "spec": pod_spec},
    }
    if replicas is not None:
        spec["replicas"] = replicas
    manifest = _object("apps/v1", "Deployment", name)
    manifest["metadata"]["labels"] = labels
    return manifest | {"spec": spec}


def _object(api_version: str, kind: str, name: str) -> Json:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}}


def _resources(workload: Workload | LoadGenerator) -> Json:
    amounts = {
        "requests": {"cpu": workload.cpu_request_cores, "memory": workload.memory_request},
        "limits": {"cpu": workload.cpu_limit_cores, "memory": workload.memory_limit},
    }
    given = {part: {name: value for name, value in each.items() if value} for part, each in amounts.items()}
    return {part: each for part, each in given.items() if each}


def _probe(kind: ProbeKind, port: int, delay_seconds: int) -> Json:
    questions: dict[ProbeKind, Json] = {
        "grpc": {"grpc": {"port": port}},
        "http": {"httpGet": {"path": "/_healthz", "port": port}},
        "tcp": {"tcpSocket": {"port": port}},
    }
    return questions[kind] | ({"initialDelaySeconds": delay_seconds} if delay_seconds else {})
