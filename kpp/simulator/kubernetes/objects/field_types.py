"""The types of the fields that the simulated cluster reads, checked as a real server does on decoding.

Only fields that matter here are listed; any other field of the real API is kept as it comes.
"""

import re
from typing import Any

from kpp.simulator.kubernetes.objects.quantities import QuantityError, parse_quantity
from kpp.simulator.kubernetes.objects.resources import Json

STRING, INTEGER, NUMBER_OR_PERCENT, BOOLEAN, OBJECT, QUANTITY, MICRO_TIME = (
    "string",
    "int32",
    "intstr.IntOrString",
    "bool",
    "object",
    "resource.Quantity",
    "v1.MicroTime",
)
_MICRO_TIME_FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)")
TEXTS = {"*": STRING}
_LARGEST_INTEGER = 2**31 - 1

_METADATA: Json = {
    "name": STRING,
    "namespace": STRING,
    "resourceVersion": STRING,
    "uid": STRING,
    "labels": TEXTS,
    "annotations": TEXTS,
    "finalizers": [STRING],
    "ownerReferences": [OBJECT],
}
_SELECTOR: Json = {
    "matchLabels": TEXTS,
    "matchExpressions": [{"key": STRING, "operator": STRING, "values": [STRING]}],
}
_PROBE: Json = {
    "initialDelaySeconds": INTEGER,
    "periodSeconds": INTEGER,
    "timeoutSeconds": INTEGER,
    "httpGet": OBJECT,
    "grpc": OBJECT,
}
_CONTAINER: Json = {
    "name": STRING,
    "image": STRING,
    "imagePullPolicy": STRING,
    "command": [STRING],
    "args": [STRING],
    "env": [{"name": STRING, "value": STRING, "valueFrom": {"fieldRef": OBJECT}}],
    "envFrom": [OBJECT],
    "ports": [{"name": STRING, "containerPort": INTEGER, "protocol": STRING}],
    "resources": {"limits": {"*": QUANTITY}, "requests": {"*": QUANTITY}},
    "volumeMounts": [{"name": STRING, "mountPath": STRING, "readOnly": BOOLEAN}],
    "readinessProbe": _PROBE,
    "livenessProbe": _PROBE,
    "startupProbe": _PROBE,
    "securityContext": OBJECT,
}
_POD_SPEC: Json = {
    "containers": [_CONTAINER],
    "initContainers": [_CONTAINER],
    "volumes": [OBJECT],
    "restartPolicy": STRING,
    "serviceAccountName": STRING,
    "nodeName": STRING,
    "nodeSelector": TEXTS,
    "terminationGracePeriodSeconds": INTEGER,
    "securityContext": OBJECT,
}
_TEMPLATE: Json = {"metadata": _METADATA, "spec": _POD_SPEC}
_METRIC_TARGET: Json = {"type": STRING, "averageUtilization": INTEGER, "averageValue": QUANTITY}
_SCALING_RULES: Json = {"selectPolicy": STRING, "stabilizationWindowSeconds": INTEGER, "policies": [OBJECT]}
_POLICY_RULE: Json = {
    "verbs": [STRING],
    "apiGroups": [STRING],
    "resources": [STRING],
    "resourceNames": [STRING],
    "nonResourceURLs": [STRING],
}

