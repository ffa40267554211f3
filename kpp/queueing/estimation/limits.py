"""CPU limits, where they are not recorded, and which part of a pod's CPU they hold back."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from kpp.queueing.estimation.demands import CpuFit
from kpp.queueing.estimation.levels import Levels
from kpp.queueing.layered import CallGraph

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

SIDECAR_SECONDS = (
    0.00025  # CPU of an Envoy sidecar for one request that it proxies: published are 0.2 to 0.5 ms
)
LEAST_SIDECAR_SECONDS = (
    0.0002  # a pod that uses less for a proxied request has no sidecar, nor have the others
)
LEAST_APPLICATION = 0.4  # of the CPU per request of the service that has the least per proxied request
LEAST_SHARE = 0.2  # of a pod's CPU, for the application
ASSUMED_LIMIT = 2.0  # x the CPU request: what manifests usually say
ASSUMED_ROOM = 1.5  # x the CPU that a replica was seen to use, at least


class LimitSource(StrEnum):
    """Where a CPU limit comes from."""

    RECORDED = "recorded"  # in the table, or given by hand
    INFERRED = "inferred from saturation"
    ASSUMED = "assumed from the CPU request"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class ApplicationShare:
    """Which part of the measured CPU is the application's, and so held back by its limit.

    Attributes:
        share: (services,) of the CPU, 0 to 1.
        recorded: (services,) whether the sidecar's CPU was recorded apart; else the share is estimated.
    """

    share: Floats
    recorded: Mask


def estimate_share(
    levels: Levels, graph: CallGraph | None, fit: CpuFit, calls_of_entry: tuple[int, float]
) -> ApplicationShare:
    """Tell the application's CPU from the sidecar's.

    Where the sidecar was recorded apart, the measured CPU is the application's alone. Elsewhere a pod was
    measured as a whole. A sidecar proxies each request served and each call made. As no application's CPU is
    negative, the service with the least CPU per proxied request bounds the sidecar's CPU for one. Where that
    is less than any sidecar uses, there are none: not every cluster has a mesh.

    Args:
        levels: of the campaign.
        graph: who calls whom.
        fit: of the measured CPU.
        calls_of_entry: the entry service, and the calls that one of its requests makes, for want of a graph.
    """
    recorded: Mask = np.asarray(np.isfinite(levels.sidecar_cpu).any(axis=0))
    made = np.zeros(len(levels.services))
    made[calls_of_entry[0]] = calls_of_entry[1]
    proxied = 1.0 + (graph.calls_made() if graph is not None else made)
    with np.errstate(divide="ignore", invalid="ignore"):
        most = fit.demand + 2 * np.sqrt(fit.covariance[:, 1, 1])
        per_proxied = np.where(fit.demand > 0, most / proxied, np.nan)
    least = float(np.nanmin(per_proxied)) if np.isfinite(per_proxied).any() else 0.0
    sidecar = min(SIDECAR_SECONDS, (1 - LEAST_APPLICATION) * least) if least >= LEAST_SIDECAR_SECONDS else 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(fit.demand > 0, 1 - sidecar * proxied / fit.demand, 1.0)
    share = np.maximum(share, LEAST_SHARE)
    return ApplicationShare(np.where(recorded, 1.0, share), recorded)


def assume_limits(levels: Levels, share: Floats) -> Floats:
    """(levels, services) limits from the CPU requests, NaN where there are none."""
    used = np.where(np.isfinite(levels.cpu), levels.cpu, 0.0) / levels.replicas * share
    assumed: Floats = np.maximum(ASSUMED_LIMIT * levels.cpu_request, ASSUMED_ROOM * used.max(axis=0))
    return assumed
