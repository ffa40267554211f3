"""Whether an autoscaler would change replicas while they are measured, or undo what a campaign scales."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from kpp.collector.cluster.api import KubernetesObject
from kpp.collector.config import Config
from kpp.collector.preflight.commands import kubectl
from kpp.collector.preflight.findings import Finding, Outcome

CHECK = "autoscalers"
_DISABLED = {"selectPolicy": "Disabled"}
_PAUSE = {"spec": {"behavior": {"scaleUp": _DISABLED, "scaleDown": _DISABLED}}}


@dataclass(frozen=True)
class _Autoscaler:
    """A HorizontalPodAutoscaler on a Deployment."""

    name: str
    deployment: str
    least: int
    most: int
    is_paused: bool

    @classmethod
    def read(cls, manifest: KubernetesObject) -> "_Autoscaler | None":
        """What a manifest says; None if it scales something else than a Deployment."""
        spec = manifest["spec"]
        target, behavior = spec["scaleTargetRef"], spec.get("behavior") or {}
        if target["kind"] != "Deployment":
            return None
        rules = [behavior.get(direction) or {} for direction in ("scaleUp", "scaleDown")]
        return cls(
            manifest["metadata"]["name"],
            target["name"],
            spec.get("minReplicas", 1),
            spec["maxReplicas"],
            all(each.get("selectPolicy") == "Disabled" for each in rules),
        )

    @property
    def can_scale(self) -> bool:
        """Whether it chooses the replicas; a paused one only keeps them within its bounds."""
        return not self.is_paused and self.least < self.most

    def undoes(self, counts: Collection[int]) -> bool:
        """Whether one of these numbers of replicas is out of its bounds."""
        return any(not self.least <= count <= self.most for count in counts)


def judge_autoscalers(
    manifests: Iterable[KubernetesObject],
    replicas: Mapping[str, Collection[int]],
    config: Config,
) -> Iterator[Finding]:
    """What is found of the namespace's HorizontalPodAutoscalers.

    Args:
        manifests: all of them, of `autoscaling/v2`.
        replicas: to how many the campaign scales the Deployment of each service; none: it leaves it.
        config: names the load generator and the namespace.
    """
    concerned = {*replicas, config.load_generator}
    found = [each for each in map(_Autoscaler.read, manifests) if each and each.deployment in concerned]
    is_well = True
    for each in sorted(found, key=lambda each: each.name):
        bounds = f"HorizontalPodAutoscaler {each.name} (replicas {each.least} to {each.most})"
        if each.undoes(replicas.get(each.deployment, ())):
            text = f"{bounds} would undo what the campaign makes of {each.deployment}"
            look = kubectl(config, "edit", "hpa", each.name)
            yield Finding(
                CHECK, Outcome.WARN, text, "take it away, or widen its bounds for the campaign:", look
            )
            is_well = False
        elif each.can_scale:
            text = f"{bounds} would change {each.deployment} while it is measured"
            mend = 'pause it for the campaign; afterwards the same with "behavior":null, or with what it had:'
            yield Finding(CHECK, Outcome.WARN, text, mend, _pause(each, config))
            is_well = False
    if is_well:
        yield Finding(CHECK, Outcome.PASS, "none would change replicas meanwhile")


def _pause(autoscaler: _Autoscaler, config: Config) -> str:
    patch = json.dumps(_PAUSE, separators=(",", ":"))
    return kubectl(config, "patch", "hpa", autoscaler.name, "--type", "merge", "--patch", patch)
