"""The Lease of a campaign as JSON: who holds it, since when, until when; no calls."""

import getpass
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from kpp.collector.cluster.api import KubernetesObject

NAME = "kpp-campaign"
DURATION_SECONDS = 120  # longer than any step of a campaign in which nothing can be renewed
_CAMPAIGN, _HOST, _PROCESS = "kpp/campaign", "kpp/host", "kpp/process"  # annotations


@dataclass(frozen=True)
class Holder:
    """A process that runs a campaign."""

    campaign_id: str
    campaign: str  # the stem of its files
    user: str
    host: str
    process_id: int

    @classmethod
    def this_process(cls, campaign_id: str, campaign: str) -> Self:
        """The one that asks."""
        try:
            user = getpass.getuser()
        except (OSError, KeyError):  # a container whose user has no name
            user = "?"
        return cls(campaign_id, campaign, user, socket.gethostname(), os.getpid())

    def __str__(self) -> str:
        return f"{self.user}@{self.host}, process {self.process_id}, campaign {self.campaign}"

    @property
    def annotations(self) -> dict[str, str]:
        """What tells it from others."""
        return {_CAMPAIGN: self.campaign_id, _HOST: self.host, _PROCESS: str(self.process_id)}

    def has(self, lease: KubernetesObject) -> bool:
        """Whether this process holds the Lease."""
        return self.annotations.items() <= _annotations(lease).items()

    def is_of_campaign(self, lease: KubernetesObject) -> bool:
        """Whether a process of this campaign holds it."""
        return _annotations(lease).get(_CAMPAIGN) == self.campaign_id

    def is_on_host(self, lease: KubernetesObject) -> bool:
        """Whether a process on this machine holds it."""
        return _annotations(lease).get(_HOST) == self.host


def make_lease(holder: Holder, now: float) -> dict[str, Any]:
    """A new Lease of `holder`, from `now` on, Unix seconds."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": NAME,
            "labels": {"app.kubernetes.io/managed-by": "kpp"},
            "annotations": holder.annotations,
        },
        "spec": {
            "holderIdentity": str(holder),
            "leaseDurationSeconds": DURATION_SECONDS,
            "acquireTime": format_micro_time(now),
            "renewTime": format_micro_time(now),
            "leaseTransitions": 0,
        },
    }


def take_over(found: KubernetesObject, holder: Holder, now: float) -> dict[str, Any]:
    """A Lease that was read, with another holder; it keeps the version that was read."""
    made = make_lease(holder, now)
    transitions = found.get("spec", {}).get("leaseTransitions", 0) + 1
    return {
        **made,
        "metadata": {**found["metadata"], **made["metadata"]},
        "spec": {**made["spec"], "leaseTransitions": transitions},
    }


def renew(lease: KubernetesObject, now: float) -> dict[str, Any]:
    """The Lease, renewed."""
    return {**lease, "spec": {**lease["spec"], "renewTime": format_micro_time(now)}}


def expires_at(spec: Mapping[str, Any]) -> float:
    """When the holder has given no sign of life for too long, Unix seconds; long ago where it never did."""
    try:
        renewed_at = datetime.fromisoformat(spec["renewTime"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return float("-inf")
    return renewed_at + float(spec.get("leaseDurationSeconds") or 0)


def format_micro_time(instant: float) -> str:
    """Unix seconds as Kubernetes' MicroTime.

    >>> format_micro_time(1_772_409_599.5)
    '2026-03-01T23:59:59.500000Z'
    """
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _annotations(lease: KubernetesObject) -> Mapping[str, str]:
    annotations: Mapping[str, str] = lease["metadata"].get("annotations") or {}
    return annotations
