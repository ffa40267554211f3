"""Discovery: what clients ask before anything else, to learn which resources there are."""

from kpp.simulator.kubernetes.nodes import SERVER_VERSION
from kpp.simulator.kubernetes.objects.resources import (
    RESOURCES,
    SELF_SUBJECT_ACCESS_REVIEWS,
    Json,
    Resource,
)

_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
_GROUP_VERSIONS = sorted({(resource.group, resource.version) for resource in RESOURCES})


def discovery_documents(server_address: str) -> dict[str, Json]:
    """Every document of discovery by its path."""
    groups = [_group(group, version) for group, version in _GROUP_VERSIONS if group]
    documents: dict[str, Json] = {
        "/version": _version(),
        "/api": {
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}],
        },
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups},
    }
    for entry in groups:
        documents[f"/apis/{entry['name']}"] = {"kind": "APIGroup", "apiVersion": "v1", **entry}
    for group, version in _GROUP_VERSIONS:
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        documents[path] = _resource_list(group, version)
    return documents | _openapi_documents()


def _version() -> Json:
    major, minor, _ = SERVER_VERSION.removeprefix("v").split(".")
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"{SERVER_VERSION}+kpp-simulated",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "linux/amd64",
    }


def _group(group: str, version: str) -> Json:
    named = {"groupVersion": f"{group}/{version}", "version": version}
    return {"name": group, "versions": [named], "preferredVersion": named}


def _resource_list(group: str, version: str) -> Json:
    resources = [each for each in RESOURCES if (each.group, each.version) == (group, version)]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": [entry for each in resources for entry in _entries(each)],
    }


def _entries(resource: Resource) -> list[Json]:
    entry: Json = {
        "name": resource.plural,
        "singularName": resource.kind.lower(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": ["create"] if resource is SELF_SUBJECT_ACCESS_REVIEWS else _VERBS,
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    return [entry, *(_subresource_entry(resource, each) for each in resource.subresources)]


def _subresource_entry(resource: Resource, subresource: str) -> Json:
    entry: Json = {
        "name": f"{resource.plural}/{subresource}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": ["get"],
    }
    if subresource == "scale":
        entry |= {
            "group": "autoscaling",
            "version": "v1",
            "kind": "Scale",
            "verbs": ["get", "patch", "update"],
        }
    return entry


def _openapi_documents() -> dict[str, Json]:
    """As much of OpenAPI as `kubectl apply` asks for: that the server checks fields and dry-runs itself."""
    documents: dict[str, Json] = {}
    index: dict[str, Json] = {}
    for group, version in _GROUP_VERSIONS:
        prefix = f"apis/{group}/{version}" if group else f"api/{version}"
        index[prefix] = {"serverRelativeURL": f"/openapi/v3/{prefix}"}
        paths = {}
        for resource in RESOURCES:
            if (resource.group, resource.version) == (group, version):
                paths[f"/{prefix}/{resource.plural}/{{name}}"] = {"patch": _patch_operation(resource)}
        documents[f"/openapi/v3/{prefix}"] = {
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes", "version": SERVER_VERSION},
            "paths": paths,
            "components": {"schemas": {}},
        }
    return {"/openapi/v3": {"paths": index}, **documents}


def _patch_operation(resource: Resource) -> Json:
    parameters = ("dryRun", "fieldManager", "fieldValidation", "force")
    return {
        "parameters": [{"name": name, "in": "query", "schema": {"type": "string"}} for name in parameters],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": {
            "group": resource.group,
            "version": resource.version,
            "kind": resource.kind,
        },
    }
