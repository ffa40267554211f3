"""Which lists a strategic-merge patch merges, and by which key; all other lists are replaced as a whole.

Source: the `patchStrategy` and `patchMergeKey` tags in k8s.io/api `core/v1/types.go` and `apps/v1/types.go`.
"""

_POD_SPEC = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "volumes": "name",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "resourceClaims": "name",
    "schedulingGates": "name",
}
_CONTAINER = {
    "env": "name",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
}

# by the field that holds the list, and that field's own parent
_MERGE_KEYS: dict[str, dict[str, str]] = {
    "spec": _POD_SPEC | {"ports": "port"},  # the ports of a Service: a pod's spec has none
    "containers": _CONTAINER,
    "initContainers": _CONTAINER,
    "ephemeralContainers": _CONTAINER,
    "metadata": {"ownerReferences": "uid"},
    "status": {"conditions": "type", "podIPs": "ip", "addresses": "type"},
    "": {"secrets": "name", "imagePullSecrets": "name"},  # of a ServiceAccount
}
_MERGED_SCALARS = {("metadata", "finalizers"), ("spec", "podCIDRs")}


def merge_key(parent: str, field: str) -> str | None:
    """The key that identifies the items of a merged list of objects, None when the list is not one.

    >>> merge_key("containers", "env"), merge_key("containers", "args")
    ('name', None)
    """
    return _MERGE_KEYS.get(parent, {}).get(field)


def merges_scalars(parent: str, field: str) -> bool:
    """Whether the list holds plain values that a patch adds to."""
    return (parent, field) in _MERGED_SCALARS
