"""The verbs of the API on objects and collections, each answered from the store."""

from kpp.simulator.kubernetes.api.access import AccessControl
from kpp.simulator.kubernetes.api.access_reviews import answer_review
from kpp.simulator.kubernetes.api.representations import choose_representation
from kpp.simulator.kubernetes.api.requests import ApiRequest
from kpp.simulator.kubernetes.api.scale import read_scale, write_scale
from kpp.simulator.kubernetes.cluster import SimulatedCluster
from kpp.simulator.kubernetes.objects.deletion import delete_object, parse_delete_options
from kpp.simulator.kubernetes.objects.listing import Page, list_page
from kpp.simulator.kubernetes.objects.resources import (
    PODS,
    SELF_SUBJECT_ACCESS_REVIEWS,
    Json,
    Resource,
)
from kpp.simulator.kubernetes.objects.status_errors import StatusError, method_not_allowed
from kpp.simulator.kubernetes.patches.apply import apply_patch

Answer = tuple[int, Json]  # HTTP status and body


class Verbs:
    """Answers everything but watches. Each method raises StatusError for what the API refuses."""

    def __init__(self, cluster: SimulatedCluster, access: AccessControl) -> None:
        self._access = access
        self._registry = cluster.registry
        self._store = cluster.store

    def answer(self, request: ApiRequest) -> Answer:
        """Do what the method and the path ask for.

        Raises:
            StatusError: the API refuses it.
        """
        target = request.target
        if target.resource is SELF_SUBJECT_ACCESS_REVIEWS:
            return answer_review(request, self._access)
        if target.subresource == "scale":
            return self._scale(request)
        if target.subresource is not None and request.method != "GET":
            raise method_not_allowed()
        verbs = {"GET": self._list, "POST": self._create, "DELETE": self._delete_collection}
        if target.name is not None:
            verbs = {"GET": self._get, "PUT": self._update, "PATCH": self._patch, "DELETE": self._delete}
        if request.method not in verbs:
            raise method_not_allowed()
        return verbs[request.method](request)

    def _get(self, request: ApiRequest) -> Answer:
        resource, name = request.target.resource, request.target.name or ""
        found = self._store.get(resource, name, request.namespace)
        return 200, self._show(request, resource, found)

    def _list(self, request: ApiRequest) -> Answer:
        representation = choose_representation(request.accept, request.query.get("includeObject", ""))
        selection = request.selection()
        version = request.version(self._store.version)
        limit, token = request.count("limit"), request.query.get("continue", "")
        if version is not None and request.query.get("resourceVersionMatch") == "Exact":
            items = self._store.list_at(selection.resource, selection.namespace, version)
            page = Page([each for each in items if selection.includes(each)], version)
        else:
            page = list_page(self._store, selection, limit, token)
        return 200, representation.of_list(selection.resource, page.items, page.metadata(), self._store.now)

    def _create(self, request: ApiRequest) -> Answer:
        resource = request.target.resource
        if resource.namespaced and request.target.namespace is None:
            raise method_not_allowed()
        created = self._registry.create(
            resource, request.read_object(), request.namespace, dry_run=request.is_dry_run()
        )
        return 201, self._show(request, resource, created)

    def _update(self, request: ApiRequest) -> Answer:
        resource, name = request.target.resource, request.target.name or ""
        manifest, dry_run = request.read_object(), request.is_dry_run()
        if resource.create_on_update and self._store.find(resource, name, request.namespace) is None:
            created = self._registry.create(resource, manifest, request.namespace, dry_run=dry_run)
            return 201, self._show(request, resource, created)
        updated = self._registry.replace(resource, name, request.namespace, manifest, dry_run=dry_run)
        return 200, self._show(request, resource, updated)

    def _patch(self, request: ApiRequest) -> Answer:
        resource, name = request.target.resource, request.target.name or ""
        patched = self._registry.patch(
            resource,
            name,
            request.namespace,
            lambda present: apply_patch(request.content_type, present, request.body),
            shown=request.body.decode(errors="replace"),
            dry_run=request.is_dry_run(),
        )
        return 200, self._show(request, resource, patched)

    def _delete(self, request: ApiRequest) -> Answer:
        resource, name = request.target.resource, request.target.name or ""
        options = parse_delete_options(request.read_options())
        last, is_gone = delete_object(self._store, resource, name, request.namespace, options)
        if not is_gone or resource is PODS:  # the kubelet has yet to stop it
            return 200, self._show(request, resource, last)
        return 200, _success(resource, last)

    def _delete_collection(self, request: ApiRequest) -> Answer:
        resource = request.target.resource
        options = parse_delete_options(request.read_options())
        page = list_page(self._store, request.selection())
        for each in page.items:
            metadata = each["metadata"]
            delete_object(self._store, resource, metadata["name"], metadata.get("namespace", ""), options)
        representation = choose_representation(request.accept, request.query.get("includeObject", ""))
        return 200, representation.of_list(resource, page.items, page.metadata(), self._store.now)

    def _scale(self, request: ApiRequest) -> Answer:
        resource, name = request.target.resource, request.target.name or ""
        if request.method == "GET":
            return 200, read_scale(self._store.get(resource, name, request.namespace))
        if request.method not in ("PUT", "PATCH"):
            raise method_not_allowed()

        def change(scale: Json) -> Json:
            if request.method == "PUT":
                return request.read_object()
            return apply_patch(request.content_type, scale, request.body)

        dry_run = request.is_dry_run()
        return 200, write_scale(self._registry, resource, name, request.namespace, change, dry_run=dry_run)

    def _show(self, request: ApiRequest, resource: Resource, manifest: Json) -> Json:
        representation = choose_representation(request.accept, request.query.get("includeObject", ""))
        return representation.of_object(resource, manifest, self._store.now)


def refuse(error: StatusError) -> tuple[Answer, dict[str, str]]:
    """The answer to a refused request, with its headers."""
    retry_after = (error.details or {}).get("retryAfterSeconds")
    headers = {"Retry-After": str(retry_after)} if retry_after is not None else {}
    return (error.code, error.as_status()), headers


def _success(resource: Resource, deleted: Json) -> Json:
    details = {
        "name": deleted["metadata"]["name"],
        "kind": resource.plural,
        "uid": deleted["metadata"]["uid"],
    }
    if resource.group:
        details["group"] = resource.group
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
