"""The scale subresource: a Deployment or ReplicaSet seen as a number of replicas."""

from collections.abc import Callable

from kpp.simulator.kubernetes.objects.field_types import DecodeError, check_types
from kpp.simulator.kubernetes.objects.registry import Registry
from kpp.simulator.kubernetes.objects.resources import Json, Resource, copy_json
from kpp.simulator.kubernetes.objects.selectors import format_selector
from kpp.simulator.kubernetes.objects.status_errors import bad_request, conflict, invalid
from kpp.simulator.kubernetes.objects.validation import check_replicas

_SHARED_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def read_scale(workload: Json) -> Json:
    """The Scale object; a number that is zero is left out, as the API does."""
    metadata = workload["metadata"]
    replicas, present = workload["spec"]["replicas"], workload.get("status", {}).get("replicas", 0)
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: metadata[key] for key in _SHARED_METADATA if key in metadata},
        "spec": {"replicas": replicas} if replicas else {},
        "status": {"replicas": present, "selector": format_selector(workload["spec"]["selector"])},
    }


def write_scale(
    registry: Registry,
    resource: Resource,
    name: str,
    namespace: str,
    change: Callable[[Json], Json],
    *,
    dry_run: bool = False,
) -> Json:
    """Scale a workload to what `change` makes of its Scale object; returns the new one.

    Raises:
        StatusError: 404, there is no such workload; 409, it was changed since; 400 or 422, a bad number.
    """
    with registry.store.lock:
        present = registry.store.get(resource, name, namespace)
        scale = change(read_scale(present))
        replicas = _check(resource, name, scale, present)

        def set_replicas(workload: Json) -> Json:
            scaled = copy_json(workload)
            scaled["spec"]["replicas"] = replicas
            return scaled

        return read_scale(registry.patch(resource, name, namespace, set_replicas, dry_run=dry_run))


def _check(resource: Resource, name: str, scale: Json, present: Json) -> int:
    try:
        check_types(scale, "Scale")
    except DecodeError as error:
        raise bad_request(f'Scale in version "v1" cannot be handled as a Scale: {error}') from error
    given = (scale.get("metadata") or {}).get("name", name)
    if given != name:
        raise bad_request(f"the name of the object ({given}) does not match the name on the URL ({name})")
    version = (scale.get("metadata") or {}).get("resourceVersion") or present["metadata"]["resourceVersion"]
    if version != present["metadata"]["resourceVersion"]:
        raise conflict(resource, name)
    spec = scale.get("spec") or {}
    faults = list(check_replicas(spec))
    if faults:
        raise invalid("Scale", "autoscaling", name, faults)
    return int(spec.get("replicas") or 0)
