"""A Kubernetes API server over HTTP, for tests: it answers from a `FakeCluster` and records what was asked.

    with FakeKubernetes() as fake:
        client = KubernetesClient(config, ManualClock(), fake.api_client())
        fake.fail_next(Fault(429, retry_after="3"), method="PATCH")
        client.set_load(50, 5)
        assert fake.patches == [...]

Every answered GET is a poll: after `polls_per_step` of them the cluster takes a step, so that roll-outs
finish without time passing; 0 lets them finish within the patch.
"""

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from kubernetes.client import ApiClient, Configuration

from tests.collector.fake_cluster import FakeCluster, InvalidError
from tests.collector.fake_http import Answer, HttpServer, Request, Silence
from tests.collector.fake_pods import Object, read_recorded

_NOT_TOLD = ("gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform")
_DISCOVERY = {
    **read_recorded("discovery"),
    "/version": {"major": "1", "minor": "32", "gitVersion": "v1.32.0", **dict.fromkeys(_NOT_TOLD, "-")},
}
_ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_LISTS = {
    "deployments": "Deployment",
    "replicasets": "ReplicaSet",
    "pods": "Pod",
    "nodes": "Node",
    "horizontalpodautoscalers": "HorizontalPodAutoscaler",
}
_PATH = re.compile(
    r"/(?:api/v1|apis/apps/v1|apis/coordination.k8s.io/v1|apis/autoscaling/v2)(?:/namespaces/(?P<namespace>[^/]+))?/(?P<resource>[a-z]+)(?:/(?P<name>[^/]+))?"
)


@dataclass(frozen=True)
class Fault:
    """An answer that is no success; a Status object unless `body` is given."""

    status: int
    retry_after: str | None = None
    message: str = "as the test asked for"
    body: bytes | None = None


@dataclass
class _Rule:
    fault: Fault | Silence
    times: int
    method: str | None
    path: str
    query: Mapping[str, str]

    def fits(self, request: Request) -> bool:
        named = self.method in (None, request.method) and self.path in request.path
        return self.times > 0 and named and self.query.items() <= request.query.items()


