"""Whether the account may do what a campaign does, verb by verb; `deploy/rbac.yaml` grants just these."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from kpp.collector.cluster.lease_object import NAME as LEASE
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
    manifest: str = RBAC_MANIFEST  # that grants it

    def __str__(self) -> str:
        """As sentences name it.

        >>> print(Permission("patch", "apps", "deployments", "shop", "load"))
        patch deployments/load in namespace shop
        """
        place = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{self.verb} {self.resource}{f'/{self.name}' if self.name else ''}{place}"


def needed_permissions(config: Config, scaled: Iterable[str] = ()) -> tuple[Permission, ...]:
    """All that a campaign asks of the API.

    Args:
        config: names the namespace and the load generator.
        scaled: the Deployments whose replicas an experiment sets.
    """
    place, load = config.namespace, config.load_generator
    scaling = [
        Permission(verb, "apps", "deployments", place, name, "to scale it", manifest=OPTIONAL_RBAC_MANIFEST)
        for name in scaled
        for verb in ("get", "patch")
    ]
    leasing = [
        Permission(
            verb,
            "coordination.k8s.io",
            "leases",
            place,
            "" if verb == "create" else LEASE,  # RBAC does not know the name of what is not there yet
            "to refuse a second campaign meanwhile",
            is_optional=True,
        )
        for verb in ("create", "get", "update", "delete")
    ]
    return (
        Permission("list", "apps", "deployments", place, purpose="to find the services"),
        Permission("get", "apps", "deployments", place, load, "to read the load"),
        Permission("patch", "apps", "deployments", place, load, "to change the load"),
        *scaling,
        Permission("list", "apps", "replicasets", place, purpose="to tell which pods run a service"),
        Permission("list", "", "pods", place, purpose="to tell which pods run a service"),
        Permission(
            "list",
            "autoscaling",
            "horizontalpodautoscalers",
            place,
            purpose="to see whether one changes replicas meanwhile",
            is_optional=True,
        ),
        *leasing,
        Permission(
            "list",
            "",
            "nodes",
            purpose="to record the nodes' CPU cores",
            is_optional=True,
            manifest=OPTIONAL_RBAC_MANIFEST,
        ),
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
            f"have an administrator grant what {permission.manifest} lists; it is done when this says yes:",
            _question(permission, config),
        )
    count = sum(granted.values())
    if count:
        yield Finding(CHECK, Outcome.PASS, f"{count} of {len(granted)} granted")


def _question(permission: Permission, config: Config) -> str:
    """The command that tells whether it is granted."""
    named = f"{permission.resource}/{permission.name}" if permission.name else permission.resource
    is_namespaced = bool(permission.namespace)
    return kubectl(config, "auth", "can-i", permission.verb, named, namespaced=is_namespaced)
