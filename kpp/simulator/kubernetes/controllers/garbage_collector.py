"""Garbage collection: what belonged to a deleted object goes too, unless it is to be left behind.

Source: k8s.io/kubernetes `pkg/controller/garbagecollector` and `pkg/controller/namespace`.
"""

from kpp.simulator.kubernetes.objects.deletion import (
    FOREGROUND,
    ORPHAN,
    DeleteOptions,
    delete_object,
    remove_finalizer,
)
from kpp.simulator.kubernetes.objects.resources import NAMESPACES, STORED, Json, Resource
from kpp.simulator.kubernetes.objects.store import ObjectStore

_LOOK_AGAIN_SECONDS = 0.5  # while dependents are still going


class GarbageCollector:
    """Looks at one deleted object at a time."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def collect(self, owner: Json) -> None:
        """Delete what a removed object controlled."""
        for resource, dependent in self._dependents(owner):
            self._delete(resource, dependent, DeleteOptions())

    def finalize(self, resource: Resource, namespace: str, name: str) -> float | None:
        """Do what an object that is being deleted waits for; returns when to look again, Unix seconds."""
        present = self._store.find(resource, name, namespace)
        if present is None or "deletionTimestamp" not in present["metadata"]:
            return None
        if resource is NAMESPACES:
            return self._empty_namespace(name)
        finalizers = present["metadata"].get("finalizers", [])
        if ORPHAN in finalizers:
            for kind, dependent in self._dependents(present):
                self._store.edit(kind, dependent, _disown)
            remove_finalizer(self._store, resource, present, ORPHAN)
        elif FOREGROUND in finalizers:
            dependents = self._dependents(present)
            for kind, dependent in dependents:
                self._delete(kind, dependent, DeleteOptions(propagation="Foreground"))
            if dependents:
                return self._store.now + _LOOK_AGAIN_SECONDS
            remove_finalizer(self._store, resource, present, FOREGROUND)
        return None

    def _empty_namespace(self, name: str) -> float | None:
        contents = [
            (resource, each)
            for resource in STORED
            if resource.namespaced
            for each in self._store.list_all(resource, name)
        ]
        for resource, each in contents:
            self._delete(resource, each, DeleteOptions())
        if contents:
            return self._store.now + _LOOK_AGAIN_SECONDS
        self._store.remove(NAMESPACES, name)
        return None

    def _dependents(self, owner: Json) -> list[tuple[Resource, Json]]:
        return [(resource, each) for resource in STORED for each in self._store.list_owned(resource, owner)]

    def _delete(self, resource: Resource, present: Json, options: DeleteOptions) -> None:
        metadata = present["metadata"]
        is_there = self._store.find(resource, metadata["name"], metadata["namespace"]) is not None
        if is_there and "deletionTimestamp" not in metadata:
            delete_object(self._store, resource, metadata["name"], metadata["namespace"], options)


def _disown(edited: Json) -> None:
    references = edited["metadata"]["ownerReferences"]
    edited["metadata"]["ownerReferences"] = [each for each in references if not each.get("controller")]
