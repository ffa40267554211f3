import pytest

from kpp.simulator.kubernetes.objects.resources import DEPLOYMENTS, PODS, Json
from kpp.simulator.kubernetes.objects.selectors import (
    format_selector,
    matches_labels,
    parse_field_selector,
    parse_label_selector,
    selects,
)
from kpp.simulator.kubernetes.objects.status_errors import StatusError

OBJECTS = {
    "web": {"app": "shop", "tier": "web", "size": "10"},
    "api": {"app": "shop", "tier": "api"},
    "db": {"app": "bank", "size": "3"},
    "bare": {},
}


def chosen(text: str) -> set[str]:
    requirements = parse_label_selector(text)
    return {
        name for name, labels in OBJECTS.items() if selects(requirements, {"metadata": {"labels": labels}})
    }


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", {"web", "api", "db", "bare"}),
        ("app=shop", {"web", "api"}),
        ("app==shop,tier!=web", {"api"}),
        ("app!=shop", {"db", "bare"}),
        ("tier", {"web", "api"}),
        ("!tier", {"db", "bare"}),
        ("tier in (web, api)", {"web", "api"}),
        ("tier notin (web)", {"api", "db", "bare"}),
        ("app in (shop,bank),!tier", {"db"}),
        ("size>5", {"web"}),
        ("size<5", {"db"}),
        ("app=", set()),
    ],
)
def test_label_selectors(text: str, names: set[str]) -> None:
    assert chosen(text) == names


@pytest.mark.parametrize("text", ["app=shop=bank", "a in b", "=x", "a,,b", "a b", "!a=b", "a in (x", ","])
def test_what_is_no_label_selector_is_refused(text: str) -> None:
    with pytest.raises(StatusError) as refused:
        parse_label_selector(text)
    assert refused.value.code == 400


def test_field_selectors() -> None:
    pod: Json = {
        "metadata": {"name": "a", "namespace": "n"},
        "spec": {"nodeName": "minikube"},
        "status": {"phase": "Running"},
    }
    for text, selected in [
        ("", True),
        ("metadata.name=a", True),
        ("metadata.name==a,status.phase!=Failed", True),
        ("status.phase!=Running", False),
        ("spec.nodeName=", False),
        ("spec.nodeName=minikube,metadata.namespace=n", True),
        ("status.podIP=", True),  # absent and empty are the same
    ]:
        assert parse_field_selector(text, PODS)(pod) is selected, text


def test_fields_that_a_resource_is_not_selected_by_are_refused() -> None:
    with pytest.raises(StatusError, match=r"field label not supported: spec\.foo"):
        parse_field_selector("spec.foo=1", PODS)
    with pytest.raises(
        StatusError, match=r'"status\.phase" is not a known field selector: only "metadata\.name"'
    ):
        parse_field_selector("status.phase=Running", DEPLOYMENTS)
    with pytest.raises(StatusError, match="invalid selector"):
        parse_field_selector("metadata.name", PODS)


def test_selectors_of_workloads() -> None:
    expressions = [
        {"key": "tier", "operator": "In", "values": ["web", "api"]},
        {"key": "canary", "operator": "DoesNotExist"},
    ]
    selector: Json = {"matchLabels": {"app": "shop"}, "matchExpressions": expressions}
    assert format_selector(selector) == "app=shop,tier in (web,api),!canary"
    names = {name for name, labels in OBJECTS.items() if matches_labels(selector, labels)}
    assert names == {"web", "api"} == chosen(format_selector(selector))
