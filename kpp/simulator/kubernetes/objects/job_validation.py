"""The rules for Jobs and for the claims of their volumes.

Source: k8s.io/kubernetes `pkg/apis/{batch,core}/validation/validation.go`.
"""

from collections.abc import Iterator

from kpp.simulator.kubernetes.objects.pod_validation import check_pod_spec
from kpp.simulator.kubernetes.objects.resources import Json
from kpp.simulator.kubernetes.objects.status_errors import (
    FieldFault,
    forbidden_field,
    invalid_value,
    not_supported,
    required,
)

_ACCESS_MODES = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"]


def check_job(job: Json, previous: Json | None) -> Iterator[FieldFault]:
    """What is wrong with a Job."""
    spec = job["spec"]
    for field in ("parallelism", "completions", "backoffLimit", "activeDeadlineSeconds"):
        if spec.get(field, 0) < 0:
            yield invalid_value(f"spec.{field}", spec[field], "must be greater than or equal to 0")
    pod_spec = (spec.get("template") or {}).get("spec") or {}
    yield from check_pod_spec(pod_spec, "spec.template.spec")
    yield from _check_volumes(pod_spec)
    if pod_spec.get("restartPolicy") not in ("OnFailure", "Never"):
        yield required("spec.template.spec.restartPolicy", 'valid values: "OnFailure", "Never"')
    if previous is not None and spec.get("template") != previous["spec"].get("template"):
        yield invalid_value("spec.template", "", "field is immutable")


def check_volume_claim(claim: Json, previous: Json | None) -> Iterator[FieldFault]:
    """What is wrong with a PersistentVolumeClaim."""
    spec = claim.get("spec") or {}
    modes = spec.get("accessModes") or []
    if not modes:
        yield required("spec.accessModes", "at least 1 access mode is required")
    for index, mode in enumerate(modes):
        if mode not in _ACCESS_MODES:
            yield not_supported(f"spec.accessModes[{index}]", mode, _ACCESS_MODES)
    if "storage" not in ((spec.get("resources") or {}).get("requests") or {}):
        yield required("spec.resources[storage]")
    if previous is not None and spec != previous["spec"]:
        yield forbidden_field("spec", "spec is immutable after creation")


def _check_volumes(pod_spec: Json) -> Iterator[FieldFault]:
    volumes = {volume.get("name") for volume in pod_spec.get("volumes", [])}
    for place, container in enumerate(pod_spec.get("containers", [])):
        for index, mount in enumerate(container.get("volumeMounts", [])):
            if mount.get("name") not in volumes:
                path = f"spec.template.spec.containers[{place}].volumeMounts[{index}].name"
                yield FieldFault(path, f'Not found: "{mount.get("name", "")}"', "FieldValueNotFound")
