"""The rules for Roles and their bindings.

Source: k8s.io/kubernetes `pkg/apis/rbac/validation/validation.go`.
"""

from collections.abc import Iterator

from kpp.simulator.kubernetes.objects.resources import Json
from kpp.simulator.kubernetes.objects.status_errors import (
    FieldFault,
    invalid_value,
    not_supported,
    required,
)

_GROUP = "rbac.authorization.k8s.io"
_SUBJECT_GROUPS = {"ServiceAccount": "", "User": _GROUP, "Group": _GROUP}


def check_role(role: Json, _previous: Json | None) -> Iterator[FieldFault]:
    """What is wrong with the rules of a Role or ClusterRole."""
    for index, rule in enumerate(role.get("rules") or []):
        path = f"rules[{index}]"
        if not rule.get("verbs"):
            yield required(f"{path}.verbs", "verbs must contain at least one value")
        if rule.get("nonResourceURLs"):
            if role["kind"] == "Role":
                problem = "namespaced rules cannot apply to non-resource URLs"
                yield invalid_value(f"{path}.nonResourceURLs", rule["nonResourceURLs"], problem)
            continue
        if not rule.get("apiGroups"):
            yield required(f"{path}.apiGroups", "resource rules must supply at least one api group")
        if not rule.get("resources"):
            yield required(f"{path}.resources", "resource rules must supply at least one resource")


def check_role_binding(binding: Json, previous: Json | None) -> Iterator[FieldFault]:
    """What is wrong with a RoleBinding or ClusterRoleBinding."""
    role = binding.get("roleRef") or {}
    kinds = ["ClusterRole"] if binding["kind"] == "ClusterRoleBinding" else ["Role", "ClusterRole"]
    if role.get("apiGroup") != _GROUP:
        yield not_supported("roleRef.apiGroup", role.get("apiGroup", ""), [_GROUP])
    if role.get("kind") not in kinds:
        yield not_supported("roleRef.kind", role.get("kind", ""), kinds)
    if not role.get("name"):
        yield required("roleRef.name")
    if previous is not None and role != previous.get("roleRef"):
        yield invalid_value("roleRef", role, "cannot change roleRef")
    for index, subject in enumerate(binding.get("subjects") or []):
        yield from _check_subject(subject, f"subjects[{index}]")


def _check_subject(subject: Json, path: str) -> Iterator[FieldFault]:
    kind = subject.get("kind", "")
    if not subject.get("name"):
        yield required(f"{path}.name")
    if kind not in _SUBJECT_GROUPS:
        yield not_supported(f"{path}.kind", kind, sorted(_SUBJECT_GROUPS))
    elif subject.get("apiGroup", _SUBJECT_GROUPS[kind]) != _SUBJECT_GROUPS[kind]:
        yield not_supported(f"{path}.apiGroup", subject["apiGroup"], [_SUBJECT_GROUPS[kind]])
    if kind == "ServiceAccount" and not subject.get("namespace"):
        yield required(f"{path}.namespace")
