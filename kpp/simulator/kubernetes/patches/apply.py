"""Applying a patch of any of the three kinds, with the errors that an API server gives."""

import json
from collections.abc import Mapping
from typing import Any

from kpp.simulator.kubernetes.objects.resources import Json
from kpp.simulator.kubernetes.objects.status_errors import (
    StatusError,
    bad_request,
    unprocessable,
    unsupported_media_type,
)
from kpp.simulator.kubernetes.patches.json_patch import JsonPatchError, json_patch
from kpp.simulator.kubernetes.patches.strategic_merge import BadPatchError, MergeError, strategic_merge

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
PATCH_TYPES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH)


def apply_patch(content_type: str, original: Json, body: bytes) -> Json:
    """The object that a request's body makes of `original`, which is not changed.

    Raises:
        StatusError: 415, no such kind of patch; 400, the body is no patch; 422 or 500, it does not fit.
    """
    if content_type not in PATCH_TYPES:
        raise unsupported_media_type(PATCH_TYPES)
    try:
        patch = json.loads(body)
    except ValueError as error:
        raise bad_request(f"error decoding patch: {error}") from error
    if content_type == JSON_PATCH:
        return _apply_json_patch(original, patch)
    if not isinstance(patch, dict):
        raise bad_request("error decoding patch: json: cannot unmarshal into an object")
    if content_type == MERGE_PATCH:
        merged: Json = merge_patch(original, patch)
        return merged
    return _apply_strategic_merge_patch(original, patch)


def merge_patch(original: Any, patch: Any) -> Any:
    """The algorithm of RFC 7386, section 2.

    >>> merge_patch({"a": {"b": 1, "c": [2]}}, {"a": {"b": None, "c": [3]}})
    {'a': {'c': [3]}}
    """
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(original) if isinstance(original, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def _apply_json_patch(original: Json, operations: Any) -> Json:
    if not isinstance(operations, list):
        raise bad_request(
            "error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch"
        )
    try:
        return json_patch(original, operations)
    except JsonPatchError as error:
        raise unprocessable() from error


def _apply_strategic_merge_patch(original: Json, patch: Json) -> Json:
    try:
        return strategic_merge(original, patch)
    except BadPatchError as error:
        raise bad_request(str(error)) from error
    except MergeError as error:  # a real server answers this with a 500 as well
        raise StatusError(500, "", str(error)) from error