FIELD_TYPES: dict[str, Json] = {
    "Deployment": {
        "metadata": _METADATA,
        "spec": {
            "replicas": INTEGER,
            "paused": BOOLEAN,
            "minReadySeconds": INTEGER,
            "revisionHistoryLimit": INTEGER,
            "progressDeadlineSeconds": INTEGER,
            "selector": _SELECTOR,
            "strategy": {
                "type": STRING,
                "rollingUpdate": {"maxSurge": NUMBER_OR_PERCENT, "maxUnavailable": NUMBER_OR_PERCENT},
            },
            "template": _TEMPLATE,
        },
    },
    "ReplicaSet": {
        "metadata": _METADATA,
        "spec": {
            "replicas": INTEGER,
            "minReadySeconds": INTEGER,
            "selector": _SELECTOR,
            "template": _TEMPLATE,
        },
    },
    "Pod": {"metadata": _METADATA, "spec": _POD_SPEC},
    "Service": {
        "metadata": _METADATA,
        "spec": {
            "type": STRING,
            "clusterIP": STRING,
            "selector": TEXTS,
            "ports": [{"name": STRING, "port": INTEGER, "protocol": STRING, "nodePort": INTEGER}],
        },
    },
    "Scale": {"metadata": _METADATA, "spec": {"replicas": INTEGER}},
    "Lease": {
        "metadata": _METADATA,
        "spec": {
            "holderIdentity": STRING,
            "leaseDurationSeconds": INTEGER,
            "leaseTransitions": INTEGER,
            "acquireTime": MICRO_TIME,
            "renewTime": MICRO_TIME,
        },
    },
    "Job": {
        "metadata": _METADATA,
        "spec": {
            "parallelism": INTEGER,
            "completions": INTEGER,
            "backoffLimit": INTEGER,
            "activeDeadlineSeconds": INTEGER,
            "ttlSecondsAfterFinished": INTEGER,
            "suspend": BOOLEAN,
            "template": _TEMPLATE,
        },
    },
    "HorizontalPodAutoscaler": {
        "metadata": _METADATA,
        "spec": {
            "minReplicas": INTEGER,
            "maxReplicas": INTEGER,
            "scaleTargetRef": TEXTS,
            "metrics": [{"type": STRING, "resource": {"name": STRING, "target": _METRIC_TARGET}}],
            "behavior": {"scaleUp": _SCALING_RULES, "scaleDown": _SCALING_RULES},
        },
    },
    "PersistentVolumeClaim": {
        "metadata": _METADATA,
        "spec": {
            "accessModes": [STRING],
            "resources": {"limits": {"*": QUANTITY}, "requests": {"*": QUANTITY}},
            "storageClassName": STRING,
        },
    },
    "Role": {"metadata": _METADATA, "rules": [_POLICY_RULE]},
    "ClusterRole": {"metadata": _METADATA, "rules": [_POLICY_RULE]},
    "RoleBinding": {"metadata": _METADATA, "roleRef": TEXTS, "subjects": [TEXTS]},
    "ClusterRoleBinding": {"metadata": _METADATA, "roleRef": TEXTS, "subjects": [TEXTS]},
    "ConfigMap": {"metadata": _METADATA, "data": TEXTS, "binaryData": TEXTS},
    "SelfSubjectAccessReview": {"metadata": _METADATA, "spec": OBJECT},
}
_OTHER: Json = {"metadata": _METADATA, "spec": OBJECT, "status": OBJECT}

_PYTHON_TYPES: dict[str, type | tuple[type, ...]] = {
    STRING: str,
    INTEGER: int,
    NUMBER_OR_PERCENT: (int, str),
    BOOLEAN: bool,
    OBJECT: dict,
}


class DecodeError(ValueError):
    """A field has a value of another type than the API's; the message is what Go's decoder says."""


def check_types(manifest: Json, kind: str) -> None:
    """Check the fields of an object of that kind; null stands for an absent field.

    Raises:
        DecodeError: a field has another type, or is no quantity.
    """
    _check(manifest, FIELD_TYPES.get(kind, _OTHER), kind, "")


def _check(value: Any, expected: Any, owner: str, path: str) -> None:
    if value is None:
        return
    if isinstance(expected, list):
        _require(value, list, owner, path, "list")
        for item in value:  # a real server takes null for an empty item, and refuses that a moment later
            _require(item, object if item is not None else dict, owner, path, "object")
            _check(item, expected[0], owner, path)
    elif isinstance(expected, dict):
        _require(value, dict, owner, path, "object")
        for key in value.keys() if "*" in expected else value.keys() & expected.keys():
            _check(value[key], expected.get(key, expected.get("*")), owner, f"{path}.{key}".removeprefix("."))
    elif expected == QUANTITY:
        _check_quantity(value)
    elif expected == MICRO_TIME:
        _check_micro_time(value, owner, path)
    else:
        _check_scalar(value, expected, owner, path)


def _check_scalar(value: Any, expected: str, owner: str, path: str) -> None:
    is_wrong_boolean = isinstance(value, bool) and expected != BOOLEAN  # in Python a bool is an int
    is_too_large = isinstance(value, int) and abs(value) > _LARGEST_INTEGER
    if is_wrong_boolean or is_too_large or not isinstance(value, _PYTHON_TYPES[expected]):
        raise _wrong_type(value, owner, path, expected)


def _check_quantity(value: Any) -> None:
    try:
        parse_quantity(value)
    except QuantityError as error:
        raise DecodeError(str(error)) from error


def _check_micro_time(value: Any, owner: str, path: str) -> None:
    """Six digits of a second, or the server cannot read it; the Python client writes others."""
    _require(value, str, owner, path, MICRO_TIME)
    if not _MICRO_TIME_FORM.fullmatch(value):
        raise DecodeError(f'parsing time "{value}" as "2006-01-02T15:04:05.000000Z07:00": cannot parse it')


def _require(value: Any, allowed: type, owner: str, path: str, expected: str) -> None:
    if not isinstance(value, allowed):
        raise _wrong_type(value, owner, path, expected)


def _wrong_type(value: Any, owner: str, path: str, expected: str) -> DecodeError:
    given = {str: "string", int: "number", float: "number", list: "array", dict: "object", bool: "bool"}
    return DecodeError(
        f"json: cannot unmarshal {given.get(type(value), 'null')} into Go struct field {owner}.{path} "
        f"of type {expected}"
    )