@dataclass
class FakeKubernetes:
    """A context manager; it answers while it is entered."""

    cluster: FakeCluster = field(default_factory=FakeCluster)
    polls_per_step: int = 1
    page_size: int = 500
    namespace: str = "default"
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[_Rule] = []
        self._polls = 0
        self.leases: dict[str, Object] = {}
        self._server = HttpServer(self.answer)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.stop()

    @property
    def url(self) -> str:
        """The server's address."""
        return self._server.url

    @property
    def deployments(self) -> dict[str, Object]:
        """The Deployments as they are now, by name."""
        return self.cluster.deployments

    @property
    def patches(self) -> list[Any]:
        """The bodies of all PATCH requests."""
        return [request.body for request in self.requests if request.method == "PATCH"]

    def api_client(self) -> ApiClient:
        """A connection for the Kubernetes client library."""
        return ApiClient(Configuration(host=self.url))

    def write_kubeconfig(self, path: Path) -> Path:
        """A kubeconfig with the one context `fake`; JSON is YAML."""
        named = {"cluster": {"server": self.url}, "user": {}, "context": {"cluster": "fake", "user": "fake"}}
        config: Object = {"apiVersion": "v1", "kind": "Config", "current-context": "fake"}
        config |= {f"{kind}s": [{"name": "fake", kind: value}] for kind, value in named.items()}
        path.write_text(json.dumps(config))
        return path

    def fail_next(
        self,
        fault: Fault | Silence,
        *,
        times: int = 1,
        method: str | None = None,
        path: str = "",
        query: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Let the next `times` requests of this method, with this in path and query, meet the fault."""
        self._rules.append(_Rule(fault, times, method, path, query))

    def answer(self, request: Request) -> Answer | Silence:
        """Status, headers and body for a request."""
        with self._lock:
            self.requests.append(request)
            for rule in self._rules:
                if rule.fits(request):
                    rule.times -= 1
                    return rule.fault if isinstance(rule.fault, Silence) else _answer_fault(rule.fault)
            status, answer = self._handle(request)
            body = b"" if answer is None else json.dumps(answer).encode()
            self._poll(request.method)
        return status, {}, body

    def _poll(self, method: str) -> None:
        if self.polls_per_step == 0:
            self.cluster.settle()
        elif method == "GET":
            self._polls += 1
            if self._polls % self.polls_per_step == 0:
                self.cluster.step()

    def _handle(self, request: Request) -> tuple[int, Object | None]:
        if request.path == _ACCESS_REVIEWS:
            return 201, {"metadata": {}, "spec": request.body["spec"], "status": {"allowed": True}}
        if request.path.rstrip("/") in _DISCOVERY:
            return 200, _DISCOVERY[request.path.rstrip("/")]
        match = _PATH.fullmatch(request.path)
        if match is not None and match["resource"] == "leases":
            return self._handle_lease(request, match["name"])
        if match is None or match["resource"] not in _LISTS:
            return 404, _status(404, "the server could not find the requested resource")
        objects = self._objects(match["resource"]) if match["namespace"] in (None, self.namespace) else {}
        if match["name"] is None:
            return 200, self._list(match["resource"], objects, request.query)
        return self._handle_one(request, objects, match["resource"], match["name"])

    def _handle_one(
        self, request: Request, objects: dict[str, Object], resource: str, name: str
    ) -> tuple[int, Object]:
        if name not in objects:
            return 404, _status(404, f'{resource} "{name}" not found')
        if request.method == "PATCH":
            return self._patch(name, request)
        return 200, objects[name]

    def _handle_lease(self, request: Request, name: str | None) -> tuple[int, Object]:
        """As an API server: what was written since it was read is a conflict."""
        lease = request.body
        name = name or lease["metadata"]["name"]
        present = self.leases.get(name)
        if request.method == "POST" and present is not None:
            return 409, _status(409, f'leases.coordination.k8s.io "{name}" already exists')
        if request.method != "POST" and present is None:
            return 404, _status(404, f'leases.coordination.k8s.io "{name}" not found')
        if request.method in ("PUT", "DELETE") and present is not None:
            asked = lease.get("preconditions", {}) if request.method == "DELETE" else lease["metadata"]
            if asked.get("resourceVersion") != present["metadata"]["resourceVersion"]:
                return 409, _status(409, "the object has been modified")
        if request.method == "DELETE":
            del self.leases[name]
            return 200, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        if request.method in ("POST", "PUT"):
            version = str(len(self.requests))
            metadata = {**lease["metadata"], "namespace": self.namespace, "resourceVersion": version}
            self.leases[name] = {**lease, "metadata": metadata}
        return 200, self.leases[name]

    def _patch(self, name: str, request: Request) -> tuple[int, Object]:
        if request.headers["content-type"] != "application/strategic-merge-patch+json":
            return 415, _status(415, f"unsupported media type {request.headers['content-type']}")
        try:
            return 200, self.cluster.patch_deployment(name, request.body)
        except InvalidError as error:
            return 422, _status(422, f'Deployment.apps "{name}" is invalid: {error}')

    def _objects(self, resource: str) -> dict[str, Object]:
        cluster = self.cluster
        stores: tuple[dict[str, Object], ...] = (
            *(cluster.deployments, cluster.replica_sets, cluster.pods, cluster.nodes),
            {},  # no autoscaler
        )
        return dict(zip(_LISTS, stores, strict=True))[resource]

    def _list(self, resource: str, objects: dict[str, Object], query: dict[str, str]) -> Object | None:
        """One page; the continue token is the place where the next one begins."""
        if query.get("watch") == "true":
            return None  # it ends before anything has happened
        items = [
            {key: value for key, value in each.items() if key not in ("apiVersion", "kind")}
            for _, each in sorted(objects.items())
            if _selects(query.get("labelSelector"), each["metadata"].get("labels", {}))
            and _selects(query.get("fieldSelector"), {"metadata.name": each["metadata"]["name"]})
        ]
        start = int(query.get("continue") or 0)
        end = start + min(self.page_size, int(query.get("limit") or self.page_size))
        metadata: Object = {"resourceVersion": "9000"}
        if end < len(items):
            metadata |= {"continue": str(end), "remainingItemCount": len(items) - end}
        version = "v1" if resource in ("pods", "nodes") else "apps/v1"
        kind = f"{_LISTS[resource]}List"
        return {"apiVersion": version, "kind": kind, "metadata": metadata, "items": items[start:end]}


def _answer_fault(fault: Fault) -> Answer:
    headers = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
    body = json.dumps(_status(fault.status, fault.message)).encode() if fault.body is None else fault.body
    return fault.status, headers, body


def _status(code: int, message: str) -> Object:
    reasons = {401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "Conflict", 422: "Invalid"}
    reason = reasons.get(code, "TooManyRequests" if code == 429 else "InternalError")
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return {**status, "message": message, "reason": reason, "code": code}


def _selects(selector: str | None, values: Mapping[str, str]) -> bool:
    """Whether the values, of labels or fields, fit `key=value`, `key` and `!key`, joined by commas."""
    for term in selector.split(",") if selector else []:
        key, equals, value = term.partition("=")
        if " " in term:  # `app in (a, b)`: kpp asks by none, and to fail is better than to select wrongly
            raise ValueError(f"no such selector is known here: {selector}")
        fits = values.get(key) == value if equals else (key.lstrip("!") in values) != key.startswith("!")
        if not fits:
            return False
    return True
