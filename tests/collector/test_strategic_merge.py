import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.collector.fake_pods import Object, read_recorded
from tests.collector.strategic_merge import merge
from tests.real_parts import require


def _in_template(pod_spec: Object) -> Object:
    return {"spec": {"template": {"spec": pod_spec}}}


def _in_env(*entries: Object) -> Object:
    return _in_template({"containers": [{"name": "main", "env": list(entries)}]})


PATCHES: dict[str, Object] = {
    "replicas": {"spec": {"replicas": 0}},
    "values": _in_env({"name": "USERS", "value": "50"}, {"name": "RATE", "value": "5"}),
    "values in another order": _in_env({"name": "RATE", "value": "5"}, {"name": "USERS", "value": "50"}),
    "a new variable in the middle": _in_env({"name": "NEW", "value": "1"}, {"name": "RATE", "value": "5"}),
    "a source for a value": _in_env(
        {"name": "USERS", "value": None, "valueFrom": {"configMapKeyRef": {"name": "load", "key": "users"}}}
    ),
    "a variable deleted": _in_env({"name": "RATE", "$patch": "delete"}, {"name": "USERS", "value": "1"}),
    "an absent variable deleted": _in_env({"name": "NONE", "$patch": "delete"}),
    "a key removed": _in_template({"containers": [{"name": "main", "resources": {"limits": None}}]}),
    "a list without merge key": _in_template(
        {"initContainers": [{"name": "frontend-check", "command": ["sh"]}]}
    ),
    "as kubectl sends it": _in_template(
        {
            "$setElementOrder/containers": [{"name": "main"}, {"name": "istio-proxy"}],
            "containers": [
                {
                    "name": "main",
                    "$setElementOrder/env": [{"name": "FRONTEND_ADDR"}, {"name": "USERS"}, {"name": "RATE"}],
                    "env": [{"name": "USERS", "value": "7"}],
                }
            ],
        }
    ),
    "the second container": _in_template({"containers": [{"name": "istio-proxy", "image": "proxyv2:2"}]}),
    "a new container": _in_template({"containers": [{"name": "new", "image": "new:1"}]}),
    "labels": {"metadata": {"labels": {"app": None, "tier": "load"}}},
}


def _loadgenerator() -> Object:
    deployments = read_recorded("deployments")["items"]
    return next(each for each in deployments if each["metadata"]["name"] == "loadgenerator")


def _without_nulls(value: Any) -> Any:
    """kubectl shows the null of a new item; the server, which decodes into its types, drops it."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("patch", PATCHES.values(), ids=PATCHES)
def test_patches_are_applied_as_kubectl_applies_them(patch: Object, tmp_path: Path) -> None:
    file = tmp_path / "deployment.json"
    file.write_text(json.dumps(_loadgenerator()))
    options = ["--local", "--type", "strategic", "--output", "json", "--show-managed-fields"]
    command = [
        str(require("kubectl")),
        "patch",
        *options,
        "--filename",
        str(file),
        "--patch",
        json.dumps(patch),
    ]

    applied = subprocess.run(command, capture_output=True, check=True, timeout=60, text=True)

    assert merge(_loadgenerator(), patch) == _without_nulls(json.loads(applied.stdout))


def test_a_patch_changes_the_copy_only() -> None:
    original = _loadgenerator()

    merge(original, PATCHES["values"])

    assert original == _loadgenerator()
