"""How many replicas each ReplicaSet of a Deployment gets: pure decisions, numbers in, numbers out.

Source: k8s.io/kubernetes `pkg/controller/deployment/{rolling,sync,recreate}.go`, `util/deployment_util.go`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kpp.simulator.kubernetes.objects.resources import Json

Plan = dict[str, int]  # the ReplicaSets to be changed, and the replicas that each is to have


@dataclass(frozen=True)
class Bounds:
    """How many replicas a Deployment wants, and how far a roll-out may stray from that."""

    wanted: int
    max_surge: int
    max_unavailable: int

    @property
    def most(self) -> int:
        """Replicas at most; none at all when none are wanted."""
        return self.wanted + self.max_surge if self.wanted else 0

    @property
    def fewest_available(self) -> int:
        """Replicas that have to stay available."""
        return self.wanted - self.max_unavailable


@dataclass(frozen=True)
class Size:
    """A ReplicaSet as the decisions see it."""

    name: str
    wanted: int
    available: int
    created_at: str
    most_before: int | None = None  # the Deployment's `most` when this one was last scaled


def read_bounds(spec: Json) -> Bounds:
    """The bounds in a Deployment's spec: percentages of surge round up, of unavailability down.

    >>> rolling = {"maxSurge": "25%", "maxUnavailable": "25%"}
    >>> read_bounds({"replicas": 1, "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling}})
    Bounds(wanted=1, max_surge=1, max_unavailable=0)
    """
    wanted = spec["replicas"]
    rolling = spec["strategy"].get("rollingUpdate")
    if rolling is None:
        return Bounds(wanted, 0, 0)
    surge = math.ceil(_resolve(rolling["maxSurge"], wanted))
    unavailable = math.floor(_resolve(rolling["maxUnavailable"], wanted))
    if surge == 0 and unavailable == 0:
        unavailable = 1  # else nothing could ever move
    return Bounds(wanted, surge, min(unavailable, wanted))


def plan_new_size(bounds: Bounds, new_wanted: int, all_wanted: int) -> int:
    """The replicas of the new ReplicaSet when it may only fill up what is left below `most`."""
    if new_wanted >= bounds.wanted:
        return bounds.wanted
    return new_wanted + max(min(bounds.wanted + bounds.max_surge - all_wanted, bounds.wanted - new_wanted), 0)


def plan_rolling_update(bounds: Bounds, new: Size, old: Sequence[Size]) -> Plan:
    """The next step: the new ReplicaSet grows if it may, else the old ones shrink if they may."""
    all_wanted = new.wanted + sum(size.wanted for size in old)
    new_size = plan_new_size(bounds, new.wanted, all_wanted)
    if new_size != new.wanted:
        return {new.name: new_size}
    new_unavailable = new.wanted - new.available
    removable = all_wanted - bounds.fewest_available - new_unavailable
    if removable <= 0:
        return {}
    oldest_first = sorted(old, key=lambda size: (size.created_at, size.name))
    plan = _remove_unavailable(oldest_first, removable)
    available = new.available + sum(size.available for size in old)
    excess = available - bounds.fewest_available
    for size in oldest_first:
        wanted = plan.get(size.name, size.wanted)
        removed = min(wanted, max(excess, 0))
        if removed:
            plan[size.name] = wanted - removed
            excess -= removed
    return plan


def plan_recreate(wanted: int, new: Size | None, old: Sequence[Size], *, old_pods_are_gone: bool) -> Plan:
    """The next step of a roll-out that stops everything first."""
    shrinking = {size.name: 0 for size in old if size.wanted}
    if shrinking or new is None or not old_pods_are_gone:
        return shrinking
    return {new.name: wanted} if new.wanted != wanted else {}


def plan_scaling(bounds: Bounds, new: Size | None, old: Sequence[Size]) -> Plan:
    """Spread a changed number of replicas over the ReplicaSets: in proportion, during a roll-out."""
    everyone = [*old, *([new] if new else [])]
    active = [size for size in everyone if size.wanted]
    if len(active) <= 1:
        latest = active[0] if active else new
        is_due = latest is not None and latest.wanted != bounds.wanted
        return {latest.name: bounds.wanted} if latest is not None and is_due else {}
    if new is not None and new.wanted == bounds.wanted == new.available:
        return {size.name: 0 for size in old if size.wanted}
    return _spread(bounds, active)


def _spread(bounds: Bounds, active: Sequence[Size]) -> Plan:
    missing = bounds.most - sum(size.wanted for size in active)
    largest_first = sorted(active, key=lambda size: size.created_at, reverse=missing > 0)
    largest_first.sort(key=lambda size: size.wanted, reverse=True)  # newer first when growing, older when not
    added = 0
    plan: Plan = {}
    for size in largest_first:
        share = _share(bounds, size, missing, added)
        plan[size.name] = size.wanted + share
        added += share
    first = largest_first[0].name
    plan[first] = max(plan[first] + missing - added, 0)
    return {size.name: plan[size.name] for size in active if plan[size.name] != size.wanted}


def _share(bounds: Bounds, size: Size, missing: int, added: int) -> int:
    allowed = missing - added
    if not allowed:
        return 0
    if not bounds.wanted:
        fraction = -size.wanted
    else:
        scaled = size.wanted * (bounds.wanted + bounds.max_surge) / (size.most_before or bounds.most)
        fraction = math.floor(scaled + 0.5) - size.wanted
    return min(fraction, allowed) if missing > 0 else max(fraction, allowed)


def _remove_unavailable(old: Sequence[Size], removable: int) -> Plan:
    """Old replicas that are not available go first: nobody misses them."""
    plan: Plan = {}
    for size in old:
        removed = min(removable, max(size.wanted - size.available, 0))
        if removed:
            plan[size.name] = size.wanted - removed
            removable -= removed
    return plan


def _resolve(value: int | str, wanted: int) -> float:
    return value if isinstance(value, int) else int(value.removesuffix("%")) * wanted / 100
