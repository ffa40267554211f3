"""Strategic-merge patches: merge patches that know which lists merge item by item.

Source: k8s.io/apimachinery `pkg/util/strategicpatch/patch.go`, whose order of list items is kept as well
(but for new items that a patch adds while it deletes others: there their place depends on how Go reuses
memory).
"""

from typing import Any

from kpp.simulator.kubernetes.objects.resources import Json
from kpp.simulator.kubernetes.patches.element_order import identity, order_items
from kpp.simulator.kubernetes.patches.merge_keys import merge_key, merges_scalars

DIRECTIVE = (
    "$patch"  # of an object: "replace" or "delete"; of a list's item: "delete", or "replace" for the list
)
RETAIN_KEYS = "$retainKeys"  # the only keys that the original keeps
SET_ORDER = "$setElementOrder/"  # + field: the order of its items
DELETE_SCALARS = "$deleteFromPrimitiveList/"  # + field: plain values to take out


class BadPatchError(ValueError):
    """The patch breaks the form of its directives."""


class MergeError(ValueError):
    """The patch is well formed and does not fit the object."""


def strategic_merge(original: Json, patch: Json) -> Json:
    """The object that the patch makes of `original`; neither is changed.

    >>> original = {"spec": {"containers": [{"name": "main", "image": "a"}, {"name": "proxy"}]}}
    >>> strategic_merge(original, {"spec": {"containers": [{"name": "main", "image": "b"}]}})
    {'spec': {'containers': [{'name': 'main', 'image': 'b'}, {'name': 'proxy'}]}}

    Raises:
        BadPatchError: a directive has a wrong form.
        MergeError: an item of a merged list lacks its key, or a directive is unknown.
    """
    merged: Json = _as_decoded(_merge_object(original, patch, ""))
    return merged


def _merge_object(original: Json, patch: Json, parent: str) -> Json:
    if DIRECTIVE in patch:
        return _obey_directive(patch)
    original, patch = dict(original), dict(patch)  # both are used up
    _retain_keys(original, patch)
    _merge_ordered_lists(original, patch, parent)
    for key, value in patch.items():
        field = key.removeprefix(DELETE_SCALARS)
        if field != key:
            if isinstance(original.get(field), list):
                original[field] = [item for item in original[field] if item not in value]
        elif value is None or (field not in original and _is_special(value)):
            original.pop(field, None)
        else:
            original[field] = _merge_value(original.get(field), value, parent, field)
    return original


def _merge_value(original: Any, value: Any, parent: str, field: str) -> Any:
    if isinstance(value, dict) and isinstance(original, dict):
        return _merge_object(original, value, field)
    if isinstance(value, list) and isinstance(original, list):
        return _merge_list(original, value, parent, field)
    return _without_special(value)


def _obey_directive(patch: Json) -> Json:
    directive = patch[DIRECTIVE]
    if directive == "replace":
        return patch
    if directive == "delete":
        return {}
    raise MergeError(f"unknown patch type: {directive} in map: {patch}")


def _retain_keys(original: Json, patch: Json) -> None:
    retained = patch.pop(RETAIN_KEYS, None)
    if retained is None:
        return
    plain = [key for key, value in patch.items() if value is not None and not key.startswith("$")]
    if not isinstance(retained, list) or any(key not in retained for key in plain):
        raise BadPatchError("invalid patch format of retainKeys")
    for key in set(original) - set(retained):
        del original[key]


def _merge_ordered_lists(original: Json, patch: Json, parent: str) -> None:
    """Merge the lists for which the patch gives an order, and take them out of the patch."""
    for directive in [key for key in patch if key.startswith(SET_ORDER)]:
        order, field = patch.pop(directive), directive.removeprefix(SET_ORDER)
        items, added = original.get(field), patch.pop(field, None)
        if not isinstance(order, list):
            raise BadPatchError("invalid patch format of setElementOrder list")
        if items is None and added is None:
            continue
        if not items and not added:
            raise MergeError("no elements in any of the given slices")
        key = merge_key(parent, field)
        _check_order(added or [], order, key)
        if items is None or added is None:
            merged = _without_special(added) if items is None else items
        else:
            merged = _merge_list(items, added, parent, field)
        original[field] = order_items(merged, order, items or [], key)


def _check_order(items: list[Any], order: list[Any], key: str | None) -> None:
    """The patch's own items have to come in the order that it asks for."""
    waiting = [item for item in items if _directive(item) != "delete"]
    for named in order:
        while waiting and _directive(waiting[0]) is not None:
            waiting.pop(0)
        if waiting and identity(waiting[0], key) == identity(named, key):
            waiting.pop(0)
    if order and waiting:
        raise BadPatchError(
            f"The order in patch list:\n{items}\n doesn't match $setElementOrder list:\n{order}\n"
        )


def _directive(item: Any) -> Any:
    return item.get(DIRECTIVE) if isinstance(item, dict) else None


def _merge_list(original: list[Any], patch: list[Any], parent: str, field: str) -> list[Any]:
    if merges_scalars(parent, field):
        merged = list(dict.fromkeys([*original, *patch]))
        return order_items(merged, patch, original, None)
    key = merge_key(parent, field)
    if key is None:
        return patch
    if not all(isinstance(item, dict) for item in [*original, *patch]):
        raise MergeError("list element types are not identical")
    kept, items, is_replaced = _obey_item_directives(original, patch, key)
    if is_replaced:
        return items
    for item in items:
        found = next((index for index, one in enumerate(kept) if one.get(key) == item[key]), None)
        if found is None:
            kept.append(item)
        else:
            kept[found] = _merge_object(kept[found], item, field)
    return order_items(kept, items, original, key)


def _obey_item_directives(
    original: list[Json], patch: list[Json], key: str
) -> tuple[list[Json], list[Json], bool]:
    """What is left of the original, the patch's own items, and whether these replace the whole list."""
    kept, items, is_replaced = list(original), [], False
    for item in patch:
        directive = item.get(DIRECTIVE)
        if directive == "replace":
            is_replaced = True
        elif directive not in (None, "delete"):
            raise MergeError(f"unknown patch type: {directive} in map: {item}")
        elif key not in item:
            raise MergeError(f"map: {item} does not contain declared merge key: {key}")
        elif directive == "delete":
            kept = [one for one in kept if one.get(key) != item[key]]
        else:
            items.append(item)
    return kept, items, is_replaced


def _is_special(value: Any) -> bool:
    return isinstance(value, dict) and DIRECTIVE in value


def _without_special(value: Any) -> Any:
    """A value for a key that the original lacks: an object with a directive has no use, and vanishes."""
    if isinstance(value, dict):
        return {key: _without_special(part) for key, part in value.items() if not _is_special(part)}
    if isinstance(value, list):
        return [_without_special(item) for item in value if not _is_special(item)]
    return value


def _as_decoded(value: Any) -> Any:
    """What decoding leaves of a merged object: neither nulls nor directives that found no use."""
    if isinstance(value, dict):
        return {
            key: _as_decoded(part)
            for key, part in value.items()
            if part is not None and not key.startswith("$")
        }
    return [_as_decoded(item) for item in value] if isinstance(value, list) else value
