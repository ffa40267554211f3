"""Strategic-merge patches as the API server applies them; its test compares it with kubectl's own code."""

from typing import Any

_MERGE_KEYS = {  # from the `patchMergeKey` tags of Kubernetes' types; other lists are replaced whole
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
}


def merge(original: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """A new object: null removes a key, dicts merge, lists with a merge key merge by it."""
    if "$patch" in patch:
        raise NotImplementedError(f"$patch: {patch['$patch']}")
    merged = dict(original)
    for key, value in patch.items():
        if key.startswith("$"):  # `$setElementOrder/...` only repeats the order of the lists
            continue
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            present = merged.get(key)
            merged[key] = merge(present if isinstance(present, dict) else {}, value)
        elif isinstance(value, list) and key in _MERGE_KEYS:
            merged[key] = _merge_list(merged.get(key) or [], value, _MERGE_KEYS[key])
        else:
            merged[key] = value
    return merged


def _merge_list(
    original: list[dict[str, Any]], patch: list[dict[str, Any]], merge_key: str
) -> list[dict[str, Any]]:
    deleted = {item[merge_key] for item in patch if item.get("$patch") == "delete"}
    before = {item[merge_key]: item for item in original if item[merge_key] not in deleted}
    patched = {
        item[merge_key]: merge(before.get(item[merge_key], {}), item)
        for item in patch
        if item[merge_key] not in deleted
    }
    untouched = [item for name, item in before.items() if name not in patched]
    return _interleave(untouched, list(patched.values()), list(before), merge_key)


def _interleave(
    untouched: list[dict[str, Any]], patched: list[dict[str, Any]], order: list[Any], merge_key: str
) -> list[dict[str, Any]]:
    """Both keep their order; an untouched item goes before the first patched one that it preceded.

    Source: `mergeSortedSlice` in k8s.io/apimachinery/pkg/util/strategicpatch.
    """
    merged: list[dict[str, Any]] = []
    left, right = list(untouched), list(patched)
    while left and right:
        ours, theirs = left[0][merge_key], right[0][merge_key]
        precedes = theirs in order and order.index(ours) < order.index(theirs)
        merged.append((left if precedes else right).pop(0))
    return merged + left + right
