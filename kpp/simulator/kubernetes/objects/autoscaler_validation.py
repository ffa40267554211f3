"""The rules for HorizontalPodAutoscalers.

Source: k8s.io/kubernetes `pkg/apis/autoscaling/validation/validation.go`.
"""

from collections.abc import Iterator

from kpp.simulator.kubernetes.objects.resources import Json
from kpp.simulator.kubernetes.objects.status_errors import (
    FieldFault,
    invalid_value,
    not_supported,
    required,
)

_POLICIES = ["Disabled", "Max", "Min"]


def check_autoscaler(autoscaler: Json, _previous: Json | None) -> Iterator[FieldFault]:
    """What is wrong with a HorizontalPodAutoscaler: its bounds, its target, and whether it may scale."""
    spec = autoscaler.get("spec") or {}
    least, most = spec.get("minReplicas", 1), spec.get("maxReplicas", 0)
    if least < 1:
        yield invalid_value("spec.minReplicas", least, "must be greater than or equal to 1")
    if most < 1:
        yield invalid_value("spec.maxReplicas", most, "must be greater than 0")
    elif most < least:
        yield invalid_value("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`")
    target = spec.get("scaleTargetRef") or {}
    for field in ("kind", "name"):
        if not target.get(field):
            yield required(f"spec.scaleTargetRef.{field}")
    for direction in ("scaleDown", "scaleUp"):
        policy = ((spec.get("behavior") or {}).get(direction) or {}).get("selectPolicy")
        if policy not in (None, *_POLICIES):
            yield not_supported(f"spec.behavior.{direction}.selectPolicy", policy, _POLICIES)
