"""JSON patches (RFC 6902) by the library `jsonpatch`, as lenient as the API server's own."""

from collections.abc import MutableMapping
from types import MappingProxyType
from typing import Any

from jsonpatch import JsonPatch, JsonPatchException, ReplaceOperation
from jsonpointer import JsonPointerException

from kpp.simulator.kubernetes.objects.resources import Json


class JsonPatchError(ValueError):
    """The patch is none, or does not fit the object."""


class _LenientReplace(ReplaceOperation):
    """Sets a key that is missing, too: evanphx/json-patch v4, which the API server uses, does so."""

    def apply(self, obj: Any) -> Any:
        pointer: Any = self.pointer  # its type stubs lag behind
        operation: Any = self.operation
        parent, key = pointer.to_last(obj)
        if isinstance(parent, MutableMapping) and key is not None and "value" in operation:
            parent[key] = operation["value"]
            return obj
        return super().apply(obj)


class _LenientJsonPatch(JsonPatch):
    operations = MappingProxyType({**JsonPatch.operations, "replace": _LenientReplace})


def json_patch(original: Json, operations: list[Any]) -> Json:
    """The object that the operations make of `original`, which is not changed.

    >>> json_patch({"spec": {"replicas": 1}}, [{"op": "replace", "path": "/spec/replicas", "value": 2}])
    {'spec': {'replicas': 2}}

    Raises:
        JsonPatchError: an operation is malformed, names what is not there, or tests for another value.
    """
    try:
        patched = _LenientJsonPatch(operations).apply(original)
    except (JsonPatchException, JsonPointerException, TypeError, LookupError) as error:
        # the last two are what the library lets through when a path leads into the wrong kind of value
        raise JsonPatchError(str(error)) from error
    if not isinstance(patched, dict):
        raise JsonPatchError("the result is no object")
    return patched
