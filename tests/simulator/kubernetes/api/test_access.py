"""What a Role grants: as kubectl and the official client see it, and as the API keeps to it."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from kpp.simulator.kubernetes.api.access import AccessControl, Attributes, Rule, read_rules
from kpp.simulator.kubernetes.api.access_reviews import read_binary_spec
from tests.simulator.kubernetes.conftest import Served
from tests.simulator.kubernetes.kubectl import Kubectl

Client = Any
ROLE = """
kind: Role
metadata: {name: collector}
rules:
- {apiGroups: [apps], resources: [deployments], verbs: [get, list]}
- {apiGroups: [apps], resources: [deployments], resourceNames: [loadgenerator], verbs: [patch]}
- {apiGroups: [apps], resources: [deployments/scale], verbs: ["*"]}
---
kind: ClusterRole
metadata: {name: nodes}
rules:
- {apiGroups: [""], resources: [nodes], verbs: [list]}
"""
ASKED = {  # what kubectl is asked, and whether the Role allows it
    ("get", "deployments"): True,
    ("get", "deployments.apps/frontend"): True,
    ("patch", "deployments/loadgenerator"): True,
    ("patch", "deployments/frontend"): False,
    ("patch", "deployments"): False,
    ("delete", "deployments"): False,
    ("update", "deployments", "--subresource=scale"): True,
    ("list", "pods"): False,
    ("list", "nodes"): True,
    ("get", "nodes"): False,
    ("get", "deployments", "--namespace=kube-system"): False,
    ("get", "deployments", "--all-namespaces"): False,
    ("get", "/healthz"): True,
}


@pytest.fixture
def limited(served: Served) -> Served:
    served.access.grant_only(read_rules(yaml.safe_load_all(ROLE)))
    return served


@pytest.fixture
def api_client(limited: Served) -> Iterator[Client]:
    configuration = client.Configuration()
    config.load_kube_config(str(limited.kubeconfig), client_configuration=configuration)
    with client.ApiClient(configuration) as connected:
        yield connected


@pytest.mark.usefixtures("limited")
def test_kubectl_is_told_what_the_role_grants(kubectl: Kubectl) -> None:
    answers = {asked: kubectl.run("auth", "can-i", *asked).stdout.strip() for asked in ASKED}
    assert {asked: answer.startswith("yes") for asked, answer in answers.items()} == ASKED


def test_the_client_is_told_the_same(api_client: Client) -> None:
    def may(verb: str, name: str | None) -> bool:
        attributes = client.V1ResourceAttributes(
            namespace="default", verb=verb, group="apps", resource="deployments", name=name
        )
        review = client.V1SelfSubjectAccessReview(
            spec=client.V1SelfSubjectAccessReviewSpec(resource_attributes=attributes)
        )
        answer: Client = client.AuthorizationV1Api(api_client).create_self_subject_access_review(review)
        return bool(answer.status.allowed)

    assert (may("list", None), may("patch", "loadgenerator"), may("patch", "frontend")) == (True, True, False)


def test_what_is_not_granted_is_refused_in_the_words_of_the_server(kubectl: Kubectl, limited: Served) -> None:
    kubectl("get", "deployments")
    assert kubectl.refused("get", "pods") == (
        'Error from server (Forbidden): pods is forbidden: User "system:serviceaccount:default:kpp" '
        'cannot list resource "pods" in API group "" in the namespace "default"'
    )
    limited.access.grant_only(None)
    kubectl("get", "pods")


def test_a_forbidden_patch_changes_nothing(api_client: Client, limited: Served) -> None:
    apps: Client = client.AppsV1Api(api_client)
    with pytest.raises(ApiException) as error:
        apps.patch_namespaced_deployment("frontend", "default", {"spec": {"replicas": 5}})
    assert error.value.status == 403
    assert apps.read_namespaced_deployment("frontend", "default").spec.replicas == 1
    apps.patch_namespaced_deployment("loadgenerator", "default", {"spec": {"replicas": 0}})
    patch = Attributes("patch", "apps", "deployments", namespace="default", name="loadgenerator")
    assert patch in limited.access.asked
    assert all(asked.name != "frontend" or asked.verb == "get" for asked in limited.access.asked)


def test_a_review_that_asks_for_nothing_is_invalid(api_client: Client) -> None:
    review = client.V1SelfSubjectAccessReview(spec=client.V1SelfSubjectAccessReviewSpec())
    with pytest.raises(ApiException) as error:
        client.AuthorizationV1Api(api_client).create_self_subject_access_review(review)
    assert error.value.status == 422


def test_everything_is_allowed_unless_said_otherwise() -> None:
    control = AccessControl()
    assert control.allows(Attributes("delete", "", "nodes"))
    assert not AccessControl.granting([]).allows(Attributes("get", "", "nodes"))
    every = AccessControl.granting([Rule(("*",), ("*",), ("*/scale",))])
    assert every.allows(Attributes("patch", "apps", "deployments", "scale"))
    assert not every.allows(Attributes("patch", "apps", "deployments"))


@given(st.binary(max_size=80))
def test_a_damaged_review_is_refused_and_no_fault(content: bytes) -> None:
    try:
        spec = read_binary_spec(b"k8s\0" + content)
    except (ValueError, IndexError):
        return
    assert spec.keys() <= {"resourceAttributes", "nonResourceAttributes"}


def test_a_namespace_in_the_role_goes_before_the_default() -> None:
    (role, *_) = yaml.safe_load_all(ROLE)
    role["metadata"]["namespace"] = "shop"
    assert {rule.namespace for rule in read_rules([role])} == {"shop"}


def test_binary_reviews_have_lengths_of_several_bytes() -> None:
    """A text of 200 bytes has a length of two bytes; fields of no interest are skipped."""
    name = b"n" * 200
    attributes = b"\x12\x05patch" + b"\x2a\x0bdeployments" + b"\x3a\xc8\x01" + name + b"\x40\x01"
    spec = b"\x0a" + bytes([len(attributes) & 127 | 128, len(attributes) >> 7]) + attributes
    review = b"\x0a\x00\x12" + bytes([len(spec) & 127 | 128, len(spec) >> 7]) + spec
    unknown = b"\x12" + bytes([len(review) & 127 | 128, len(review) >> 7]) + review
    assert read_binary_spec(b"k8s\0" + unknown) == {
        "resourceAttributes": {"verb": "patch", "resource": "deployments", "name": name.decode()}
    }
