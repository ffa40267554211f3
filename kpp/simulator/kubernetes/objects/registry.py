"""Writes as an API server does them: decode, fill in, check, store; for clients and controllers alike."""

from collections.abc import Callable
from random import Random

from kpp.simulator.kubernetes.objects.defaults import set_defaults, without_nulls
from kpp.simulator.kubernetes.objects.deletion import remove_if_finished
from kpp.simulator.kubernetes.objects.field_types import DecodeError, check_types
from kpp.simulator.kubernetes.objects.resources import NAMESPACES, PODS, SERVICES, Json, Resource, copy_json
from kpp.simulator.kubernetes.objects.service_addresses import ServiceAddresses
from kpp.simulator.kubernetes.objects.status_errors import (
    StatusError,
    bad_request,
    conflict,
    invalid,
    invalid_object,
    invalid_value,
)
from kpp.simulator.kubernetes.objects.store import ObjectStore
from kpp.simulator.kubernetes.objects.validation import find_faults

SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # of generated names: no vowels, so no words
_SET_BY_SERVER = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")
_NEVER_STORED = ("managedFields", "selfLink")

PodMutator = Callable[[Json, Json], None]  # changes a new pod in place; the second is its namespace


class Registry:
    """The checked way into the store.

    Args:
        mutate_pod: what admission webhooks do to each new pod, such as the injection of a sidecar.
    """

    def __init__(self, store: ObjectStore, random: Random, mutate_pod: PodMutator) -> None:
        self.store = store
        self._random = random
        self._mutate_pod = mutate_pod
        self._addresses = ServiceAddresses()

    def create(
        self, resource: Resource, manifest: Json, namespace: str = "", *, dry_run: bool = False
    ) -> Json:
        """Store what a client posts to a resource, in the namespace of the path.

        Raises:
            StatusError: 400, it is no such object; 404, no such namespace; 409, the name is taken; 422, it
                breaks a rule.
        """
        with self.store.lock:
            _check_kind(resource, manifest)
            created = _decode(resource, manifest)
            metadata = created["metadata"]
            if metadata.pop("resourceVersion", ""):
                raise bad_request("resourceVersion should not be set on objects to be created")
            for key in _SET_BY_SERVER:
                metadata.pop(key, None)
            _set_namespace(resource, metadata, namespace)
            if not metadata.get("name") and metadata.get("generateName"):
                metadata["name"] = self.make_name(resource, metadata["generateName"], namespace)
            created.pop("status", None)
            set_defaults(created)
            self._prepare(resource, created)
            _check(resource, created, None)
            return self.store.create(resource, created, dry_run=dry_run)

    def replace(
        self, resource: Resource, name: str, namespace: str, manifest: Json, *, dry_run: bool = False
    ) -> Json:
        """Store what a client puts to an object's path.

        Raises:
            StatusError: 400, it is no such object, or another one; 404, there is none; 409, it was changed
                since; 422, it breaks a rule.
        """
        with self.store.lock:
            _check_kind(resource, manifest)
            return self._replace(resource, name, namespace, _decode(resource, manifest), dry_run)

    def patch(
        self,
        resource: Resource,
        name: str,
        namespace: str,
        change: Callable[[Json], Json],
        *,
        shown: str = "",
        dry_run: bool = False,
    ) -> Json:
        """Store what `change` makes of an object's present state; `shown` stands for the patch in errors.

        Raises:
            StatusError: what `change` raises; as `replace` does, but 422 for a field of the wrong type.
        """
        with self.store.lock:
            patched = change(self.store.get(resource, name, namespace))
            try:
                decoded = _decode(resource, patched)
            except StatusError as error:
                problem = error.message.partition(": ")[2]
                raise invalid("", "", "", [invalid_value("patch", shown, problem)]) from error
            return self._replace(resource, name, namespace, decoded, dry_run)

    def make_name(self, resource: Resource, prefix: str, namespace: str) -> str:
        """A name that is free: the prefix, and five letters and digits."""
        while True:
            name = prefix + "".join(self._random.choices(SUFFIX_LETTERS, k=5))
            if self.store.find(resource, name, namespace) is None:
                return name

    def _replace(self, resource: Resource, name: str, namespace: str, manifest: Json, dry_run: bool) -> Json:
        previous = self.store.get(resource, name, namespace)
        metadata = manifest["metadata"]
        given = metadata.get("name", "")
        if given != name:
            raise bad_request(f"the name of the object ({given}) does not match the name on the URL ({name})")
        _set_namespace(resource, metadata, namespace)
        _check_preconditions(resource, metadata, previous)
        for key in _SET_BY_SERVER:
            metadata.pop(key, None)
            if key in previous["metadata"]:
                metadata[key] = previous["metadata"][key]
        manifest.pop("status", None)
        if "status" in previous:
            manifest["status"] = copy_json(previous["status"])
        set_defaults(manifest)
        if resource is SERVICES:
            self._addresses.keep(manifest, previous)
        _check(resource, manifest, previous)
        replaced = self.store.replace(resource, manifest, dry_run=dry_run)
        if not dry_run:
            remove_if_finished(self.store, resource, replaced)
        return replaced

    def _prepare(self, resource: Resource, created: Json) -> None:
        if resource is PODS:
            namespace = self.store.get(NAMESPACES, created["metadata"]["namespace"])
            self._mutate_pod(created, namespace)
            set_defaults(created)
            created["status"] = {"phase": "Pending", "qosClass": _quality_of_service(created["spec"])}
        elif resource is SERVICES:
            self._addresses.assign(created)


