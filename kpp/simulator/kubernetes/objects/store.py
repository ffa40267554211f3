"""The object store: every object of the cluster, one counter of versions, and the last changes.

Objects that the store hands out are never changed in place, by the store or by anyone else: whoever changes
one copies it first (`edit` does) and writes it back.
"""

import threading
from collections.abc import Callable
from random import Random
from uuid import UUID

from kpp.simulator.kubernetes.objects.history import Change, ChangeType, History, object_key
from kpp.simulator.kubernetes.objects.resources import NAMESPACES, STORED, Json, Resource, copy_json
from kpp.simulator.kubernetes.objects.status_errors import (
    StatusError,
    already_exists,
    conflict,
    expired_version,
    not_found,
)
from kpp.simulator.kubernetes.objects.timestamps import format_timestamp

HISTORY_LENGTH = 5000  # changes; a real API server forgets after five minutes

Listener = Callable[[Change], None]


class ObjectStore:
    """All objects. Hold `lock` over several calls that belong together.

    Args:
        now: the cluster's time, Unix seconds; whoever moves the cluster sets the attribute of that name.
        random: where uids come from.
        history_length: how many changes are kept for watches and paged lists.
    """

    def __init__(self, now: float, random: Random, history_length: int = HISTORY_LENGTH) -> None:
        self.now = now
        self.lock = threading.RLock()
        self.version = 0  # of the last change; objects carry theirs as `resourceVersion`
        self.history = History(history_length)
        self._random = random
        self._objects: dict[Resource, dict[tuple[str, str], Json]] = {resource: {} for resource in STORED}
        self._owned: dict[tuple[Resource, str], set[tuple[str, str]]] = {}  # by the uid of the controller
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` after each change, within the lock; returns what ends that."""
        with self.lock:
            self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def find(self, resource: Resource, name: str, namespace: str = "") -> Json | None:
        """The object of that name, None when there is none."""
        with self.lock:
            return self._objects[resource].get((namespace, name))

    def get(self, resource: Resource, name: str, namespace: str = "") -> Json:
        """The object of that name.

        Raises:
            StatusError: 404, there is none.
        """
        found = self.find(resource, name, namespace)
        if found is None:
            raise not_found(resource, name)
        return found

    def list_all(self, resource: Resource, namespace: str | None = None) -> list[Json]:
        """All objects of a resource, sorted by namespace and name; None means every namespace."""
        with self.lock:
            return _select(self._objects[resource], namespace)

    def list_owned(self, resource: Resource, owner: Json) -> list[Json]:
        """The objects of a resource that `owner` controls, sorted by name."""
        with self.lock:
            keys = sorted(self._owned.get((resource, owner["metadata"]["uid"]), ()))
            return [self._objects[resource][key] for key in keys]

    def list_at(self, resource: Resource, namespace: str | None, version: int) -> list[Json]:
        """The objects as they were at an earlier version.

        Raises:
            StatusError: 410, that version is forgotten.
        """
        with self.lock:
            self._check_known(version)
            objects = dict(self._objects[resource])
            self.history.roll_back(resource, objects, version)
            return _select(objects, namespace)

    def changes_since(self, version: int) -> list[Change]:
        """The changes after that version, oldest first.

        Raises:
            StatusError: 410, some of them are forgotten.
        """
        with self.lock:
            self._check_known(version)
            return self.history.since(version)

    def create(self, resource: Resource, manifest: Json, *, dry_run: bool = False) -> Json:
        """Store a new object with its uid, version, generation and time; a dry run only makes it.

        Raises:
            StatusError: 409, the name is taken; 404, its namespace does not exist.
        """
        with self.lock:
            created = copy_json(manifest)
            namespace, name = object_key(created)
            if resource.namespaced:
                self.get(NAMESPACES, namespace)
            if (namespace, name) in self._objects[resource]:
                raise already_exists(resource, name)
            metadata = created["metadata"]
            metadata["uid"] = str(UUID(int=self._random.getrandbits(128), version=4))
            metadata["creationTimestamp"] = format_timestamp(self.now)
            if resource.has_generation:
                metadata["generation"] = 1
            return created if dry_run else self._write("ADDED", resource, created, None)

    def replace(self, resource: Resource, manifest: Json, *, dry_run: bool = False) -> Json:
        """Store a new state of an object; what changes nothing is not written and keeps the version.

        A change of `spec` raises the generation. A `resourceVersion` in the manifest has to be the present
        one.

        Raises:
            StatusError: 404, there is no such object; 409, it was changed since.
        """
        with self.lock:
            namespace, name = object_key(manifest)
            previous = self.get(resource, name, namespace)
            metadata = {**previous["metadata"], **manifest["metadata"]}
            if metadata["resourceVersion"] != previous["metadata"]["resourceVersion"]:
                raise conflict(resource, name)
            kept = {key: previous["metadata"][key] for key in _FIXED if key in previous["metadata"]}
            replaced: Json = {**manifest, "metadata": {**manifest["metadata"], **kept}}
            if replaced == previous:
                return previous
            replaced = copy_json(replaced)
            if resource.has_generation and replaced.get("spec") != previous.get("spec"):
                replaced["metadata"]["generation"] = previous["metadata"]["generation"] + 1
            return replaced if dry_run else self._write("MODIFIED", resource, replaced, previous)

    def edit(self, resource: Resource, present: Json, change: Callable[[Json], None]) -> Json:
        """Change a copy of an object's present state, and store that."""
        with self.lock:
            namespace, name = object_key(present)
            edited = copy_json(self.get(resource, name, namespace))
            change(edited)
            return self.replace(resource, edited)

    def remove(self, resource: Resource, name: str, namespace: str = "") -> Json:
        """Take an object out and return its last state.

        Raises:
            StatusError: 404, there is no such object.
        """
        with self.lock:
            previous = self.get(resource, name, namespace)
            removed = {**previous, "metadata": dict(previous["metadata"])}
            return self._write("DELETED", resource, removed, previous)

    def _check_known(self, version: int) -> None:
        if not self.history.reaches(version):
            raise self.expired(version)

    def expired(self, version: int) -> StatusError:
        """410 for a version that is forgotten."""
        return expired_version(version, self.history.compacted_version)

    def _write(self, kind: ChangeType, resource: Resource, manifest: Json, previous: Json | None) -> Json:
        self.version += 1
        manifest["metadata"]["resourceVersion"] = str(self.version)
        self._index(resource, previous, manifest if kind != "DELETED" else None)
        if kind == "DELETED":
            del self._objects[resource][object_key(manifest)]
        else:
            self._objects[resource][object_key(manifest)] = manifest
        change = Change(kind, resource, manifest, previous, self.version)
        self.history.append(change)
        for listener in tuple(self._listeners):
            listener(change)
        return manifest

    def _index(self, resource: Resource, before: Json | None, after: Json | None) -> None:
        owner, new_owner = (controller_uid(part) if part else None for part in (before, after))
        if owner == new_owner:
            return
        if before is not None and owner is not None:
            self._owned[resource, owner].discard(object_key(before))
        if after is not None and new_owner is not None:
            self._owned.setdefault((resource, new_owner), set()).add(object_key(after))


# what only the store sets
_FIXED = ("uid", "creationTimestamp", "generation", "resourceVersion")


def controller_reference(manifest: Json) -> Json | None:
    """The reference to what controls an object, None when nothing does."""
    references = manifest["metadata"].get("ownerReferences", [])
    return next((reference for reference in references if reference.get("controller")), None)


def controller_uid(manifest: Json) -> str | None:
    """The uid of what controls an object, None when nothing does."""
    reference = controller_reference(manifest)
    return reference["uid"] if reference is not None else None


def _select(objects: dict[tuple[str, str], Json], namespace: str | None) -> list[Json]:
    return [objects[key] for key in sorted(objects) if namespace is None or key[0] == namespace]
