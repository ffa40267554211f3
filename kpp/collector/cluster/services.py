"""What Deployments, pods and nodes say about services; no calls."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kubernetes.utils.quantity import parse_quantity

from kpp.collector.cluster.api import KubernetesObject
from kpp.collector.config import Config
from kpp.errors import KubernetesError
from kpp.schema import is_dns_label

SIDECAR = "istio-proxy"  # a native sidecar is an init container, so not among a pod's containers at all


@dataclass(frozen=True)
class Service:
    """A microservice to measure, and the Deployment that runs it."""

    name: str
    deployment: str


@dataclass(frozen=True)
class Resources:
    """A service's ready replicas, and the CPU of one replica, its sidecar left out."""

    replicas: int
    cpu_request_cores: float | None  # None: not every container has one
    cpu_limit_cores: float | None


@dataclass(frozen=True)
class Discovery:
    """The services of a namespace, by name, and what a person should know about how they were found."""

    services: tuple[Service, ...]
    warnings: tuple[str, ...]
    uids: Mapping[str, str]  # of their Deployments, by name


def find_services(deployments: Iterable[KubernetesObject], config: Config) -> Discovery:
    """Name the services by the label `config.label_key` of their Deployments.

    Raises:
        KubernetesError: there is none, or a name could not be used as a part of a path.
    """
    left_out = {*config.excluded_services, config.load_generator}
    labels: dict[str, str] = {}  # by Deployment
    uids: dict[str, str] = {}
    unlabeled: list[str] = []
    for deployment in deployments:
        name = deployment["metadata"]["name"]
        label = deployment["metadata"].get("labels", {}).get(config.label_key)
        if name in left_out or label in left_out:
            continue
        if label:
            labels[name], uids[name] = label, deployment["metadata"]["uid"]
        else:
            unlabeled.append(name)
    warnings = []
    if unlabeled:
        warnings.append(f"Left out, for want of the label {config.label_key}: {', '.join(sorted(unlabeled))}")
    names = _make_unique(labels)
    if clashing := [deployment for deployment in labels if _is_shared(labels, names, deployment)]:
        warnings.append(
            f"Recorded as their Deployments, which share a label {config.label_key}: "
            f"{', '.join(sorted(clashing))}"
        )
    services = tuple(sorted((Service(names[name], name) for name in names), key=lambda service: service.name))
    _check_services(services, config)
    return Discovery(services, tuple(warnings), uids)


def read_deployment_resources(deployment: KubernetesObject) -> Resources:
    """Replicas that are ready, and what one of them asks for and may use."""
    pod_spec = deployment["spec"]["template"]["spec"]
    containers = [container for container in pod_spec["containers"] if container["name"] != SIDECAR]
    return Resources(
        replicas=deployment.get("status", {}).get("readyReplicas", 0),
        cpu_request_cores=_sum_cpu(containers, "requests"),
        cpu_limit_cores=_sum_cpu(containers, "limits"),
    )


def read_images(deployment: KubernetesObject) -> dict[str, str]:
    """Container to image."""
    return {each["name"]: each["image"] for each in deployment["spec"]["template"]["spec"]["containers"]}


def find_pods(
    pods: Iterable[KubernetesObject], replica_sets: Iterable[KubernetesObject], services: Iterable[Service]
) -> dict[str, str]:
    """Pod name to service name, by way of the owners; only for pods that run and are not terminating."""
    service_of_deployment = {service.deployment: service.name for service in services}
    deployment_of = {each["metadata"]["uid"]: _owner(each, "Deployment", "name") for each in replica_sets}
    found: dict[str, str] = {}
    for pod in pods:
        if pod["status"].get("phase") != "Running" or pod["metadata"].get("deletionTimestamp"):
            continue
        deployment = deployment_of.get(_owner(pod, "ReplicaSet", "uid"), "")
        if deployment in service_of_deployment:
            found[pod["metadata"]["name"]] = service_of_deployment[deployment]
    return found


def read_capacities(nodes: Iterable[KubernetesObject]) -> dict[str, float]:
    """Node name to CPU cores."""
    return {node["metadata"]["name"]: _parse_cores(node["status"]["capacity"]["cpu"]) for node in nodes}


def _make_unique(labels: Mapping[str, str]) -> dict[str, str]:
    """Services that share a name take their Deployment's, which is unique in a namespace."""
    names = dict(labels)
    while True:
        count = Counter(names.values())
        shared = [deployment for deployment, name in names.items() if count[name] > 1 and name != deployment]
        if not shared:
            return names
        names |= {deployment: deployment for deployment in shared}


def _is_shared(labels: Mapping[str, str], names: Mapping[str, str], deployment: str) -> bool:
    return names[deployment] != labels[deployment] or list(labels.values()).count(labels[deployment]) > 1


def _check_services(services: tuple[Service, ...], config: Config) -> None:
    where = f"namespace {config.namespace}"
    if not services:
        raise KubernetesError(
            f"no Deployment with the label {config.label_key} is a service to measure",
            where=where,
            mend="check KPP_NAMESPACE, KPP_LABEL_KEY and KPP_EXCLUDED_SERVICES against "
            "`kubectl get deployments -A --show-labels`",
        )
    if refused := [service.name for service in services if not is_dns_label(service.name)]:
        raise KubernetesError(
            f"no name for a service, since it is no DNS-1123 label: {', '.join(map(repr, refused))}",
            where=where,
            mend="exclude it with KPP_EXCLUDED_SERVICES or choose another KPP_LABEL_KEY",
        )


def _sum_cpu(containers: list[KubernetesObject], kind: str) -> float | None:
    quantities = [container.get("resources", {}).get(kind, {}).get("cpu") for container in containers]
    if not quantities or None in quantities:
        return None
    return sum(map(_parse_cores, quantities))


def _parse_cores(quantity: str) -> float:
    return float(parse_quantity(quantity))


def _owner(owned: KubernetesObject, kind: str, field: str) -> str:
    """A field of the controller of this kind; empty where there is none."""
    for owner in owned["metadata"].get("ownerReferences", []):
        if owner["kind"] == kind and owner.get("controller"):
            return str(owner[field])
    return ""
