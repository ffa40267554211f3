"""All three kinds of patches against the code of a real API server, which kubectl runs with `--local`."""

import json
import subprocess
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kpp.simulator.kubernetes.objects.defaults import without_nulls
from kpp.simulator.kubernetes.objects.resources import Json
from kpp.simulator.kubernetes.objects.status_errors import StatusError
from kpp.simulator.kubernetes.patches.apply import (
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_MERGE_PATCH,
    apply_patch,
)
from tests.real_parts import require
from tests.simulator.kubernetes.kubectl import kubectl_minor_version
from tests.simulator.kubernetes.patches.strategies import (
    MERGE_PATCHES,
    OPERATIONS,
    deployments,
    strategic_patches,
)

QUICKLY = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
# several per run of kubectl, which takes longer to start than to patch
ORIGINALS = st.lists(deployments(), min_size=6, max_size=6)
MERGES_NESTED_DIRECTIVES_SINCE = 30  # kubectl 1.30, that is; older ones keep some of them in the result


def kubectl_patch(kind: str, originals: list[Json], patch: Any) -> list[Json] | None:
    """What the real code makes of each original; None when it refuses."""
    run = subprocess.run(
        [
            require("kubectl"),
            "patch",
            "--local",
            "-f",
            "-",
            "-o",
            "json",
            "--type",
            kind,
            "-p",
            json.dumps(patch),
        ],
        input="\n".join(map(json.dumps, originals)),
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        return None
    decoder, results, rest = json.JSONDecoder(), [], run.stdout.strip()
    while rest:
        result, end = decoder.raw_decode(rest)
        results.append(as_decoded(result))
        rest = rest[end:].strip()
    return results


def as_decoded(value: Any) -> Any:
    """What a server's decoding leaves: kubectl alone keeps directives within items that are new."""
    if isinstance(value, dict):
        return {
            key: as_decoded(part) for key, part in without_nulls(value).items() if not key.startswith("$")
        }
    return [as_decoded(item) for item in value] if isinstance(value, list) else value


def our_patch(content_type: str, originals: list[Json], patch: Any) -> list[Json] | None:
    body = json.dumps(patch).encode()
    try:
        return [without_nulls(apply_patch(content_type, original, body)) for original in originals]
    except StatusError:
        return None


@QUICKLY
@given(originals=ORIGINALS, data=st.data())
def test_strategic_merge(originals: list[Json], data: st.DataObject) -> None:
    nested_directives = kubectl_minor_version() >= MERGES_NESTED_DIRECTIVES_SINCE
    patch = data.draw(strategic_patches(nested_directives=nested_directives))
    real = kubectl_patch("strategic", originals, patch)
    assert our_patch(STRATEGIC_MERGE_PATCH, originals, patch) == real


@QUICKLY
@given(original=deployments(), patch=st.lists(OPERATIONS, min_size=1, max_size=4))
def test_json_patch(original: Json, patch: list[Json]) -> None:
    real = kubectl_patch("json", [original], patch)
    assert our_patch(JSON_PATCH, [original], patch) == real


@QUICKLY
@given(originals=ORIGINALS, patch=MERGE_PATCHES)
def test_merge_patch(originals: list[Json], patch: Json) -> None:
    real = kubectl_patch("merge", originals, patch)
    assert our_patch(MERGE_PATCH, originals, patch) == real
