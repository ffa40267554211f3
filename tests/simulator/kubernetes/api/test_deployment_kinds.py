"""Kinds that are stored and nothing more: checked as a real server does, by real kubectl."""

import json
import re
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


def autoscaler(**spec: Any) -> Any:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "frontend"}
    kind = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "front"}}
    return {**kind, "spec": {"scaleTargetRef": target, "maxReplicas": 5, **spec}}


ACCOUNT = {"kind": "ServiceAccount", "name": "kpp", "namespace": "default"}
READ_PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}


@pytest.mark.parametrize("manifest", [job(), role(READ_PODS), binding(ACCOUNT), claim(), autoscaler()])
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
        (autoscaler(maxReplicas=0), "spec.maxReplicas: Invalid value: 0: must be greater than 0"),
        (autoscaler(minReplicas=6), "must be greater than or equal to `minReplicas`"),
        (autoscaler(scaleTargetRef={"name": "x"}), "spec.scaleTargetRef.kind: Required value"),
        (autoscaler(maxReplicas="many"), "cannot unmarshal string into Go struct field"),
        (
            autoscaler(behavior={"scaleUp": {"selectPolicy": "Never"}}),
            'spec.behavior.scaleUp.selectPolicy: Unsupported value: "Never"',
        ),
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


def test_autoscalers_are_stored_and_shown(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=json.dumps(autoscaler()))
    shown = kubectl("get", "hpa").splitlines()
    assert re.split(r" {2,}", shown[0]) == [
        *("NAME", "REFERENCE", "TARGETS", "MINPODS", "MAXPODS", "REPLICAS", "AGE")
    ]
    assert re.split(r" {2,}", shown[1])[:-1] == [
        *("front", "Deployment/frontend", "cpu: <unknown>/80%", "1", "5", "0")
    ]
    paused = {"spec": {"behavior": {"scaleUp": {"selectPolicy": "Disabled"}}}}
    kubectl("patch", "hpa", "front", "--type", "merge", "--patch", json.dumps(paused))
    found = kubectl.read("get", "hpa", "front")
    assert found["spec"]["behavior"] == paused["spec"]["behavior"]
    assert "Deployment/frontend" in kubectl("describe", "hpa", "front")
    kubectl("delete", "hpa", "front")
    assert "NotFound" in kubectl.refused("get", "hpa", "front")
