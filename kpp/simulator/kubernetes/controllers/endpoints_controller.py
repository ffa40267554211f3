"""The endpoints of Services: the addresses of the pods that a Service selects, ready ones and others."""

from kpp.simulator.kubernetes.controllers.pods import is_ready, is_terminating
from kpp.simulator.kubernetes.controllers.replica_sets import owner_reference
from kpp.simulator.kubernetes.objects.deletion import delete_object
from kpp.simulator.kubernetes.objects.resources import (
    ENDPOINT_SLICES,
    ENDPOINTS,
    PODS,
    SERVICES,
    Json,
    Resource,
)
from kpp.simulator.kubernetes.objects.store import ObjectStore


class EndpointsController:
    """Looks at one Service at a time. Keeps the Endpoints of older clients, too."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def reconcile(self, namespace: str, name: str) -> None:
        """Bring the addresses of a Service up to date; those of one that is gone go as well."""
        service = self._store.find(SERVICES, name, namespace)
        if service is None:
            if self._store.find(ENDPOINTS, name, namespace) is not None:
                delete_object(self._store, ENDPOINTS, name, namespace)
            return
        if not service["spec"].get("selector"):
            return
        pods = [
            pod
            for pod in self._store.list_all(PODS, namespace)
            if selects(service, pod) and _has_address(pod)
        ]
        self._write(ENDPOINT_SLICES, _slice(service, pods))
        self._write(ENDPOINTS, _endpoints(service, pods))

    def _write(self, resource: Resource, manifest: Json) -> None:
        metadata = manifest["metadata"]
        present = self._store.find(resource, metadata["name"], metadata["namespace"])
        if present is None:
            self._store.create(resource, manifest)
        else:
            content = {key: value for key, value in manifest.items() if key != "metadata"}
            self._store.replace(resource, {"metadata": present["metadata"], **content})


def selects(service: Json, pod: Json) -> bool:
    """Whether a Service sends requests to a pod, once it is ready."""
    selector = service["spec"].get("selector") or {}
    return bool(selector) and selector.items() <= pod["metadata"].get("labels", {}).items()


def _has_address(pod: Json) -> bool:
    return bool(pod["status"].get("podIP")) and pod["status"]["phase"] in ("Pending", "Running")


def _slice(service: Json, pods: list[Json]) -> Json:
    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
    return {
        "apiVersion": ENDPOINT_SLICES.api_version,
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-{service['metadata']['uid'][:5]}",
            "namespace": namespace,
            "labels": {
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                "kubernetes.io/service-name": name,
            },
            "ownerReferences": [owner_reference(service)],
        },
        "addressType": "IPv4",
        "endpoints": [_endpoint(pod) for pod in pods],
        "ports": _ports(service),
    }


def _endpoint(pod: Json) -> Json:
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": is_ready(pod) and not is_terminating(pod),
            "serving": is_ready(pod),
            "terminating": is_terminating(pod),
        },
        "nodeName": pod["spec"]["nodeName"],
        "targetRef": _reference(pod),
    }


def _endpoints(service: Json, pods: list[Json]) -> Json:
    staying = [pod for pod in pods if not is_terminating(pod)]
    subset: Json = {"ports": _ports(service)}
    for field, wanted in (("addresses", True), ("notReadyAddresses", False)):
        addresses = [
            {
                "ip": pod["status"]["podIP"],
                "nodeName": pod["spec"]["nodeName"],
                "targetRef": _reference(pod),
            }
            for pod in staying
            if is_ready(pod) is wanted
        ]
        if addresses:
            subset[field] = addresses
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": service["metadata"]["name"], "namespace": service["metadata"]["namespace"]},
        "subsets": [subset] if staying else [],
    }


def _reference(pod: Json) -> Json:
    metadata = pod["metadata"]
    return {
        "kind": "Pod",
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
    }


def _ports(service: Json) -> list[Json]:
    ports = []
    for each in service["spec"].get("ports", []):
        port = {"port": each.get("targetPort", each["port"]), "protocol": each["protocol"]}
        ports.append(({"name": each["name"]} if each.get("name") else {}) | port)
    return ports
