import json
from typing import Any

import pytest

from kpp.simulator.kubernetes.objects.resources import Json
from kpp.simulator.kubernetes.objects.status_errors import StatusError
from kpp.simulator.kubernetes.patches.apply import (
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_MERGE_PATCH,
    apply_patch,
    merge_patch,
)

LOAD_GENERATOR: Json = {
    "metadata": {"name": "loadgenerator"},
    "spec": {
        "template": {
            "spec": {
                "initContainers": [{"name": "frontend-check", "image": "busybox"}],
                "containers": [
                    {
                        "name": "main",
                        "image": "locust:1",
                        "env": [
                            {"name": "FRONTEND_ADDR", "value": "frontend:80"},
                            {"name": "USERS", "value": "10"},
                            {"name": "RATE", "value": "1"},
                        ],
                    }
                ],
            }
        }
    },
}


def variables(deployment: Json) -> dict[str, str]:
    return {
        each["name"]: each.get("value", "")
        for each in deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    }


def patch_main(container: Json, content_type: str = STRATEGIC_MERGE_PATCH) -> Json:
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "main", **container}]}}}}
    return apply_patch(content_type, LOAD_GENERATOR, json.dumps(patch).encode())


def test_a_strategic_patch_changes_only_what_it_names() -> None:
    patched = patch_main({"env": [{"name": "USERS", "value": "50"}]})
    assert variables(patched) == {"FRONTEND_ADDR": "frontend:80", "USERS": "50", "RATE": "1"}
    assert patched["spec"]["template"]["spec"]["containers"][0]["image"] == "locust:1"
    assert variables(LOAD_GENERATOR)["USERS"] == "10"  # the original stays


def test_a_strategic_patch_removes_with_its_directive() -> None:
    patched = patch_main({"env": [{"name": "RATE", "$patch": "delete"}]})
    assert variables(patched) == {"FRONTEND_ADDR": "frontend:80", "USERS": "10"}


def test_a_merge_patch_replaces_whole_lists() -> None:
    patched = patch_main({"env": [{"name": "USERS", "value": "50"}]}, MERGE_PATCH)
    assert variables(patched) == {"USERS": "50"}
    assert "image" not in patched["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize(
    ("original", "patch", "result"),
    [  # RFC 7386, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_of_the_rfc(original: Any, patch: Any, result: Any) -> None:
    assert merge_patch(original, patch) == result


@pytest.mark.parametrize(
    ("content_type", "body", "code", "reason"),
    [
        ("application/apply-patch+yaml", "{}", 415, "UnsupportedMediaType"),
        ("text/plain", "{}", 415, "UnsupportedMediaType"),
        (STRATEGIC_MERGE_PATCH, "{", 400, "BadRequest"),
        (STRATEGIC_MERGE_PATCH, "[]", 400, "BadRequest"),
        (MERGE_PATCH, "7", 400, "BadRequest"),
        (JSON_PATCH, "{}", 400, "BadRequest"),
        (JSON_PATCH, '[{"op": "test", "path": "/metadata/name", "value": "x"}]', 422, "Invalid"),
        (JSON_PATCH, '[{"op": "remove", "path": "/spec/absent"}]', 422, "Invalid"),
        (JSON_PATCH, '[{"op": "leap", "path": "/spec"}]', 422, "Invalid"),
        (JSON_PATCH, "[7]", 422, "Invalid"),
        (JSON_PATCH, '[{"op": "replace", "path": "", "value": 7}]', 422, "Invalid"),
        (
            STRATEGIC_MERGE_PATCH,
            '{"spec": {"$setElementOrder/containers": {}, "containers": []}}',
            400,
            "BadRequest",
        ),
        (STRATEGIC_MERGE_PATCH, '{"spec": {"$patch": "leap"}}', 500, ""),
        (
            STRATEGIC_MERGE_PATCH,
            '{"spec": {"template": {"spec": {"containers": [{"image": "nameless"}]}}}}',
            500,
            "",
        ),
    ],
)
def test_what_cannot_be_applied_is_refused(content_type: str, body: str, code: int, reason: str) -> None:
    with pytest.raises(StatusError) as refused:
        apply_patch(content_type, LOAD_GENERATOR, body.encode())
    assert (refused.value.code, refused.value.reason) == (code, reason)
