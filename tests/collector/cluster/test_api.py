import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kubernetes
import pytest
from kubernetes.client import ApiClient, Configuration

from kpp import __version__
from kpp.clock import ManualClock
from kpp.collector.cluster.api import KubernetesApi
from kpp.collector.cluster.connection import connect
from kpp.collector.cluster.retries import ATTEMPTS
from kpp.collector.config import Config
from kpp.errors import KubernetesError
from tests.collector.fake_http import Silence
from tests.collector.fake_kubernetes import FakeKubernetes, Fault
from tests.collector.fake_pods import Object

CALLS: dict[str, Callable[[KubernetesApi], Any]] = {
    "read a Deployment": lambda api: api.read_deployment("frontend"),
    "patch a Deployment": lambda api: api.patch_deployment("frontend", {"spec": {"replicas": 2}}),
    "list Deployments": lambda api: api.list_deployments(),
    "list ReplicaSets": lambda api: api.list_replica_sets(),
    "list pods": lambda api: api.list_pods(),
    "list nodes": lambda api: api.list_nodes(),
}


@pytest.fixture
def api(fake: FakeKubernetes, clock: ManualClock) -> Iterator[KubernetesApi]:
    with contextlib.closing(KubernetesApi(Config(), clock, fake.api_client())) as api:
        yield api


def names(objects: list[Any]) -> list[str]:
    return [each["metadata"]["name"] for each in objects]


def test_objects_come_as_the_server_sent_them(fake: FakeKubernetes, api: KubernetesApi) -> None:
    unknown: Object = {"name": "NEW", "valueFrom": {"fileKeyRef": {"path": "load", "fromTheFuture": True}}}
    deployment = fake.deployments["frontend"]
    deployment["spec"]["template"]["spec"]["containers"][0]["env"].append(unknown)

    assert api.read_deployment("frontend") == json.loads(json.dumps(deployment))


def test_a_patch_is_sent_as_a_strategic_merge_in_the_name_of_kpp(
    fake: FakeKubernetes, api: KubernetesApi
) -> None:
    patch = {"spec": {"replicas": 2, "paused": None}}

    api.patch_deployment("frontend", patch)

    (request,) = fake.requests
    assert (request.method, request.path) == (
        "PATCH",
        "/apis/apps/v1/namespaces/default/deployments/frontend",
    )
    assert request.query == {"fieldManager": "kpp"}
    assert request.headers["content-type"] == "application/strategic-merge-patch+json"
    assert request.headers["user-agent"] == f"kpp/{__version__}"
    assert request.body == patch


def test_lists_are_read_to_their_last_page(fake: FakeKubernetes, api: KubernetesApi) -> None:
    fake.page_size = 5

    assert names(api.list_deployments()) == sorted(fake.deployments)
    assert [request.query.get("continue") for request in fake.requests] == [None, "5", "10"]
    assert {request.query["limit"] for request in fake.requests} == {"500"}


def test_a_list_whose_token_expires_is_begun_anew(fake: FakeKubernetes, api: KubernetesApi) -> None:
    fake.page_size = 7
    fake.fail_next(Fault(410, message="The provided continue parameter is too old"), query={"continue": "7"})

    assert names(api.list_deployments()) == sorted(fake.deployments)
    assert [request.query.get("continue") for request in fake.requests] == [None, "7", None, "7"]


def test_the_namespace_and_the_selector_arrive(fake: FakeKubernetes, clock: ManualClock) -> None:
    config = Config(namespace="shop")
    with contextlib.closing(KubernetesApi(config, clock, fake.api_client())) as api:
        assert api.list_pods("app=frontend,!old") == []

    (request,) = fake.requests
    assert request.path == "/api/v1/namespaces/shop/pods"
    assert request.query["labelSelector"] == "app=frontend,!old"


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("fault", [Silence.HANG, Silence.RESET, Fault(500), Fault(409)], ids=str)
def test_every_call_has_a_time_out_and_is_tried_again(
    fake: FakeKubernetes, clock: ManualClock, call: Callable[[KubernetesApi], Any], fault: Silence | Fault
) -> None:
    config = Config(request_timeout_seconds=0.1)
    fake.fail_next(fault)

    with contextlib.closing(KubernetesApi(config, clock, fake.api_client())) as api:
        call(api)

    assert len(fake.requests) == 2
    assert clock.now() == 0.5


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("status", [401, 403, 404, 422])
def test_a_refusal_is_final(
    fake: FakeKubernetes, api: KubernetesApi, call: Callable[[KubernetesApi], Any], status: int
) -> None:
    fake.fail_next(Fault(status, message="as said"))

    with pytest.raises(KubernetesError, match=f"HTTP {status}: as said") as caught:
        call(api)

    assert len(fake.requests) == 1
    assert str(caught.value).startswith(fake.url)


