"""The last changes of the store: what watches replay and what paged lists roll back to."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from kpp.simulator.kubernetes.objects.resources import Json, Resource

ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]


@dataclass(frozen=True)
class Change:
    """One write. `previous` is None for an added object; a deleted one has its last state in `object`."""

    type: ChangeType
    resource: Resource
    object: Json
    previous: Json | None
    version: int

    @property
    def key(self) -> tuple[str, str]:
        """Namespace ("" for cluster-wide objects) and name."""
        return object_key(self.object)


def object_key(manifest: Json) -> tuple[str, str]:
    """Namespace ("" for cluster-wide objects) and name of an object."""
    metadata = manifest["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


class History:
    """The last `length` changes, as etcd keeps them until it compacts."""

    def __init__(self, length: int) -> None:
        self._changes: deque[Change] = deque(maxlen=length)
        self.compacted_version = 0  # changes up to this one are forgotten

    def append(self, change: Change) -> None:
        """Remember a change; the oldest one may be forgotten for it."""
        if len(self._changes) == self._changes.maxlen:
            self.compacted_version = self._changes[0].version
        self._changes.append(change)

    def reaches(self, version: int) -> bool:
        """Whether every change after `version` is still known."""
        return version >= self.compacted_version

    def since(self, version: int) -> list[Change]:
        """The changes after `version`, oldest first."""
        return list(self._newest_first(version))[::-1]

    def roll_back(self, resource: Resource, objects: dict[tuple[str, str], Json], version: int) -> None:
        """Turn the present `objects` of a resource into those of an earlier version, in place."""
        for change in self._newest_first(version):
            if change.resource is not resource:
                continue
            if change.previous is None:
                objects.pop(change.key, None)
            else:
                objects[change.key] = change.previous

    def _newest_first(self, version: int) -> Iterator[Change]:
        for change in reversed(self._changes):
            if change.version <= version:
                return
            yield change
