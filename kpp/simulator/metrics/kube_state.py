"""What kube-state-metrics exposes about Deployments, containers and nodes, from their objects.

Source of names and help: kube-state-metrics' `docs/metrics/workload`.
"""

from collections.abc import Iterable, Iterator

from kpp.simulator.kubernetes.objects.quantities import parse_quantity
from kpp.simulator.kubernetes.objects.resources import Json
from kpp.simulator.metrics.series import Block, Family, Labels, block, layout_of

_DEPLOYMENT = layout_of(
    Family("kube_deployment_spec_replicas", "gauge", "Number of desired pods for a deployment."),
    Family("kube_deployment_status_replicas", "gauge", "The number of replicas per deployment."),
    Family("kube_deployment_status_replicas_ready", "gauge", "The number of ready replicas per deployment."),
    Family(
        "kube_deployment_status_replicas_available",
        "gauge",
        "The number of available replicas per deployment.",
    ),
    Family(
        "kube_deployment_status_replicas_unavailable",
        "gauge",
        "The number of unavailable replicas per deployment.",
    ),
    Family(
        "kube_deployment_status_replicas_updated", "gauge", "The number of updated replicas per deployment."
    ),
    Family(
        "kube_deployment_status_observed_generation",
        "gauge",
        "The generation observed by the deployment controller.",
    ),
    Family(
        "kube_deployment_metadata_generation",
        "gauge",
        "Sequence number representing a specific generation of the desired state.",
    ),
)
_COUNTS = ("replicas", "readyReplicas", "availableReplicas", "unavailableReplicas", "updatedReplicas")
_RESOURCES = {
    "requests": layout_of(
        Family(
            "kube_pod_container_resource_requests",
            "gauge",
            "The number of requested request resource by a container.",
        )
    ),
    "limits": layout_of(
        Family(
            "kube_pod_container_resource_limits",
            "gauge",
            "The number of requested limit resource by a container.",
        )
    ),
}
_UNITS = {"cpu": "core", "memory": "byte"}
_RESTARTS = layout_of(
    Family(
        "kube_pod_container_status_restarts_total",
        "counter",
        "The number of container restarts per container.",
    )
)
_OWNER = layout_of(Family("kube_pod_owner", "gauge", "Information about the Pod's owner."))
_PHASE = layout_of(Family("kube_pod_status_phase", "gauge", "The pods current phase."))
_PHASES = ("Pending", "Succeeded", "Failed", "Unknown", "Running")
_CAPACITY = layout_of(
    Family("kube_node_status_capacity", "gauge", "The total amount of resources available for a node.")
)


def expose_objects(deployments: Iterable[Json], pods: Iterable[Json], nodes: Iterable[Json]) -> list[Block]:
    """The series of all objects."""
    return [
        *map(_deployment, deployments),
        *(each for pod in pods for each in _pod(pod)),
        *(each for node in nodes for each in _node(node)),
    ]


def _deployment(deployment: Json) -> Block:
    metadata, status = deployment["metadata"], deployment.get("status", {})
    values = [
        deployment["spec"].get("replicas", 1),
        *(status.get(field, 0) for field in _COUNTS),
        status.get("observedGeneration", 0),
        metadata["generation"],
    ]
    return block(
        _DEPLOYMENT, (("namespace", metadata["namespace"]), ("deployment", metadata["name"])), values
    )


def _pod(pod: Json) -> Iterator[Block]:
    metadata, spec = pod["metadata"], pod["spec"]
    labels = (("namespace", metadata["namespace"]), ("pod", metadata["name"]), ("uid", metadata["uid"]))
    for phase in _PHASES:
        yield block(_PHASE, (*labels, ("phase", phase)), [pod["status"].get("phase") == phase])
    for owner in metadata.get("ownerReferences", []):
        is_controller = str(bool(owner.get("controller"))).lower()
        names = (("owner_kind", owner["kind"]), ("owner_name", owner["name"]))
        yield block(_OWNER, (*labels, *names, ("owner_is_controller", is_controller)), [1])
    for container in spec["containers"]:
        named = (*labels, ("container", container["name"]), ("node", spec.get("nodeName", "")))
        for part, layout in _RESOURCES.items():
            for resource, amount in ((container.get("resources") or {}).get(part) or {}).items():
                kind = (("resource", resource), ("unit", _UNITS.get(resource, "")))
                yield block(layout, (*named, *kind), [float(parse_quantity(amount))])
    for each in pod["status"].get("containerStatuses", []):
        yield block(_RESTARTS, (*labels, ("container", each["name"])), [each["restartCount"]])


def _node(node: Json) -> Iterator[Block]:
    for resource, amount in node["status"]["capacity"].items():
        labels: Labels = (("node", node["metadata"]["name"]), ("resource", resource))
        unit = (("unit", _UNITS.get(resource, "integer")),)
        yield block(_CAPACITY, (*labels, *unit), [float(parse_quantity(amount))])