def test_the_server_is_asked_no_more_often_than_there_are_attempts(
    fake: FakeKubernetes, api: KubernetesApi, clock: ManualClock
) -> None:
    fake.fail_next(Fault(429, retry_after="3"), times=1000)

    with pytest.raises(KubernetesError, match="HTTP 429"):
        api.list_pods()

    assert len(fake.requests) == ATTEMPTS  # urllib3 by itself would ask four times for each
    assert clock.now() == 3 + 3 + 3 + 4 + 8 + 16


def test_a_server_that_is_not_there_is_named(clock: ManualClock) -> None:
    with FakeKubernetes() as fake:
        api_client = fake.api_client()

    with pytest.raises(KubernetesError, match=f"{fake.url}: could not be reached to list pods.*refused"):
        KubernetesApi(Config(), clock, api_client).list_pods()
    assert clock.now() == 31.5


def test_a_server_without_tls_is_not_tried_again(fake: FakeKubernetes, clock: ManualClock) -> None:
    api_client = ApiClient(Configuration(host=fake.url.replace("http:", "https:")))

    with pytest.raises(KubernetesError, match="no secure connection to list pods"):
        KubernetesApi(Config(), clock, api_client).list_pods()
    assert clock.now() == 0


@pytest.mark.parametrize("body", [b"<html>a proxy</html>", b"", b"[]", b'{"kind": "PodList"}', b"\xff"])
def test_an_answer_that_is_no_object_is_an_error(
    fake: FakeKubernetes, api: KubernetesApi, body: bytes
) -> None:
    fake.fail_next(Fault(200, body=body))

    with pytest.raises(KubernetesError, match="could not be read"):
        api.list_pods()


def test_a_client_s_own_headers_are_kept_and_the_client_is_left_as_it_was(
    fake: FakeKubernetes, clock: ManualClock
) -> None:
    given = fake.api_client()
    given.set_default_header("Impersonate-User", "jo")
    retries, user_agent = given.configuration.retries, given.user_agent

    with contextlib.closing(KubernetesApi(Config(), clock, given)) as api:
        api.list_nodes()

    assert fake.requests[0].headers["impersonate-user"] == "jo"
    assert (given.configuration.retries, given.user_agent) == (retries, user_agent)


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config"
    monkeypatch.setattr(kubernetes.config.kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return path


@pytest.mark.parametrize("context", [None, "fake"])
def test_the_kubeconfig_says_where_the_server_is(
    fake: FakeKubernetes, clock: ManualClock, kubeconfig: Path, context: str | None
) -> None:
    fake.write_kubeconfig(kubeconfig)

    with contextlib.closing(KubernetesApi(Config(kube_context=context), clock)) as api:
        assert api.server == fake.url
        assert names(api.list_nodes()) == ["minikube", "minikube-m02"]


@pytest.mark.parametrize(
    ("text", "context", "fault"),
    [
        (None, None, "No configuration found"),
        ("", None, "is empty"),
        ("{", None, "ParserError"),
        ("[1]", None, "kubeconfig: "),
        ("just text", None, "kubeconfig: "),
        ('{"apiVersion": "v1", "kind": "Config"}', None, "kubeconfig: "),
        (None, "prod", "context prod: .*No configuration found"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_one_clear_error(
    kubeconfig: Path, text: str | None, context: str | None, fault: str
) -> None:
    if text is not None:
        kubeconfig.write_text(text)

    with pytest.raises(KubernetesError, match=fault) as caught:
        connect(context)

    assert str(caught.value).endswith(
        "set KUBECONFIG to a file that `kubectl config get-contexts` can read, and "
        "KPP_KUBE_CONTEXT to one of its contexts"
    )
    assert "\n" not in str(caught.value)


def test_a_context_that_is_not_there_is_named(fake: FakeKubernetes, kubeconfig: Path) -> None:
    fake.write_kubeconfig(kubeconfig)

    with pytest.raises(KubernetesError, match=r"kubeconfig: context prod: .*name prod in .*contexts"):
        connect("prod")


def make_pod_credentials(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loader = kubernetes.config.incluster_config
    for name, text in {"SERVICE_TOKEN_FILENAME": "a-token", "SERVICE_CERT_FILENAME": "a certificate"}.items():
        path = folder / name
        path.write_text(text)
        monkeypatch.setattr(loader, name, str(path))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")


def test_in_a_pod_its_service_account_is_taken(
    kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_pod_credentials(tmp_path, monkeypatch)
    monkeypatch.setattr("kpp.collector.cluster.connection.ApiClient", lambda configuration: configuration)

    configuration: Any = connect(None)

    assert configuration.host == "https://10.96.0.1:443"
    assert "bearer a-token" in configuration.api_key.values()


def test_in_a_pod_a_context_that_was_asked_for_is_still_an_error(
    kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_pod_credentials(tmp_path, monkeypatch)

    with pytest.raises(KubernetesError, match="context prod"):
        connect("prod")
