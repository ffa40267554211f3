"""The calls of the Kubernetes API that kpp makes, each with a time-out, retries and its errors translated.

Objects are handed on as the JSON that the API sent. The client's own models would lose what a newer server
knows and they do not, and a value that was lost could not be put back.
"""

import json
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, TypeVar

from kubernetes.client import (
    ApiClient,
    AppsV1Api,
    AuthorizationV1Api,
    AutoscalingV2Api,
    CoreV1Api,
    CustomObjectsApi,
    VersionApi,
)
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from kpp.clock import Clock
from kpp.collector.cluster.connection import connect, with_one_layer_of_retries
from kpp.collector.cluster.errors import Call, translate
from kpp.collector.cluster.retries import is_transient, with_retries
from kpp.collector.config import Config

PAGE_SIZE = 500  # objects per list call, as kubectl asks for

KubernetesObject = Mapping[str, Any]  # as JSON; the API leaves fields out that are zero, false or empty
Answer = TypeVar("Answer")


class KubernetesApi:
    """One namespace of a cluster.

    Raises:
        KubernetesError: by every method, when the API cannot be reached or refuses.
    """

    def __init__(self, config: Config, clock: Clock, api_client: ApiClient | None = None) -> None:
        self._client = with_one_layer_of_retries(api_client or connect(config.kube_context))
        self._apps = AppsV1Api(self._client)
        self._core = CoreV1Api(self._client)
        self._custom = CustomObjectsApi(self._client)
        self._clock = clock
        self._namespace = config.namespace
        seconds = config.request_timeout_seconds
        timeout = (seconds, seconds)  # connect and read; a lone float is ignored by version 33 of the client
        self._options: dict[str, Any] = {"_request_timeout": timeout, "_preload_content": False}

    @property
    def server(self) -> str:
        """The server's address."""
        return str(self._client.configuration.host)

    def read_version(self) -> str:
        """The server's version, as in `v1.32.0`."""
        get = VersionApi(self._client).get_code
        timeout = self._options["_request_timeout"]
        return self._call(Call("get", "/version"), lambda: str(get(_request_timeout=timeout).git_version))

    def close(self) -> None:
        """Close the connections."""
        self._client.rest_client.pool_manager.clear()
        self._client.close()

    def read_deployment(self, name: str) -> KubernetesObject:
        """One Deployment."""
        call = Call("get", "deployments", self._namespace, name)
        read = self._apps.read_namespaced_deployment
        return self._call(call, lambda: self._ask(read, name, self._namespace))

    def patch_deployment(self, name: str, patch: dict[str, Any]) -> None:
        """Send a strategic-merge patch; what it sets is absolute, so that it can be sent again."""
        call = Call("patch", "deployments", self._namespace, name)
        send = self._apps.patch_namespaced_deployment
        self._call(call, lambda: self._ask(send, name, self._namespace, patch, field_manager="kpp"))

    def list_deployments(self) -> list[KubernetesObject]:
        """All Deployments."""
        return self._list("deployments", self._apps.list_namespaced_deployment)

    def list_replica_sets(self) -> list[KubernetesObject]:
        """All ReplicaSets, those of past revisions too."""
        return self._list("replicasets", self._apps.list_namespaced_replica_set)

    def list_pods(self, label_selector: str | None = None) -> list[KubernetesObject]:
        """The pods with these labels, terminating ones too."""
        return self._list("pods", self._core.list_namespaced_pod, label_selector=label_selector)

    def read_lease(self, name: str) -> KubernetesObject:
        """One Lease. Refusals of the calls on Leases are told by `status_of`: 404 is none, 409 another's."""
        read = self._custom.get_namespaced_custom_object
        return self._call_lease("get", name, lambda: self._ask(read, *self._leases, name))

    def create_lease(self, lease: dict[str, Any]) -> KubernetesObject:
        """Make a Lease; 409 where there is one of this name."""
        create, name = self._custom.create_namespaced_custom_object, lease["metadata"]["name"]
        return self._call_lease("create", name, lambda: self._ask(create, *self._leases, lease))

    def replace_lease(self, lease: dict[str, Any], *, once: bool = False) -> KubernetesObject:
        """Write a Lease that was read; 409 where somebody else has written since. `once`: without retries."""
        replace, name = self._custom.replace_namespaced_custom_object, lease["metadata"]["name"]
        send = partial(self._ask, replace, *self._leases, name, lease)
        return self._call_lease("update", name, send, once=once)

    def delete_lease(self, name: str, resource_version: str) -> None:
        """Remove a Lease; 409 where somebody else has written since."""
        delete = self._custom.delete_namespaced_custom_object
        options = {"preconditions": {"resourceVersion": resource_version}}
        self._call_lease("delete", name, lambda: self._ask(delete, *self._leases, name, body=options))

    def list_autoscalers(self) -> list[KubernetesObject]:
        """All HorizontalPodAutoscalers."""
        list_page = AutoscalingV2Api(self._client).list_namespaced_horizontal_pod_autoscaler
        return self._list("horizontalpodautoscalers", list_page)

    def list_nodes(self) -> list[KubernetesObject]:
        """All nodes of the cluster: the one call that needs more than a namespaced role."""
        return self._call(Call("list", "nodes"), lambda: self._read_pages(self._core.list_node))

    def review_access(self, attributes: Mapping[str, str]) -> bool:
        """Whether the account may do something: `resourceAttributes` of a SelfSubjectAccessReview."""
        body = {"spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}}}
        create = AuthorizationV1Api(self._client).create_self_subject_access_review
        call = Call("create", "selfsubjectaccessreviews")
        return bool(self._call(call, lambda: self._ask(create, body)).get("status", {}).get("allowed"))

    def greet(self) -> tuple[str, float | None]:
        """The server's version and, where it tells it, its time: Unix seconds, whole ones."""
        read: Callable[..., Any] = VersionApi(self._client).get_code
        answer = self._call(Call("get", "version"), lambda: read(**self._options))
        date = answer.headers.get("Date")
        return _read_version(answer.data), parsedate_to_datetime(date).timestamp() if date else None

    @property
    def _leases(self) -> tuple[str, str, str, str]:
        """Where Leases are. The client's own model of them writes times that an API server refuses."""
        return "coordination.k8s.io", "v1", self._namespace, "leases"

    def _call_lease(
        self, verb: str, name: str, function: Callable[[], Answer], *, once: bool = False
    ) -> Answer:
        """409 is no reason to try again: the same version would be refused again."""
        passes = _never if once else _is_transient_and_no_conflict
        return self._call(Call(verb, "leases", self._namespace, name), function, passes=passes)

    def _list(self, resource: str, list_page: Callable[..., Any], **selectors: Any) -> list[KubernetesObject]:
        return self._call(
            Call("list", resource, self._namespace),
            lambda: self._read_pages(list_page, self._namespace, **selectors),
        )

    def _read_pages(
        self, list_page: Callable[..., Any], *where: str, **selectors: Any
    ) -> list[KubernetesObject]:
        items: list[KubernetesObject] = []
        token: str | None = None
        while True:
            page = self._ask(list_page, *where, limit=PAGE_SIZE, _continue=token, **selectors)
            items += page.get("items") or []  # Go may write null for an empty list
            token = page["metadata"].get("continue")
            if not token:
                return items

    def _ask(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> KubernetesObject:
        answer = json.loads(method(*arguments, **options, **self._options).data)
        if not isinstance(answer, dict) or not isinstance(answer.get("metadata"), dict):
            raise ValueError(f"no Kubernetes object: {answer!r}")
        return answer

    def _call(
        self,
        call: Call,
        function: Callable[[], Answer],
        *,
        passes: Callable[[BaseException], bool] = is_transient,
    ) -> Answer:
        try:
            return with_retries(function, clock=self._clock, doing=f"Kubernetes: {call}", passes=passes)
        except (ApiException, HTTPError, ValueError) as error:  # ValueError: the answer is no object in JSON
            raise translate(error, call, self.server) from error


def _read_version(body: bytes) -> str:
    try:
        return str(json.loads(body)["gitVersion"])
    except (ValueError, KeyError, TypeError):
        return "version not told"


def _is_transient_and_no_conflict(error: BaseException) -> bool:
    return is_transient(error) and not (isinstance(error, ApiException) and error.status == 409)


def _never(_error: BaseException) -> bool:
    return False
