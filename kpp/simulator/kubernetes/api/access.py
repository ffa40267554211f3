"""Who may do what: by default everything; or what a Role grants, by the rules of RBAC.

Source: k8s.io/kubernetes `pkg/apis/rbac/v1/evaluation_helpers.go`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from kpp.simulator.kubernetes.api.target import Target
from kpp.simulator.kubernetes.objects.resources import Json
from kpp.simulator.kubernetes.objects.status_errors import StatusError

USER = "system:serviceaccount:default:kpp"  # whoever asks: the simulation knows only one
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}
_ALL = "*"


@dataclass(frozen=True)
class Attributes:
    """What a request is about to do. Empty: the core group, all namespaces, the whole collection."""

    verb: str
    group: str
    resource: str
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    @property
    def path(self) -> str:
        """The resource as rules name it.

        >>> Attributes("get", "apps", "deployments", "scale").path
        'deployments/scale'
        """
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


@dataclass(frozen=True)
class Rule:
    """Grants verbs on resources.

    `names` empty: on all objects. `namespace` None: in all namespaces.
    """

    verbs: tuple[str, ...]
    groups: tuple[str, ...]
    resources: tuple[str, ...]
    names: tuple[str, ...] = ()
    namespace: str | None = None

    def allows(self, asked: Attributes) -> bool:
        """Whether it grants this."""
        return (
            bool({asked.verb, _ALL} & {*self.verbs})
            and bool({asked.group, _ALL} & {*self.groups})
            and bool({asked.path, _ALL, f"*/{asked.subresource}"} & {*self.resources})
            and (not self.names or asked.name in self.names)
            and self.namespace in (None, asked.namespace)
        )


def read_rules(manifests: Iterable[Json], namespace: str = "default") -> list[Rule]:
    """The rules of all Roles and ClusterRoles among the manifests; a Role without a namespace takes this one.

    Bindings are not looked at: everything goes to the only user there is.
    """
    rules = []
    for manifest in manifests:
        if manifest.get("kind") not in ("Role", "ClusterRole"):
            continue
        place = manifest["metadata"].get("namespace", namespace) if manifest["kind"] == "Role" else None
        rules += [
            Rule(
                verbs=tuple(rule["verbs"]),
                groups=tuple(rule.get("apiGroups", ())),
                resources=tuple(rule.get("resources", ())),
                names=tuple(rule.get("resourceNames", ())),
                namespace=place,
            )
            for rule in manifest.get("rules") or ()
        ]
    return rules


class AccessControl:
    """Decides on requests, and notes them; the rules may change while a server runs."""

    def __init__(self) -> None:
        self._rules: Sequence[Rule] | None = None
        self.asked: set[Attributes] = set()  # by requests that were let through

    @classmethod
    def granting(cls, rules: Sequence[Rule] | None) -> Self:
        """Allow what the rules grant; None: everything."""
        control = cls()
        control.grant_only(rules)
        return control

    def grant_only(self, rules: Sequence[Rule] | None) -> None:
        """From now on allow what the rules grant; None: everything."""
        self._rules = None if rules is None else tuple(rules)

    def allows(self, asked: Attributes) -> bool:
        """Whether the user may do this."""
        return self._rules is None or any(rule.allows(asked) for rule in self._rules)

    def check(self, asked: Attributes) -> None:
        """Let a request through.

        Raises:
            StatusError: 403, it is not allowed.
        """
        if not self.allows(asked):
            raise forbidden(asked, USER)
        self.asked.add(asked)


def attributes_of(method: str, target: Target, *, is_watch: bool) -> Attributes:
    """What a request to a path does, in the terms of the rules."""
    return Attributes(
        verb=_verb_of(method, is_watch=is_watch, has_name=target.name is not None),
        group=target.resource.group,
        resource=target.resource.plural,
        subresource=target.subresource or "",
        namespace=target.namespace or "",
        name=target.name or "",
    )


def _verb_of(method: str, *, is_watch: bool, has_name: bool) -> str:
    if method in _VERBS:
        return _VERBS[method]
    if method == "DELETE":
        return "delete" if has_name else "deletecollection"
    if is_watch:
        return "watch"
    return "get" if has_name else "list"


def forbidden(asked: Attributes, user: str) -> StatusError:
    """403, in the words of the API server."""
    where = f' in the namespace "{asked.namespace}"' if asked.namespace else " at the cluster scope"
    qualified = f"{asked.resource}.{asked.group}" if asked.group else asked.resource
    subject = f'{qualified} "{asked.name}"' if asked.name else qualified
    message = (
        f'{subject} is forbidden: User "{user}" cannot {asked.verb} resource "{asked.path}" '
        f'in API group "{asked.group}"{where}'
    )
    details = {"name": asked.name, "group": asked.group, "kind": asked.resource}
    return StatusError(403, "Forbidden", message, {key: value for key, value in details.items() if value})
