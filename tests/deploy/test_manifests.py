"""The manifests are what a cluster takes: real kubectl, and the fields of the official client's models."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from kpp.collector.config import Config, read_config
from kpp.collector.preflight.commands import RBAC_MANIFEST
from tests.deploy.manifests import FOLDER, PATHS, ROOT, read, read_one
from tests.simulator.kubernetes.conftest import serve
from tests.simulator.kubernetes.kubectl import Kubectl


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_the_server_takes_it(path: Path, tmp_path: Path) -> None:
    with serve(tmp_path) as served:
        said = Kubectl(served.kubeconfig, tmp_path)("apply", "--dry-run=server", "--filename", str(path))
    objects = read(path.name)
    assert said.count("created (server dry run)") == len(objects)


@pytest.mark.parametrize(
    "manifest",
    [each for path in PATHS for each in read(path.name)],
    ids=lambda each: f"{each['kind']}-{each['metadata']['name']}",
)
def test_it_has_no_field_that_the_api_does_not_know(manifest: Any) -> None:
    assert [*unknown_fields(manifest, f"V1{manifest['kind']}", manifest["kind"])] == []


def test_a_field_that_the_api_does_not_know_is_found() -> None:
    job = read_one("job.yaml", "Job")
    job["spec"]["template"]["spec"]["containers"][0]["securityContext"]["runAsNobody"] = True
    assert [*unknown_fields(job, "V1Job", "Job")] == [
        "Job.spec.template.spec.containers.securityContext.runAsNobody"
    ]


def unknown_fields(value: Any, kind: str, path: str) -> Iterator[str]:
    """The paths of fields that a model of the client, made from Kubernetes' OpenAPI, does not have."""
    if kind.lower().startswith("list["):
        for item in value:
            yield from unknown_fields(item, kind[len("list[") : -1], path)
    elif hasattr(client, kind):
        model: Any = getattr(client, kind)
        types = {model.attribute_map[name]: kind_of for name, kind_of in model.openapi_types.items()}
        for name, part in value.items():
            if name in types:
                yield from unknown_fields(part, types[name], f"{path}.{name}")
            else:
                yield f"{path}.{name}"


def test_the_jobs_settings_are_settings_of_kpp() -> None:
    (container,) = read_one("job.yaml", "Job")["spec"]["template"]["spec"]["containers"]
    values = {each["name"]: each.get("value", "shop") for each in container["env"]}
    config = read_config({}, values, None)
    assert (config.namespace, config.user_counts) == ("shop", Config().user_counts)
    mounts = {each["mountPath"] for each in container["volumeMounts"]}
    assert str(config.output_directory) in mounts


def test_the_job_runs_as_the_user_and_in_the_image_of_the_dockerfile() -> None:
    pod = read_one("job.yaml", "Job")["spec"]["template"]["spec"]
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    user = f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
    assert f"USER {user}" in text
    assert f"chown {user} /data" in text
    assert f"--tag {pod['containers'][0]['image']} " in text


def test_the_account_is_the_same_everywhere() -> None:
    name = read_one("rbac.yaml", "ServiceAccount")["metadata"]["name"]
    bindings = [each for path in PATHS for each in read(path.name) if each["kind"].endswith("Binding")]
    assert {subject["name"] for each in bindings for subject in each["subjects"]} == {name}
    assert read_one("job.yaml", "Job")["spec"]["template"]["spec"]["serviceAccountName"] == name
    assert (ROOT / RBAC_MANIFEST).parent == FOLDER
