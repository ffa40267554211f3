"""Tables: what `kubectl get` prints is laid out by the server.

Source: k8s.io/kubernetes `pkg/printers/internalversion/printers.go`.
"""

from collections.abc import Callable, Sequence
from typing import Any

from kpp.simulator.kubernetes.api.durations import human_duration
from kpp.simulator.kubernetes.api.pod_cells import POD_COLUMNS, pod_cells
from kpp.simulator.kubernetes.objects.resources import (
    AUTOSCALERS,
    CONFIG_MAPS,
    DEPLOYMENTS,
    ENDPOINTS,
    EVENTS,
    LEASES,
    NAMESPACES,
    NODES,
    PODS,
    REPLICA_SETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    Json,
    Resource,
)
from kpp.simulator.kubernetes.objects.selectors import format_selector
from kpp.simulator.kubernetes.objects.timestamps import parse_timestamp

Cells = list[Any]
_WIDE = 1  # the priority of columns that only `-o wide` shows
_NONE = "<none>"


def column_definitions(resource: Resource) -> list[Json]:
    """The columns of a resource's table."""
    names, wide, _ = _LAYOUTS.get(resource, _PLAIN)
    definitions = []
    for place, name in enumerate([*names, *wide]):
        is_number = name in ("Desired", "Current", "Up-to-date", "Available", "Secrets", "Data")
        definitions.append(
            {
                "name": name,
                "type": "integer" if is_number else "string",
                "format": "name" if name == "Name" else "",
                "description": name,
                "priority": 0 if place < len(names) else _WIDE,
            }
        )
    return definitions


def table_row(resource: Resource, manifest: Json, now: float, included: str) -> Json:
    """One object as a row; `included` says what comes with it: `None`, `Metadata` or `Object`."""
    row: Json = {"cells": _LAYOUTS.get(resource, _PLAIN)[2](manifest, _age(manifest, now), now)}
    if included == "Object":
        row["object"] = manifest
    elif included != "None":
        row["object"] = {
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": manifest["metadata"],
        }
    return row


def make_table(resource: Resource, items: Sequence[Json], metadata: Json, now: float, included: str) -> Json:
    """The table of some objects of a resource."""
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": column_definitions(resource),
        "rows": [table_row(resource, each, now, included) for each in items],
    }


def _age(manifest: Json, now: float) -> str:
    return human_duration(now - parse_timestamp(manifest["metadata"]["creationTimestamp"]))


def _name(manifest: Json) -> str:
    return str(manifest["metadata"]["name"])


def _plain(manifest: Json, age: str, _now: float) -> Cells:
    return [_name(manifest), age]


def _deployment(manifest: Json, age: str, _now: float) -> Cells:
    spec, status = manifest["spec"], manifest.get("status", {})
    ready = f"{status.get('readyReplicas', 0)}/{spec['replicas']}"
    counts = [status.get("updatedReplicas", 0), status.get("availableReplicas", 0)]
    return [_name(manifest), ready, *counts, age, *_template_cells(spec)]


def _replica_set(manifest: Json, age: str, _now: float) -> Cells:
    spec, status = manifest["spec"], manifest.get("status", {})
    counts = [spec["replicas"], status.get("replicas", 0), status.get("readyReplicas", 0)]
    return [_name(manifest), *counts, age, *_template_cells(spec)]


def _template_cells(spec: Json) -> Cells:
    containers = spec["template"]["spec"]["containers"]
    return [
        ",".join(each["name"] for each in containers),
        ",".join(each["image"] for each in containers),
        format_selector(spec["selector"]),
    ]


def _service(manifest: Json, age: str, _now: float) -> Cells:
    spec = manifest["spec"]
    ports = [
        f"{each['port']}{':' + str(each['nodePort']) if 'nodePort' in each else ''}/{each['protocol']}"
        for each in spec.get("ports", [])
    ]
    external = "<pending>" if spec["type"] == "LoadBalancer" else _NONE
    selector = ",".join(f"{key}={value}" for key, value in sorted(spec.get("selector", {}).items()))
    address = spec.get("clusterIP", _NONE)
    return [
        _name(manifest),
        spec["type"],
        address,
        external,
        ",".join(ports) or _NONE,
        age,
        selector or _NONE,
    ]


