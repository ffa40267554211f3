"""The kinds that a manifest of kpp's own deployment has: checked as a real server does, by real kubectl."""

import json
from typing import Any

import pytest

from tests.simulator.kubernetes.kubectl import Kubectl

GROUP = "rbac.authorization.k8s.io"
POD = {"containers": [{"name": "main", "image": "kpp:1"}], "restartPolicy": "Never"}


def job(**spec: Any) -> Any:
    template = {"template": {"spec": {**POD, **spec}}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "campaign"}, "spec": template}


def role(*rules: Any) -> Any:
    return {"apiVersion": f"{GROUP}/v1", "kind": "Role", "metadata": {"name": "kpp"}, "rules": rules}


def binding(subject: Any, **reference: str) -> Any:
    whole = {"apiGroup": GROUP, "kind": "Role", "name": "kpp", **reference}
    kind = {"apiVersion": f"{GROUP}/v1", "kind": "RoleBinding", "metadata": {"name": "kpp"}}
    return {**kind, "roleRef": whole, "subjects": [subject]}


def claim(**spec: Any) -> Any:
    kind = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "out"}}
    whole = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **spec}
    return {**kind, "spec": whole}


ACCOUNT = {"kind": "ServiceAccount", "name": "kpp", "namespace": "default"}
READ_PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}


@pytest.mark.parametrize("manifest", [job(), role(READ_PODS), binding(ACCOUNT), claim()])
def test_a_good_manifest_passes_the_servers_dry_run_and_stores_nothing(
    kubectl: Kubectl, manifest: Any
) -> None:
    said = kubectl("apply", "--dry-run=server", "-f", "-", stdin=json.dumps(manifest))
    assert "created (server dry run)" in said
    assert "NotFound" in kubectl.refused("get", manifest["kind"], manifest["metadata"]["name"])


@pytest.mark.parametrize(
    ("manifest", "complaint"),
    [
        (
            job(restartPolicy="Always"),
            'spec.template.spec.restartPolicy: Required value: valid values: "OnFai',
        ),
        (job(containers=[{"name": "main"}]), "spec.template.spec.containers[0].image: Required value"),
        (
            job(containers=[{"name": "a", "image": "b", "volumeMounts": [{"name": "c", "mountPath": "/"}]}]),
            'spec.template.spec.containers[0].volumeMounts[0].name: Not found: "c"',
        ),
        (role({**READ_PODS, "verbs": []}), "rules[0].verbs: Required value"),
        (role({"verbs": ["get"]}), "rules[0].apiGroups: Required value"),
        (binding(ACCOUNT, kind="Rule"), 'roleRef.kind: Unsupported value: "Rule"'),
        (binding({"kind": "ServiceAccount", "name": "kpp"}), "subjects[0].namespace: Required value"),
        (claim(accessModes=["Sometimes"]), 'spec.accessModes[0]: Unsupported value: "Sometimes"'),
        (claim(resources={}), "spec.resources[storage]: Required value"),
        ({**job(), "kind": "CronJob"}, "the server could not find the requested resource"),
    ],
)
def test_a_bad_one_is_refused(kubectl: Kubectl, manifest: Any, complaint: str) -> None:
    finished = kubectl.run("apply", "--dry-run=server", "-f", "-", stdin=json.dumps(manifest))
    assert finished.returncode != 0
    assert complaint in finished.stderr


def test_what_a_role_binds_cannot_be_changed(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=json.dumps(binding(ACCOUNT)))
    other = json.dumps(binding(ACCOUNT, name="other"))
    assert "cannot change roleRef" in kubectl.run("apply", "-f", "-", stdin=other).stderr
