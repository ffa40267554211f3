"""What a path of the API names."""

from dataclasses import dataclass

from kpp.simulator.kubernetes.objects.resources import Resource, find_resource


@dataclass(frozen=True)
class Target:
    """A collection, an object, or a subresource of one."""

    resource: Resource
    namespace: str | None = None  # None: cluster-wide, or the collection over all namespaces
    name: str | None = None
    subresource: str | None = None


def parse_path(path: str) -> Target | None:
    """What the path names, None when that is nothing.

    >>> parse_path("/apis/apps/v1/namespaces/default/deployments/frontend/scale").name
    'frontend'
    """
    parts = path.strip("/").split("/")
    match parts:
        case ["api", version, *rest]:
            return _parse_rest("", version, rest)
        case ["apis", group, version, *rest]:
            return _parse_rest(group, version, rest)
        case _:
            return None


def _parse_rest(group: str, version: str, rest: list[str]) -> Target | None:
    namespace = None
    if len(rest) >= 3 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    if not 1 <= len(rest) <= 3:
        return None
    plural, name, subresource = [*rest, None, None][:3]
    resource = find_resource(group, version, plural or "")
    if resource is None or (namespace is not None and not resource.namespaced):
        return None
    if name is not None and resource.namespaced and namespace is None:
        return None
    if subresource is not None and subresource not in resource.subresources:
        return None
    return Target(resource, namespace, name, subresource)
