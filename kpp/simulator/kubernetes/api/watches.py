"""Watches: the changes of a selection as they come, one JSON document per line."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

from kpp.simulator.kubernetes.api.representations import Representation, encode
from kpp.simulator.kubernetes.api.requests import ApiRequest
from kpp.simulator.kubernetes.objects.history import Change
from kpp.simulator.kubernetes.objects.listing import Selection
from kpp.simulator.kubernetes.objects.resources import Json
from kpp.simulator.kubernetes.objects.status_errors import FieldFault, StatusError, invalid
from kpp.simulator.kubernetes.objects.store import ObjectStore

DEFAULT_TIMEOUT_SECONDS = 1800  # a real server takes a random one between this and twice as long
BOOKMARK_SECONDS = 60.0
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


@dataclass(frozen=True)
class WatchOptions:
    """What a client asks of a watch. Its times are the client's, whatever clock the cluster has."""

    start_version: int | None  # None: tell all that is there first
    timeout_seconds: float
    allow_bookmarks: bool
    send_initial_events: bool | None  # True: and say when that is done


def parse_watch_options(request: ApiRequest, present_version: int) -> WatchOptions:
    """Read a watch's query parameters.

    Raises:
        StatusError: 400, one is malformed; 422, two do not go together; 504, a version is yet to come.
    """
    initial = request.flag("sendInitialEvents") if "sendInitialEvents" in request.query else None
    match_rule = request.query.get("resourceVersionMatch")
    problem = None
    if initial is not None and match_rule != "NotOlderThan":
        problem = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
    elif initial is None and match_rule:
        problem = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
    if problem:
        fault = FieldFault("resourceVersionMatch", f"Forbidden: {problem}", "FieldValueForbidden")
        raise invalid("ListOptions", "meta.k8s.io", "", [fault])
    version = request.version(present_version)
    if initial is not None:
        version = None if initial else present_version
    timeout_seconds = request.count("timeoutSeconds", DEFAULT_TIMEOUT_SECONDS)
    return WatchOptions(version, timeout_seconds, request.flag("allowWatchBookmarks"), initial)


class Closing:
    """Tells all watches that the server closes."""

    def __init__(self) -> None:
        self.is_set = False
        self._wakers: set[Callable[[], None]] = set()

    def set(self) -> None:
        """Let every watch end."""
        self.is_set = True
        for wake in tuple(self._wakers):
            wake()

    @contextlib.contextmanager
    def waking(self, wake: Callable[[], None]) -> Iterator[None]:
        """Call `wake` should the server close meanwhile."""
        self._wakers.add(wake)
        try:
            yield
        finally:
            self._wakers.discard(wake)


class Watch:
    """One client's watch, as an iterator over the lines of its answer."""

    def __init__(
        self,
        store: ObjectStore,
        selection: Selection,
        options: WatchOptions,
        representation: Representation,
        closing: Closing,
    ) -> None:
        self._store = store
        self._selection = selection
        self._options = options
        self._representation = representation
        self._closing = closing
        self._knows_columns = False

    async def lines(self) -> AsyncIterator[bytes]:
        """Changes until the time is over, the server closes, or the history does not reach back any more."""
        loop = asyncio.get_running_loop()
        changed = asyncio.Event()

        def wake(_change: Change | None = None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                loop.call_soon_threadsafe(changed.set)

        unsubscribe = self._store.subscribe(wake)
        try:
            with self._closing.waking(wake):
                async for line in self._follow(changed):
                    yield line
        except StatusError as error:  # the history has moved on: the client has to list again
            yield encode({"type": "ERROR", "object": error.as_status()}) + b"\n"
        finally:
            unsubscribe()

    async def _follow(self, changed: asyncio.Event) -> AsyncIterator[bytes]:
        version, lines = self._begin()
        for line in lines:
            yield line
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + self._options.timeout_seconds
        bookmark_at = loop.time() + BOOKMARK_SECONDS
        while not self._closing.is_set and loop.time() < ends_at:
            changed.clear()
            changes = self._store.changes_since(version)
            for line in self._tell(changes):
                yield line
            version = changes[-1].version if changes else version
            if loop.time() >= bookmark_at:
                bookmark_at += BOOKMARK_SECONDS
                if self._options.allow_bookmarks:
                    yield self._bookmark(version)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), min(ends_at, bookmark_at) - loop.time())

    def _begin(self) -> tuple[int, list[bytes]]:
        """The version to go on from, and what is told before that."""
        with self._store.lock:
            version = self._options.start_version
            if version is not None:
                return version, []
            version = self._store.version
            present = self._store.list_all(self._selection.resource, self._selection.namespace)
            lines = [self._line("ADDED", each) for each in present if self._selection.includes(each)]
            if self._options.send_initial_events:
                lines.append(self._bookmark(version, {INITIAL_EVENTS_END: "true"}))
            return version, lines

    def _tell(self, changes: list[Change]) -> Iterator[bytes]:
        for change in changes:
            if change.resource is not self._selection.resource:
                continue
            was_in = change.previous is not None and self._selection.includes(change.previous)
            is_in = change.type != "DELETED" and self._selection.includes(change.object)
            if is_in:
                yield self._line("MODIFIED" if was_in else "ADDED", change.object)
            elif was_in:  # deleted, or not selected any more, which is the same to the client
                yield self._line("DELETED", change.object)

    def _line(self, kind: str, manifest: Json) -> bytes:
        shown = self._representation.of_object(
            self._selection.resource, manifest, self._store.now, columns=not self._knows_columns
        )
        self._knows_columns = True
        return encode({"type": kind, "object": shown}) + b"\n"

    def _bookmark(self, version: int, annotations: Json | None = None) -> bytes:
        resource = self._selection.resource
        metadata: Json = {"resourceVersion": str(version), "creationTimestamp": None}
        if annotations:
            metadata["annotations"] = annotations
        shown: Json = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}
        if self._representation.form == "table":
            row = {
                "cells": [],
                "object": {**shown, "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"},
            }
            shown = {
                "kind": "Table",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": {"resourceVersion": str(version)},
                "columnDefinitions": None,
                "rows": [row],
            }
        return encode({"type": "BOOKMARK", "object": shown}) + b"\n"