def _check_kind(resource: Resource, manifest: Json) -> None:
    kind, version = manifest.get("kind", resource.kind), manifest.get("apiVersion", resource.api_version)
    if kind != resource.kind:
        raise bad_request(
            f'{kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
            f"converting ({version}.{kind}) to ({resource.api_version}.{resource.kind}): unknown conversion"
        )
    if version != resource.api_version:
        raise bad_request(
            f"the API version in the data ({version}) does not match the expected API version "
            f"({resource.api_version})"
        )


def _decode(resource: Resource, manifest: Json) -> Json:
    """The manifest as the server understands it: types checked, nulls gone."""
    try:
        check_types(manifest, resource.kind)
    except DecodeError as error:
        raise bad_request(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {error}'
        ) from error
    decoded: Json = without_nulls(manifest)
    decoded |= {"apiVersion": resource.api_version, "kind": resource.kind}
    metadata = decoded.setdefault("metadata", {})
    for key in _NEVER_STORED:
        metadata.pop(key, None)
    if not metadata.get("resourceVersion"):
        metadata.pop("resourceVersion", None)
    return decoded


def _set_namespace(resource: Resource, metadata: Json, namespace: str) -> None:
    if not resource.namespaced:
        metadata.pop("namespace", None)
        return
    if metadata.setdefault("namespace", namespace) != namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )


def _check_preconditions(resource: Resource, metadata: Json, previous: Json) -> None:
    name = metadata["name"]
    uid = previous["metadata"]["uid"]
    if metadata.get("uid", uid) != uid:
        problem = f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: {uid}"
        raise conflict(resource, name, problem)
    if "resourceVersion" not in metadata and not resource.unconditional_update:
        fault = invalid_value("metadata.resourceVersion", 0, "must be specified for an update")
        raise invalid_object(resource, name, [fault])


def _check(resource: Resource, manifest: Json, previous: Json | None) -> None:
    faults = find_faults(resource, manifest, previous)
    if faults:
        raise invalid_object(resource, manifest["metadata"].get("name", ""), faults)


def _quality_of_service(spec: Json) -> str:
    """The pod's class, by which the kubelet evicts."""
    resources = [container.get("resources") or {} for container in spec.get("containers", [])]
    if not any(part.get("limits") or part.get("requests") for part in resources):
        return "BestEffort"
    guaranteed = all(
        {"cpu", "memory"} <= set(part.get("limits") or {}) and part["limits"] == part.get("requests")
        for part in resources
    )
    return "Guaranteed" if guaranteed else "Burstable"
