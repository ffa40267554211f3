"""What goes over the wire, where no client library stands between."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from kpp.simulator.kubernetes.objects.resources import DEPLOYMENTS
from tests.simulator.kubernetes.conftest import Served, serve

DEPLOYMENTS_PATH = "/apis/apps/v1/namespaces/default/deployments"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as opened:
        opened.trust_env = False
        yield opened


def ask(session: requests.Session, served: Served, path: str, **options: Any) -> requests.Response:
    return session.request(options.pop("method", "GET"), served.url + path, timeout=30, **options)


def watch(
    session: requests.Session, served: Served, path: str, count: int | None = None, **query: object
) -> list[dict[str, Any]]:
    """The first events of a watch; without a count all, until it ends by itself."""
    seconds = 1 if count is None else 30
    parameters: dict[str, Any] = {"watch": "true", "timeoutSeconds": seconds, **query}
    with session.get(served.url + path, params=parameters, timeout=60, stream=True) as answer:
        assert answer.status_code == 200
        assert answer.headers["Transfer-Encoding"] == "chunked"
        return [json.loads(line) for line in itertools.islice(answer.iter_lines(chunk_size=1), count)]


def test_discovery(session: requests.Session, untouched: Served) -> None:
    assert ask(session, untouched, "/version").json()["gitVersion"].startswith("v1.32.")
    assert ask(session, untouched, "/api").json()["versions"] == ["v1"]
    groups = {each["name"] for each in ask(session, untouched, "/apis").json()["groups"]}
    assert {"apps", "authorization.k8s.io", "coordination.k8s.io"} <= groups
    assert ask(session, untouched, "/apis/apps").json()["preferredVersion"]["groupVersion"] == "apps/v1"
    listed = {each["name"]: each for each in ask(session, untouched, "/apis/apps/v1").json()["resources"]}
    scale = listed["deployments/scale"]
    assert (scale["group"], scale["version"], scale["kind"]) == ("autoscaling", "v1", "Scale")
    core = {each["name"] for each in ask(session, untouched, "/api/v1").json()["resources"]}
    assert {"pods", "services", "namespaces", "nodes", "events", "serviceaccounts"} <= core
    for path in ("/healthz", "/livez", "/readyz"):
        assert ask(session, untouched, path).text == "ok"


@pytest.mark.parametrize(
    ("request_line", "code", "reason"),
    [
        (("POST", f"{DEPLOYMENTS_PATH}/frontend", {}, "{}"), 405, "MethodNotAllowed"),
        (("PUT", DEPLOYMENTS_PATH, {}, "{}"), 405, "MethodNotAllowed"),
        (("POST", "/apis/apps/v1/deployments", {}, "{}"), 405, "MethodNotAllowed"),
        (("DELETE", f"{DEPLOYMENTS_PATH}/frontend/scale", {}, ""), 405, "MethodNotAllowed"),
        (("POST", "/version", {}, "{}"), 405, "MethodNotAllowed"),
        (
            ("PATCH", f"{DEPLOYMENTS_PATH}/frontend", {"Content-Type": "text/plain"}, "{}"),
            415,
            "UnsupportedMediaType",
        ),
        (("POST", DEPLOYMENTS_PATH, {"Content-Type": "text/plain"}, "{}"), 415, "UnsupportedMediaType"),
        (("GET", DEPLOYMENTS_PATH, {"Accept": "application/xml"}, ""), 406, "NotAcceptable"),
        (("POST", DEPLOYMENTS_PATH, {"Content-Type": "application/json"}, "{"), 400, "BadRequest"),
        (("POST", DEPLOYMENTS_PATH, {"Content-Type": "application/json"}, "[]"), 400, "BadRequest"),
        (("GET", f"{DEPLOYMENTS_PATH}?limit=many", {}, ""), 400, "BadRequest"),
        (("GET", f"{DEPLOYMENTS_PATH}?watch=maybe", {}, ""), 400, "BadRequest"),
        (("GET", f"{DEPLOYMENTS_PATH}?continue=x", {}, ""), 400, "BadRequest"),
        (("GET", f"{DEPLOYMENTS_PATH}?resourceVersion=x", {}, ""), 400, "BadRequest"),
        (("GET", f"{DEPLOYMENTS_PATH}?resourceVersion=999999", {}, ""), 504, "Timeout"),
        (("GET", f"{DEPLOYMENTS_PATH}?watch=1&sendInitialEvents=true", {}, ""), 422, "Invalid"),
        (("DELETE", f"{DEPLOYMENTS_PATH}/frontend?propagationPolicy=Upwards", {}, ""), 400, "BadRequest"),
        (
            ("POST", "/api/v1/namespaces/nowhere/configmaps", {}, '{"metadata": {"name": "a"}}'),
            404,
            "NotFound",
        ),
    ],
)
def test_refusals(
    session: requests.Session, untouched: Served, request_line: tuple[Any, ...], code: int, reason: str
) -> None:
    method, path, headers, body = request_line
    answer = ask(session, untouched, path, method=method, headers=headers, data=body)
    status = answer.json()
    assert (answer.status_code, status["code"], status["reason"]) == (code, code, reason)
    assert (status["kind"], status["status"]) == ("Status", "Failure")


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/api/v2/pods",
        "/apis/apps/v1/gadgets",
        f"{DEPLOYMENTS_PATH}/frontend/log",
        "/apis/apps/v1beta1",
    ],
)
def test_unknown_paths_are_not_found_in_plain_text(
    session: requests.Session, untouched: Served, path: str
) -> None:
    answer = ask(session, untouched, path)
    assert (answer.status_code, answer.text) == (404, "404 page not found\n")


def test_a_list_names_its_moment(session: requests.Session, served: Served) -> None:
    listed = ask(session, served, DEPLOYMENTS_PATH).json()
    assert (listed["kind"], listed["apiVersion"]) == ("DeploymentList", "apps/v1")
    version = listed["metadata"]["resourceVersion"]
    assert version == str(served.cluster.store.version)
    body = json.dumps({"metadata": {"labels": {"x": "y"}}})
    headers = {"Content-Type": "application/merge-patch+json"}
    ask(session, served, f"{DEPLOYMENTS_PATH}/frontend", method="PATCH", data=body, headers=headers)
    query = f"?resourceVersion={version}&resourceVersionMatch=Exact"
    assert ask(session, served, DEPLOYMENTS_PATH + query).json()["items"] == listed["items"]
    assert ask(session, served, DEPLOYMENTS_PATH).json()["items"] != listed["items"]


def test_tables_and_metadata_alone(session: requests.Session, untouched: Served) -> None:
    table = ask(session, untouched, DEPLOYMENTS_PATH, headers={"Accept": TABLE}).json()
    assert (table["kind"], len(table["rows"])) == ("Table", 12)
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    whole = ask(
        session, untouched, f"{DEPLOYMENTS_PATH}?includeObject=Object", headers={"Accept": TABLE}
    ).json()
    assert whole["rows"][0]["object"]["kind"] == "Deployment"
    accept = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"}
    partial = ask(session, untouched, DEPLOYMENTS_PATH, headers=accept).json()
    assert partial["kind"] == "PartialObjectMetadataList"
    assert "spec" not in partial["items"][0]


def test_a_watch_without_a_start_tells_what_is_there(session: requests.Session, untouched: Served) -> None:
    events = watch(session, untouched, DEPLOYMENTS_PATH, count=12)
    assert [each["type"] for each in events] == ["ADDED"] * 12
    assert events[0]["object"]["kind"] == "Deployment"


def test_a_watch_list_says_when_its_list_is_complete(session: requests.Session, untouched: Served) -> None:
    events = watch(
        session,
        untouched,
        DEPLOYMENTS_PATH,
        count=13,
        sendInitialEvents="true",
        resourceVersionMatch="NotOlderThan",
        allowWatchBookmarks="true",
    )
    assert [each["type"] for each in events] == ["ADDED"] * 12 + ["BOOKMARK"]
    metadata = events[-1]["object"]["metadata"]
    assert metadata["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert metadata["resourceVersion"] == str(untouched.cluster.store.version)


def test_a_watch_sees_objects_come_and_go_by_its_selector(session: requests.Session, served: Served) -> None:
    store = served.cluster.store
    start = store.version
    frontend = store.get(DEPLOYMENTS, "frontend", "default")
    for labels in ({"x": "1"}, {"x": "1", "y": "2"}, {}):
        frontend = store.replace(
            DEPLOYMENTS, {**frontend, "metadata": {**frontend["metadata"], "labels": labels}}
        )
    events = watch(session, served, DEPLOYMENTS_PATH, count=3, labelSelector="x", resourceVersion=start)
    assert [each["type"] for each in events] == ["ADDED", "MODIFIED", "DELETED"]
    assert watch(session, served, DEPLOYMENTS_PATH, labelSelector="none", resourceVersion=start) == []


def test_a_watch_of_tables_names_its_columns_once(session: requests.Session, untouched: Served) -> None:
    session.headers["Accept"] = TABLE
    first, second = watch(
        session, untouched, DEPLOYMENTS_PATH, 2, labelSelector="app in (frontend, adservice)"
    )
    assert [each["name"] for each in first["object"]["columnDefinitions"]][:2] == ["Name", "Ready"]
    assert second["object"]["columnDefinitions"] is None
    assert second["object"]["rows"][0]["cells"][0] == "frontend"


def test_a_watch_from_the_forgotten_past_ends_with_an_error(
    session: requests.Session, served: Served
) -> None:
    served.outlive_history()
    (told,) = watch(session, served, DEPLOYMENTS_PATH, resourceVersion=1)
    assert told["type"] == "ERROR"
    assert (told["object"]["code"], told["object"]["reason"]) == (410, "Expired")


def test_a_server_that_stops_ends_its_watches(session: requests.Session, tmp_path: Path) -> None:
    with serve(tmp_path) as served:
        query = "?watch=true&timeoutSeconds=600"
        stream = session.get(served.url + DEPLOYMENTS_PATH + query, timeout=30, stream=True)
        lines = stream.iter_lines()
        told = [next(lines) for _ in range(12)]
    assert len(told) == 12
    assert list(lines) == []  # the answer came to its proper end


def test_a_collection_is_deleted_by_selector(session: requests.Session, served: Served) -> None:
    path = f"{DEPLOYMENTS_PATH}?labelSelector=app%3Dfrontend"
    deleted = ask(session, served, path, method="DELETE").json()
    assert [each["metadata"]["name"] for each in deleted["items"]] == ["frontend"]
    assert len(ask(session, served, DEPLOYMENTS_PATH).json()["items"]) == 11


def test_yaml_is_read_too(session: requests.Session, served: Served) -> None:
    text = "metadata: {name: settings}\ndata: {a: '1'}\n"
    headers = {"Content-Type": "application/yaml"}
    path = "/api/v1/namespaces/default/configmaps"
    assert ask(session, served, path, method="POST", data=text, headers=headers).status_code == 201
    assert ask(session, served, f"{path}/settings").json()["data"] == {"a": "1"}
