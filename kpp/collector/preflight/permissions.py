"""Whether the account may do what a campaign does, verb by verb; `deploy/rbac.yaml` grants just these."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kpp.collector.config import Config
from kpp.collector.preflight.commands import OPTIONAL_RBAC_MANIFEST, RBAC_MANIFEST, kubectl
from kpp.collector.preflight.findings import Finding, Outcome

CHECK = "permissions"


@dataclass(frozen=True)
class Permission:
    """One verb on one resource, in the terms of RBAC. Empty: the core group, no subresource, all objects."""

    verb: str
    group: str
    resource: str
    namespace: str = ""  # empty: the resource has none
    name: str = ""
    purpose: str = ""
    is_optional: bool = False  # a campaign runs without it, and knows less

    def __str__(self) -> str:
        """As sentences name it.

        >>> print(Permission("patch", "apps", "deployments", "shop", "load"))
        patch deployments/load in namespace shop
        """
        place = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{self.verb} {self.resource}{f'/{self.name}' if self.name else ''}{place}"


def needed_permissions(config: Config) -> tuple[Permission, ...]:
    """All that a campaign with this configuration asks of the API."""
    place = config.namespace
    return (
        Permission("list", "apps", "deployments", place, purpose="to find the services"),
        Permission("get", "apps", "deployments", place, config.load_generator, "to read the load"),
        Permission("patch", "apps", "deployments", place, config.load_generator, "to change the load"),
        Permission("list", "apps", "replicasets", place, purpose="to tell which pods run a service"),
        Permission("list", "", "pods", place, purpose="to tell which pods run a service"),
        Permission("list", "", "nodes", purpose="to record the nodes' CPU cores", is_optional=True),
    )


def judge_permissions(granted: Mapping[Permission, bool], config: Config) -> Iterator[Finding]:
    """One finding for what is granted, and one for each permission that is not.

    Args:
        granted: what the API says of each permission.
        config: names the namespace.
    """
    for permission, is_granted in granted.items():
        if is_granted:
            continue
        outcome = Outcome.WARN if permission.is_optional else Outcome.FAIL
        yield Finding(
            CHECK,
            outcome,
            f"may not {permission}, {permission.purpose}",
            f"have an administrator grant what {_manifest(permission)} lists; it is done when this says yes:",
            _question(permission, config),
        )
    count = sum(granted.values())
    if count:
        yield Finding(CHECK, Outcome.PASS, f"{count} of {len(granted)} granted")


def _manifest(permission: Permission) -> str:
    return OPTIONAL_RBAC_MANIFEST if permission.is_optional else RBAC_MANIFEST


def _question(permission: Permission, config: Config) -> str:
    """The command that tells whether it is granted."""
    named = f"{permission.resource}/{permission.name}" if permission.name else permission.resource
    is_namespaced = bool(permission.namespace)
    return kubectl(config, "auth", "can-i", permission.verb, named, namespaced=is_namespaced)
