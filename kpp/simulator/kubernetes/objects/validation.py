"""The rules that a well-formed object has to keep; what breaks them is a 422 with one cause per field.

Source: k8s.io/kubernetes `pkg/apis/{core,apps}/validation/validation.go`.
"""

from collections.abc import Callable, Iterator
from typing import Any

from kpp.simulator.kubernetes.objects.access_validation import check_role, check_role_binding
from kpp.simulator.kubernetes.objects.autoscaler_validation import check_autoscaler
from kpp.simulator.kubernetes.objects.job_validation import check_job, check_volume_claim
from kpp.simulator.kubernetes.objects.names import name_form
from kpp.simulator.kubernetes.objects.pod_validation import check_pod_spec, check_pod_update
from kpp.simulator.kubernetes.objects.resources import Json, Resource
from kpp.simulator.kubernetes.objects.selectors import matches_labels
from kpp.simulator.kubernetes.objects.status_errors import (
    FieldFault,
    forbidden_field,
    invalid_value,
    not_supported,
    required,
)

_NOT_NEGATIVE = "must be greater than or equal to 0"
_IMMUTABLE = "field is immutable"


_OTHER_CHECKS: dict[str, Callable[[Json, Json | None], Iterator[FieldFault]]] = {
    "Job": check_job,
    "HorizontalPodAutoscaler": check_autoscaler,
    "PersistentVolumeClaim": check_volume_claim,
    "Role": check_role,
    "ClusterRole": check_role,
    "RoleBinding": check_role_binding,
    "ClusterRoleBinding": check_role_binding,
}


def find_faults(resource: Resource, manifest: Json, previous: Json | None) -> list[FieldFault]:
    """All that is wrong with an object, defaults filled in; `previous` is what it replaces, if anything."""
    faults = list(_check_metadata(resource, manifest))
    spec = manifest.get("spec") or {}
    match resource.kind:
        case "Deployment" | "ReplicaSet":
            faults += _check_workload(spec)
            faults += _check_strategy(spec)
            faults += _check_immutable(spec, previous, "selector")
        case "Pod":
            faults += check_pod_spec(spec, "spec")
            if previous is not None:
                faults += check_pod_update(spec, previous["spec"])
        case "Service":
            faults += _check_service(spec)
        case "Lease":
            seconds = spec.get("leaseDurationSeconds")
            if seconds is not None and seconds <= 0:
                faults.append(invalid_value("spec.leaseDurationSeconds", seconds, "must be greater than 0"))
        case kind if kind in _OTHER_CHECKS:
            faults += _OTHER_CHECKS[kind](manifest, previous)
    return faults


def check_replicas(spec: Json) -> Iterator[FieldFault]:
    """What is wrong with a wanted number of replicas, for Scale objects too."""
    yield from _check_not_negative(spec, "replicas")


def _check_metadata(resource: Resource, manifest: Json) -> Iterator[FieldFault]:
    name = manifest["metadata"].get("name")
    if not name:
        yield required("metadata.name", "name or generateName is required")
    else:
        fault = name_form(resource).fault("metadata.name", name)
        if fault is not None:
            yield fault


def _check_workload(spec: Json) -> Iterator[FieldFault]:
    for field in ("replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"):
        yield from _check_not_negative(spec, field)
    template = spec.get("template") or {}
    selector = spec.get("selector")
    labels = (template.get("metadata") or {}).get("labels") or {}
    if selector is None:
        yield required("spec.selector")
    elif not selector.get("matchLabels") and not selector.get("matchExpressions"):
        yield invalid_value("spec.selector", selector, "empty selector is invalid for deployment")
    elif not matches_labels(selector, labels):
        shown = "{" + ",".join(f'"{key}":"{value}"' for key, value in sorted(labels.items())) + "}"
        problem = "`selector` does not match template `labels`"
        yield FieldFault("spec.template.metadata.labels", f"Invalid value: {shown}: {problem}")
    pod_spec = template.get("spec") or {}
    yield from check_pod_spec(pod_spec, "spec.template.spec")
    policy = pod_spec.get("restartPolicy")
    if policy not in (None, "Always"):
        yield not_supported("spec.template.spec.restartPolicy", policy, ["Always"])


def _check_strategy(spec: Json) -> Iterator[FieldFault]:
    strategy = spec.get("strategy") or {}
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind == "Recreate" and rolling is not None:
        problem = "may not be specified when strategy `type` is 'Recreate'"
        yield forbidden_field("spec.strategy.rollingUpdate", problem)
    elif kind not in (None, "Recreate", "RollingUpdate"):
        yield not_supported("spec.strategy.type", kind, ["Recreate", "RollingUpdate"])
    for field in ("maxSurge", "maxUnavailable"):
        value = (rolling or {}).get(field)
        if value is not None and not _is_count_or_percent(value):
            problem = "a valid percent string must be a numeric string followed by an ending '%'"
            yield invalid_value(f"spec.strategy.rollingUpdate.{field}", value, problem)
    if rolling and all(str(rolling.get(field)) in ("0", "0%") for field in ("maxSurge", "maxUnavailable")):
        problem = "may not be 0 when `maxSurge` is 0"
        yield invalid_value("spec.strategy.rollingUpdate.maxUnavailable", rolling["maxUnavailable"], problem)


def _check_service(spec: Json) -> Iterator[FieldFault]:
    kinds = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]
    if spec.get("type") not in kinds:
        yield not_supported("spec.type", spec.get("type"), kinds)
    if not spec.get("ports") and spec.get("clusterIP") != "None" and spec.get("type") != "ExternalName":
        yield required("spec.ports")
    for index, port in enumerate(spec.get("ports", [])):
        if not 0 < port.get("port", 0) < 65536:
            problem = "must be between 1 and 65535, inclusive"
            yield invalid_value(f"spec.ports[{index}].port", port.get("port", 0), problem)


def _check_immutable(spec: Json, previous: Json | None, field: str) -> Iterator[FieldFault]:
    if previous is not None and spec.get(field) != previous["spec"].get(field):
        yield invalid_value(f"spec.{field}", spec.get(field), _IMMUTABLE)


def _check_not_negative(spec: Json, field: str) -> Iterator[FieldFault]:
    value = spec.get(field)
    if value is not None and value < 0:
        yield invalid_value(f"spec.{field}", value, _NOT_NEGATIVE)


def _is_count_or_percent(value: Any) -> bool:
    if isinstance(value, int):
        return value >= 0
    return isinstance(value, str) and value.endswith("%") and value[:-1].isdecimal()
