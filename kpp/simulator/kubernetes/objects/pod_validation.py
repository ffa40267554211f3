"""The rules for pods and their containers, in pods and in templates.

Source: k8s.io/kubernetes `pkg/apis/core/validation/validation.go`.
"""

from collections.abc import Iterator

from kpp.simulator.kubernetes.objects.names import DNS_LABEL
from kpp.simulator.kubernetes.objects.quantities import parse_quantity
from kpp.simulator.kubernetes.objects.resources import Json
from kpp.simulator.kubernetes.objects.status_errors import (
    FieldFault,
    duplicate,
    forbidden_field,
    invalid_value,
    required,
)


def check_pod_spec(spec: Json, path: str) -> Iterator[FieldFault]:
    """What is wrong with a pod's spec, which stands at `path` in its object."""
    if not spec.get("containers"):
        yield required(f"{path}.containers")
    names: set[str] = set()
    for field in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(field, [])):
            place = f"{path}.{field}[{index}]"
            yield from _check_container(container, place)
            name = container.get("name", "")
            if name in names:
                yield duplicate(f"{place}.name", name)
            names.add(name)


def _check_container(container: Json, path: str) -> Iterator[FieldFault]:
    if not container.get("name"):
        yield required(f"{path}.name")
    else:
        fault = DNS_LABEL.fault(f"{path}.name", container["name"])
        if fault is not None:
            yield fault
    if not container.get("image"):
        yield required(f"{path}.image")
    for index, port in enumerate(container.get("ports", [])):
        if not 0 < port.get("containerPort", 0) < 65536:
            problem = "must be between 1 and 65535, inclusive"
            yield invalid_value(f"{path}.ports[{index}].containerPort", port.get("containerPort", 0), problem)
    for index, variable in enumerate(container.get("env", [])):
        yield from _check_variable(variable, f"{path}.env[{index}]")
    yield from _check_resources(container.get("resources") or {}, f"{path}.resources")


def _check_variable(variable: Json, path: str) -> Iterator[FieldFault]:
    if not variable.get("name"):
        yield required(f"{path}.name")
    elif "=" in variable["name"]:
        problem = (
            "a valid environment variable name must consist only of printable ASCII characters other than '='"
        )
        yield invalid_value(f"{path}.name", variable["name"], problem)
    source = variable.get("valueFrom")
    if source is not None:
        if not source:
            problem = (
                "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
            )
            yield FieldFault(f"{path}.valueFrom", f'Invalid value: "": {problem}')
        elif variable.get("value"):
            yield FieldFault(
                f"{path}.valueFrom", 'Invalid value: "": may not be specified when `value` is not empty'
            )


def _check_resources(resources: Json, path: str) -> Iterator[FieldFault]:
    limits = resources.get("limits") or {}
    for part in ("limits", "requests"):
        for name, value in (resources.get(part) or {}).items():
            if parse_quantity(value) < 0:
                yield invalid_value(f"{path}.{part}[{name}]", value, "must be greater than or equal to 0")
    for name, value in (resources.get("requests") or {}).items():
        if name in limits and parse_quantity(value) > parse_quantity(limits[name]):
            problem = f"must be less than or equal to {name} limit of {limits[name]}"
            yield invalid_value(f"{path}.requests", value, problem)


def check_pod_update(spec: Json, previous: Json) -> Iterator[FieldFault]:
    """What a change of a pod's spec may not change."""

    def comparable(pod_spec: Json) -> Json:
        containers = [{**container, "image": None} for container in pod_spec.get("containers", [])]
        return {**pod_spec, "containers": containers, "tolerations": None, "activeDeadlineSeconds": None}

    if comparable(spec) != comparable(previous):
        yield forbidden_field(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,"
            "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` "
            "(only additions to existing tolerations),`spec.terminationGracePeriodSeconds` "
            "(allow it to be set to 1 if it was previously negative)",
        )
