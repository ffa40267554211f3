"""What a campaign changes of a cluster, as it was found: kept in the journal, so that it can be put back."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from kpp.collector.cluster.load_generator import LoadState, Variable


@dataclass(frozen=True)
class ClusterState:
    """The load generator, and the replicas of the services that a campaign scales."""

    load: LoadState
    load_uid: str  # of the load generator's Deployment: one that was made anew is another one
    replicas: Mapping[str, int]  # by Deployment
    service_uids: Mapping[str, str] = field(default_factory=dict)  # by Deployment: they tell the cluster

    def as_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read what `as_json` gave.

        Raises:
            KeyError, TypeError: it is something else.
        """
        load = content["load"]
        variables = tuple(Variable(each["name"], each["entry"]) for each in load["variables"])
        return cls(
            load=LoadState(load["replicas"], load["container"], variables),
            load_uid=content["load_uid"],
            replicas=dict(content["replicas"]),
            service_uids=dict(content.get("service_uids", {})),  # older journals have none
        )


@dataclass(frozen=True)
class Restored:
    """What came of putting a cluster back, a line each."""

    changes: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()  # what the campaign changed, and nobody can put back any more


def all_gone(state: ClusterState, load_generator: str) -> Restored:
    """What a campaign changed, as gone with its cluster."""
    had = {load_generator: str(state.load), **{name: f"replicas {n}" for name, n in state.replicas.items()}}
    return Restored(gone=tuple(f"Deployment {name} is gone; it had {text}" for name, text in had.items()))
