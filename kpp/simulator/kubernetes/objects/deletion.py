"""Deleting: at once, after a pod's grace period, or when finalizers are gone."""

from dataclasses import dataclass
from typing import Literal

from kpp.simulator.kubernetes.objects.resources import NAMESPACES, PODS, Json, Resource
from kpp.simulator.kubernetes.objects.status_errors import bad_request, conflict
from kpp.simulator.kubernetes.objects.store import ObjectStore
from kpp.simulator.kubernetes.objects.timestamps import format_timestamp

Propagation = Literal["Background", "Foreground", "Orphan"]

FOREGROUND = "foregroundDeletion"  # the finalizers with which garbage collection is asked for the rest
ORPHAN = "orphan"


@dataclass(frozen=True)
class DeleteOptions:
    """What a client says about a deletion."""

    grace_seconds: int | None = None  # None: the pod's own
    propagation: Propagation = "Background"
    uid: str | None = None  # preconditions
    version: str | None = None
    dry_run: bool = False


def parse_delete_options(body: Json) -> DeleteOptions:
    """Read a DeleteOptions object; query parameters come in as fields of the same names.

    Raises:
        StatusError: 400, a field is not what the API has.
    """
    preconditions = body.get("preconditions") or {}
    orphan = str(body.get("orphanDependents", "")).lower() == "true"
    propagation: Propagation
    match body.get("propagationPolicy") or ("Orphan" if orphan else "Background"):
        case "Background" | "Foreground" | "Orphan" as known:
            propagation = known
        case other:
            raise bad_request(f'propagationPolicy: Unsupported value: "{other}"')
    try:
        grace = None if body.get("gracePeriodSeconds") is None else int(body["gracePeriodSeconds"])
    except (TypeError, ValueError) as error:
        raise bad_request(f"gracePeriodSeconds: {body['gracePeriodSeconds']} is no number") from error
    return DeleteOptions(
        grace,
        propagation,
        preconditions.get("uid"),
        preconditions.get("resourceVersion"),
        bool(body.get("dryRun")),
    )


def delete_object(
    store: ObjectStore,
    resource: Resource,
    name: str,
    namespace: str = "",
    options: DeleteOptions | None = None,
) -> tuple[Json, bool]:
    """Delete an object; returns its last state, and whether it is gone already.

    Raises:
        StatusError: 404, there is none; 409, it is not the one that the client means.
    """
    options = options or DeleteOptions()
    with store.lock:
        present = store.get(resource, name, namespace)
        _check_preconditions(resource, present, options)
        finalizer = {"Foreground": FOREGROUND, "Orphan": ORPHAN}.get(options.propagation)
        finalizers = [*present["metadata"].get("finalizers", []), *([finalizer] if finalizer else [])]
        grace_seconds = _grace_seconds(resource, present, options)
        is_kept = bool(finalizers) or grace_seconds > 0 or resource is NAMESPACES
        if options.dry_run:
            return present, not is_kept
        if not is_kept:
            return store.remove(resource, name, namespace), True
        return store.edit(
            resource, present, lambda edited: _mark(edited, store.now, grace_seconds, finalizers)
        ), False


def remove_finalizer(store: ObjectStore, resource: Resource, present: Json, finalizer: str) -> None:
    """Take a finalizer away; an object that was to be deleted goes with its last one."""

    def change(edited: Json) -> None:
        edited["metadata"]["finalizers"].remove(finalizer)

    remove_if_finished(store, resource, store.edit(resource, present, change))


def remove_if_finished(store: ObjectStore, resource: Resource, present: Json) -> bool:
    """Remove an object that was to be deleted and that nothing holds any more."""
    metadata = present["metadata"]
    is_finished = "deletionTimestamp" in metadata and not metadata.get("finalizers")
    if is_finished and resource not in (PODS, NAMESPACES):  # the kubelet and the collector remove these
        store.remove(resource, metadata["name"], metadata.get("namespace", ""))
        return True
    return False


def _mark(edited: Json, now: float, grace_seconds: int, finalizers: list[str]) -> None:
    metadata = edited["metadata"]
    if finalizers:
        metadata["finalizers"] = list(dict.fromkeys(finalizers))
    if "deletionTimestamp" in metadata and metadata["deletionGracePeriodSeconds"] <= grace_seconds:
        return  # a second deletion may only shorten the grace
    metadata["deletionTimestamp"] = format_timestamp(now + grace_seconds)
    metadata["deletionGracePeriodSeconds"] = grace_seconds
    if edited["kind"] == "Namespace":
        edited["status"] = {"phase": "Terminating"}


def _grace_seconds(resource: Resource, present: Json, options: DeleteOptions) -> int:
    """How long the object may take to stop; only a pod that is on a node needs time."""
    if resource is not PODS or "nodeName" not in present["spec"]:
        return 0
    if options.grace_seconds is not None:
        return max(options.grace_seconds, 0)
    return int(present["spec"].get("terminationGracePeriodSeconds", 30))


def _check_preconditions(resource: Resource, present: Json, options: DeleteOptions) -> None:
    metadata = present["metadata"]
    for field, word, wanted in (
        ("uid", "UID", options.uid),
        ("resourceVersion", "ResourceVersion", options.version),
    ):
        if wanted is not None and wanted != metadata[field]:
            problem = (
                f"the {word} in the precondition ({wanted}) does not match the {word} in record "
                f"({metadata[field]}). The object might have been deleted and then recreated"
            )
            raise conflict(resource, metadata["name"], problem)
