"""The forms in which a client may want an answer: the objects, a table, or their metadata alone."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from kpp.simulator.kubernetes.api.tables import make_table
from kpp.simulator.kubernetes.objects.resources import Json, Resource
from kpp.simulator.kubernetes.objects.status_errors import not_acceptable

Form = Literal["object", "table", "metadata"]
_PLAIN_TYPES = ("application/json", "application/*", "*/*")


@dataclass(frozen=True)
class Representation:
    """How one client wants its answers."""

    form: Form
    included: str = "Metadata"  # what comes with each row of a table: `None`, `Metadata` or `Object`

    def of_object(self, resource: Resource, manifest: Json, now: float, *, columns: bool = True) -> Json:
        """One object; `columns` says whether a table names its columns."""
        if self.form == "table":
            version = manifest["metadata"].get("resourceVersion", "")
            table = make_table(resource, [manifest], {"resourceVersion": version}, now, self.included)
            return table if columns else {**table, "columnDefinitions": None}
        if self.form == "metadata":
            return _partial(manifest)
        return manifest

    def of_list(self, resource: Resource, items: Sequence[Json], metadata: Json, now: float) -> Json:
        """A list of objects with the list's own `metadata`."""
        if self.form == "table":
            return make_table(resource, items, metadata, now, self.included)
        if self.form == "metadata":
            return {
                "kind": "PartialObjectMetadataList",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": metadata,
                "items": [_partial(each) for each in items],
            }
        bare = [
            {key: part for key, part in each.items() if key not in ("kind", "apiVersion")} for each in items
        ]
        return {
            "kind": f"{resource.kind}List",
            "apiVersion": resource.api_version,
            "metadata": metadata,
            "items": bare,
        }


def choose_representation(accept: str, included: str) -> Representation:
    """The first form in an Accept header that the server has.

    >>> choose_representation("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", "").form
    'table'

    Raises:
        StatusError: 406, it has none of them.
    """
    for wanted in (accept or "*/*").split(","):
        media_type, *rest = (part.strip() for part in wanted.split(";"))
        parameters = dict(part.partition("=")[::2] for part in rest)
        if media_type not in _PLAIN_TYPES:
            continue
        kind, version = parameters.get("as"), parameters.get("v")
        if kind is None:
            return Representation("object")
        if kind == "Table" and version == "v1":
            return Representation("table", included or "Metadata")
        if kind.startswith("PartialObjectMetadata") and version == "v1":
            return Representation("metadata")
    raise not_acceptable(["application/json"])


def encode(document: Json) -> bytes:
    """The document as JSON, compact."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def _partial(manifest: Json) -> Json:
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": manifest["metadata"],
    }