def _node(manifest: Json, age: str, _now: float) -> Cells:
    status = manifest["status"]
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in status["conditions"])
    word = "Ready" if ready else "NotReady"
    if manifest["spec"].get("unschedulable"):
        word += ",SchedulingDisabled"
    prefix = "node-role.kubernetes.io/"
    labels = manifest["metadata"].get("labels", {})
    roles = ",".join(sorted(key.removeprefix(prefix) for key in labels if key.startswith(prefix))) or _NONE
    info = status["nodeInfo"]
    return [
        _name(manifest),
        word,
        roles,
        age,
        info["kubeletVersion"],
        status["addresses"][0]["address"],
        _NONE,
        info["osImage"],
        info["kernelVersion"],
        info["containerRuntimeVersion"],
    ]


def _namespace(manifest: Json, age: str, _now: float) -> Cells:
    return [_name(manifest), manifest["status"]["phase"], age]


def _event(manifest: Json, _age_text: str, now: float) -> Cells:
    seen = human_duration(now - parse_timestamp(manifest["lastTimestamp"]))
    about = manifest["involvedObject"]
    place = f"{about['kind'].lower()}/{about['name']}"
    return [seen, manifest["type"], manifest["reason"], place, manifest["message"]]


def _endpoints(manifest: Json, age: str, _now: float) -> Cells:
    places = [
        f"{address['ip']}:{port['port']}"
        for subset in manifest.get("subsets", [])
        for address in subset.get("addresses", [])
        for port in subset["ports"]
    ]
    return [_name(manifest), ",".join(places) or _NONE, age]


def _lease(manifest: Json, age: str, _now: float) -> Cells:
    return [_name(manifest), manifest.get("spec", {}).get("holderIdentity", ""), age]


def _service_account(manifest: Json, age: str, _now: float) -> Cells:
    return [_name(manifest), len(manifest.get("secrets", [])), age]


def _config_map(manifest: Json, age: str, _now: float) -> Cells:
    return [_name(manifest), len(manifest.get("data", {})) + len(manifest.get("binaryData", {})), age]


def _autoscaler(manifest: Json, age: str, _now: float) -> Cells:
    """Nothing measures for it here, so that what it has is unknown, as without a metrics server."""
    spec, target = manifest["spec"], manifest["spec"]["scaleTargetRef"]
    reference = f"{target['kind']}/{target['name']}"
    bounds = [spec["minReplicas"], spec["maxReplicas"], manifest["status"].get("currentReplicas", 0)]
    targets = ", ".join(_autoscaler_target(each) for each in spec["metrics"])
    return [_name(manifest), reference, targets, *bounds, age]


def _autoscaler_target(metric: Json) -> str:
    resource = metric.get("resource") or {}
    target = resource.get("target") or {}
    wanted = target.get("averageValue") or f"{target.get('averageUtilization', '<auto>')}%"
    return f"{resource.get('name', '')}: <unknown>/{wanted}" if resource else "<unknown type>"


def _pod(manifest: Json, age: str, now: float) -> Cells:
    return pod_cells(manifest, age, now)


_Layout = tuple[Sequence[str], Sequence[str], Callable[[Json, str, float], Cells]]
_TEMPLATE_COLUMNS = ("Containers", "Images", "Selector")
_PLAIN: _Layout = (("Name", "Age"), (), _plain)
_LAYOUTS: dict[Resource, _Layout] = {
    DEPLOYMENTS: (("Name", "Ready", "Up-to-date", "Available", "Age"), _TEMPLATE_COLUMNS, _deployment),
    REPLICA_SETS: (("Name", "Desired", "Current", "Ready", "Age"), _TEMPLATE_COLUMNS, _replica_set),
    PODS: (*POD_COLUMNS, _pod),
    SERVICES: (
        ("Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age"),
        ("Selector",),
        _service,
    ),
    NODES: (
        ("Name", "Status", "Roles", "Age", "Version"),
        ("Internal-IP", "External-IP", "OS-Image", "Kernel-Version", "Container-Runtime"),
        _node,
    ),
    NAMESPACES: (("Name", "Status", "Age"), (), _namespace),
    EVENTS: (("Last Seen", "Type", "Reason", "Object", "Message"), (), _event),
    ENDPOINTS: (("Name", "Endpoints", "Age"), (), _endpoints),
    LEASES: (("Name", "Holder", "Age"), (), _lease),
    AUTOSCALERS: (
        ("Name", "Reference", "Targets", "MinPods", "MaxPods", "Replicas", "Age"),
        (),
        _autoscaler,
    ),
    SERVICE_ACCOUNTS: (("Name", "Secrets", "Age"), (), _service_account),
    CONFIG_MAPS: (("Name", "Data", "Age"), (), _config_map),
}
