"""The kinds of objects that the simulated API server knows, as its discovery lists them."""

from dataclasses import dataclass
from typing import Any, TypeVar, cast

Json = dict[str, Any]  # an object, or a part of one, as JSON has it
Value = TypeVar("Value")


def copy_json(value: Value) -> Value:
    """A copy that shares nothing with the original; several times as fast as `copy.deepcopy`."""
    if isinstance(value, dict):
        return cast(Value, {key: copy_json(part) for key, part in value.items()})
    return cast(Value, [copy_json(item) for item in value]) if isinstance(value, list) else value


@dataclass(frozen=True)
class Resource:
    """A kind of object and where it is found.

    `selectable_fields` are what field selectors may name besides `metadata.name` and `metadata.namespace`.
    """

    group: str  # the core group is ""
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    selectable_fields: tuple[str, ...] = ()
    has_generation: bool = False
    create_on_update: bool = False  # PUT of an absent object creates it
    unconditional_update: bool = True  # PUT without a resourceVersion overwrites

    @property
    def api_version(self) -> str:
        """What an object has as `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified_plural(self) -> str:
        """The name in error messages, as in `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        """The kind in error messages, as in `Deployment.apps`."""
        return f"{self.kind}.{self.group}" if self.group else self.kind


NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False, short_names=("ns",))
NODES = Resource(
    "",
    "v1",
    "nodes",
    "Node",
    namespaced=False,
    short_names=("no",),
    selectable_fields=("spec.unschedulable",),
)
PODS = Resource(
    "",
    "v1",
    "pods",
    "Pod",
    short_names=("po",),
    categories=("all",),
    subresources=("status",),
    selectable_fields=(
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
)
SERVICES = Resource(
    "",
    "v1",
    "services",
    "Service",
    short_names=("svc",),
    categories=("all",),
    selectable_fields=("spec.clusterIP", "spec.type"),
)
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount", short_names=("sa",))
ENDPOINTS = Resource("", "v1", "endpoints", "Endpoints", short_names=("ep",))
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", short_names=("cm",))
EVENTS = Resource(
    "",
    "v1",
    "events",
    "Event",
    short_names=("ev",),
    selectable_fields=(
        *(
            f"involvedObject.{field}"
            for field in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
        ),
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
)
DEPLOYMENTS = Resource(
    "apps",
    "v1",
    "deployments",
    "Deployment",
    short_names=("deploy",),
    categories=("all",),
    subresources=("scale", "status"),
    has_generation=True,
)
REPLICA_SETS = Resource(
    "apps",
    "v1",
    "replicasets",
    "ReplicaSet",
    short_names=("rs",),
    categories=("all",),
    subresources=("scale", "status"),
    selectable_fields=("status.replicas",),
    has_generation=True,
)
LEASES = Resource(
    "coordination.k8s.io", "v1", "leases", "Lease", create_on_update=True, unconditional_update=False
)

# stored and checked, so that a manifest can be tried; nothing runs a Job, no autoscaler scales anything, no
# volume is made, and Roles change nothing of what is allowed
JOBS = Resource("batch", "v1", "jobs", "Job", categories=("all",), subresources=("status",))
AUTOSCALERS = Resource(
    "autoscaling",
    "v2",
    "horizontalpodautoscalers",
    "HorizontalPodAutoscaler",
    short_names=("hpa",),
    categories=("all",),
    subresources=("status",),
)
VOLUME_CLAIMS = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", short_names=("pvc",))
_RBAC = "rbac.authorization.k8s.io"
ROLES = Resource(_RBAC, "v1", "roles", "Role")
ROLE_BINDINGS = Resource(_RBAC, "v1", "rolebindings", "RoleBinding")
CLUSTER_ROLES = Resource(_RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False)
CLUSTER_ROLE_BINDINGS = Resource(_RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False)

# created and answered, never stored
SELF_SUBJECT_ACCESS_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False
)

STORED = (
    NAMESPACES,
    NODES,
    PODS,
    SERVICES,
    SERVICE_ACCOUNTS,
    ENDPOINTS,
    ENDPOINT_SLICES,
    CONFIG_MAPS,
    EVENTS,
    DEPLOYMENTS,
    REPLICA_SETS,
    LEASES,
    JOBS,
    AUTOSCALERS,
    VOLUME_CLAIMS,
    ROLES,
    ROLE_BINDINGS,
    CLUSTER_ROLES,
    CLUSTER_ROLE_BINDINGS,
)
RESOURCES = (*STORED, SELF_SUBJECT_ACCESS_REVIEWS)


def find_resource(group: str, version: str, plural: str) -> Resource | None:
    """The resource of a path, None when the server does not know it."""
    for resource in RESOURCES:
        if (resource.group, resource.version, resource.plural) == (group, version, plural):
            return resource
    return None


def resource_of(manifest: Json) -> Resource:
    """The resource that a manifest's `apiVersion` and `kind` name.

    Raises:
        LookupError: the server does not know it.
    """
    named = (manifest.get("apiVersion"), manifest.get("kind"))
    for resource in STORED:
        if (resource.api_version, resource.kind) == named:
            return resource
    raise LookupError(f"no resource has apiVersion {named[0]} and kind {named[1]}")
