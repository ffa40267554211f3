"""Lists: selection, and pages that all show the same moment."""

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from kpp.simulator.kubernetes.objects.history import object_key
from kpp.simulator.kubernetes.objects.resources import Json, Resource
from kpp.simulator.kubernetes.objects.status_errors import StatusError, bad_request, expired_continue
from kpp.simulator.kubernetes.objects.store import ObjectStore

_LATEST = -1  # the version in a token that continues with the present state


def _everything(_manifest: Json) -> bool:
    return True


@dataclass(frozen=True)
class Selection:
    """What a list or a watch asks for."""

    resource: Resource
    namespace: str | None = None  # None: every namespace
    matches: Callable[[Json], bool] = field(default=_everything)
    is_filtered: bool = False

    def includes(self, manifest: Json) -> bool:
        """Whether the object belongs to it."""
        in_namespace = self.namespace is None or object_key(manifest)[0] == self.namespace
        return in_namespace and self.matches(manifest)


@dataclass(frozen=True)
class Page:
    """A part of a list, and the `metadata` that goes with it."""

    items: list[Json]
    version: int
    continue_token: str | None = None
    remaining_count: int | None = None  # unknown when the list is filtered

    def metadata(self) -> Json:
        """The list's `metadata`."""
        metadata: Json = {"resourceVersion": str(self.version)}
        if self.continue_token is not None:
            metadata["continue"] = self.continue_token
            if self.remaining_count is not None:
                metadata["remainingItemCount"] = self.remaining_count
        return metadata


def list_page(store: ObjectStore, selection: Selection, limit: int = 0, token: str = "") -> Page:
    """The first page of a list, or the one that a token continues with; `limit` 0 is without pages.

    Raises:
        StatusError: 400, the token is none of ours; 410, the state that its first page showed is forgotten.
    """
    with store.lock:
        if not token:
            return _cut(
                store.list_all(selection.resource, selection.namespace), selection, limit, store.version
            )
        version, start = _decode(token)
        if version == _LATEST:
            version = store.version
        try:
            objects = store.list_at(selection.resource, selection.namespace, version)
        except StatusError as error:
            raise expired_continue(_encode(_LATEST, start)) from error
        return _cut([item for item in objects if object_key(item) > start], selection, limit, version)


def _cut(objects: list[Json], selection: Selection, limit: int, version: int) -> Page:
    items = [item for item in objects if selection.includes(item)]
    if not limit or len(items) <= limit:
        return Page(items, version)
    token = _encode(version, object_key(items[limit - 1]))
    remaining = None if selection.is_filtered else len(items) - limit
    return Page(items[:limit], version, token, remaining)


def _encode(version: int, start: tuple[str, str]) -> str:
    content = {"v": "meta.k8s.io/v1", "rv": version, "start": "/".join(start)}
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def _decode(token: str) -> tuple[int, tuple[str, str]]:
    try:
        content = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, _, name = content["start"].partition("/")
        return int(content["rv"]), (namespace, name)
    except (binascii.Error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise bad_request("continue key is not valid: it comes from no list of this server") from error
