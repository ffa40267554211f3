"""The order of a merged list: the patch's items in the patch's order, the others where they were.

Source: `normalizeElementOrder`, `mergeSortedSlice` in k8s.io/apimachinery `pkg/util/strategicpatch/patch.go`.
"""

from typing import Any


def order_items(merged: list[Any], patch: list[Any], original: list[Any], key: str | None) -> list[Any]:
    """Order the items of a merged list.

    Items that the patch names come in its order. Among them the others keep their place: each comes before
    the patch's next item if it stood before it in the original.

    >>> order_items(["a", "b", "c", "d"], ["d", "b"], ["a", "b", "c"], None)
    ['d', 'a', 'b', 'c']

    Args:
        merged: the items, each once.
        patch: the items of the patch, or of its `$setElementOrder`.
        original: the list before the patch.
        key: what identifies an item that is an object; None for plain values.
    """
    places = _places(patch, key)
    original_places = _places(original, key)
    in_patch = [item for item in merged if identity(item, key) in places]
    in_patch.sort(key=lambda item: places[identity(item, key)])
    others = [item for item in merged if identity(item, key) not in places]

    ordered: list[Any] = []
    while in_patch and others:
        place = original_places.get(identity(others[0], key))
        next_place = original_places.get(identity(in_patch[0], key))
        stood_before = place is not None and next_place is not None and place < next_place
        ordered.append((others if stood_before else in_patch).pop(0))
    return [*ordered, *in_patch, *others]


def identity(item: Any, key: str | None) -> Any:
    """What tells an item of a merged list from the others."""
    return item.get(key) if key is not None and isinstance(item, dict) else item


def _places(items: list[Any], key: str | None) -> dict[Any, int]:
    places: dict[Any, int] = {}
    for index, item in enumerate(items):
        places.setdefault(identity(item, key), index)
    return places
