"""The ReplicaSets of a Deployment: which belongs to which template, and what a new one looks like."""

import hashlib
import json
from collections.abc import Sequence

from kpp.simulator.kubernetes.controllers.rolling_update import Bounds, Size
from kpp.simulator.kubernetes.objects.registry import SUFFIX_LETTERS
from kpp.simulator.kubernetes.objects.resources import Json, copy_json

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"
_NOT_COPIED = ("kubectl.kubernetes.io/last-applied-configuration", REVISION, DESIRED_REPLICAS, MAX_REPLICAS)


def template_hash(deployment: Json) -> str:
    """What tells one pod template from another: equal for equal ones."""
    text = json.dumps(deployment["spec"]["template"], sort_keys=True)
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
    letters = []
    for _ in range(10):
        number, place = divmod(number, len(SUFFIX_LETTERS))
        letters.append(SUFFIX_LETTERS[place])
    return "".join(letters)


def split_by_template(deployment: Json, owned: Sequence[Json]) -> tuple[Json | None, list[Json]]:
    """The ReplicaSet of the present template, if there is one, and all others."""
    wanted = template_hash(deployment)
    matching = [each for each in owned if each["metadata"]["labels"].get(HASH_LABEL) == wanted]
    new = min(matching, key=lambda each: str(each["metadata"]["creationTimestamp"]), default=None)
    return new, [each for each in owned if each is not new]


def make_replica_set(deployment: Json, replicas: int, bounds: Bounds, revision: int) -> Json:
    """The manifest of the ReplicaSet for a Deployment's present template."""
    metadata, spec = deployment["metadata"], deployment["spec"]
    hash_label = {HASH_LABEL: template_hash(deployment)}
    template = copy_json(spec["template"])
    template["metadata"]["labels"] = template["metadata"]["labels"] | hash_label
    selector = copy_json(spec["selector"])
    selector["matchLabels"] = selector.get("matchLabels", {}) | hash_label
    replica_set_spec = {"replicas": replicas, "selector": selector, "template": template}
    if spec.get("minReadySeconds"):
        replica_set_spec["minReadySeconds"] = spec["minReadySeconds"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{metadata['name']}-{hash_label[HASH_LABEL]}",
            "namespace": metadata["namespace"],
            "labels": template["metadata"]["labels"],
            "annotations": make_annotations(deployment, bounds, revision),
            "ownerReferences": [owner_reference(deployment)],
        },
        "spec": replica_set_spec,
    }


def make_annotations(deployment: Json, bounds: Bounds, revision: int) -> dict[str, str]:
    """The annotations of the present template's ReplicaSet: the Deployment's, and the controller's own."""
    copied = {
        key: value
        for key, value in deployment["metadata"].get("annotations", {}).items()
        if key not in _NOT_COPIED
    }
    return {**copied, REVISION: str(revision), **scale_annotations(bounds)}


def scale_annotations(bounds: Bounds) -> dict[str, str]:
    """What a ReplicaSet remembers of the Deployment's size when it was scaled last."""
    return {DESIRED_REPLICAS: str(bounds.wanted), MAX_REPLICAS: str(bounds.wanted + bounds.max_surge)}


def owner_reference(owner: Json) -> Json:
    """The reference with which an object says what controls it."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def read_size(replica_set: Json) -> Size:
    """The ReplicaSet as `rolling_update` sees it."""
    annotations = replica_set["metadata"].get("annotations", {})
    return Size(
        name=replica_set["metadata"]["name"],
        wanted=replica_set["spec"]["replicas"],
        available=replica_set.get("status", {}).get("availableReplicas", 0),
        created_at=replica_set["metadata"]["creationTimestamp"],
        most_before=int(annotations[MAX_REPLICAS]) if MAX_REPLICAS in annotations else None,
    )


def read_revision(manifest: Json | None) -> int:
    """The revision in the annotations of a ReplicaSet or Deployment, 0 when it has none."""
    annotations = manifest["metadata"].get("annotations", {}) if manifest is not None else {}
    return int(annotations.get(REVISION, 0))


def is_scaling(deployment: Json, owned: Sequence[Json]) -> bool:
    """Whether the Deployment wants another number of replicas than when its ReplicaSets were scaled last."""
    wanted = str(deployment["spec"]["replicas"])
    return any(
        each["metadata"].get("annotations", {}).get(DESIRED_REPLICAS, wanted) != wanted
        for each in owned
        if each["spec"]["replicas"] > 0
    )
