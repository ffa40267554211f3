"""CPU limits, where they are not recorded, and which part of a pod's CPU they hold back."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from kpp.queueing.estimation.demands import CpuFit
from kpp.queueing.estimation.levels import Levels
from kpp.queueing.estimation.plateau import Plateau
from kpp.queueing.estimation.robust import Estimate

Floats = NDArray[np.float64]

SIDECAR_SECONDS = (
    0.00025  # CPU of an Envoy sidecar for one request that it proxies: published are 0.2 to 0.5 ms
)
LEAST_SIDECAR_SECONDS = (
    0.0002  # a pod that uses less for a proxied request has no sidecar, nor have the others
)
LEAST_APPLICATION = 0.4  # of the CPU per request of the service that has the least per proxied request
LEAST_SHARE = 0.2  # of a pod's CPU, for the application
SAME = 0.2  # a plateau within this of what the CPU limit allows is the CPU limit's
ASSUMED_LIMIT = 2.0  # x the CPU request: what manifests usually say
ASSUMED_ROOM = 1.5  # x the CPU that a replica was seen to use, at least


class LimitSource(StrEnum):
    """Where a CPU limit comes from."""

    RECORDED = "recorded"  # in the table, or given by hand
    INFERRED = "inferred from saturation"
    SEEN = "not known, but saturation was seen"  # by something else than a CPU quota, as it seems
    ASSUMED = "assumed from the CPU request"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class ApplicationShare:
    """Which part of the measured CPU is the application's, and so held back by its limit.

    Attributes:
        share: (services,) of the CPU, 0 to 1.
        error: (services,) its standard error.
        recorded: whether sidecars' CPU was recorded apart; else the share is estimated.
    """

    share: Floats
    error: Floats
    recorded: bool


def estimate_share(
    levels: Levels, proxied: Floats, fit: CpuFit, plateaus: Sequence[Plateau]
) -> ApplicationShare:
    """Tell the application's CPU from the sidecar's.

    Where one service's sidecar was recorded apart, containers were told apart, and the measured CPU is the
    application's alone. Elsewhere a pod was measured as a whole, and may have a sidecar, or none: not every
    cluster has a mesh.

    Args:
        levels: of the campaign.
        proxied: (services,) requests that a sidecar would pass on for one that is served: it, and all calls.
        fit: of the measured CPU.
        plateaus: where services were seen saturated.
    """
    if np.isfinite(levels.sidecar_cpu).any():
        return ApplicationShare(np.ones(len(proxied)), np.zeros(len(proxied)), recorded=True)
    told = [told for plateau in plateaus if (told := _tell_by(plateau, levels, proxied, fit)) is not None]
    sidecar = _estimate_sidecar(proxied, fit, told)
    with np.errstate(divide="ignore", invalid="ignore"):
        per_second = np.where(fit.demand > 0, proxied / fit.demand, 0.0)
    share = np.maximum(1 - sidecar.value * per_second, LEAST_SHARE)
    return ApplicationShare(share, np.minimum(sidecar.standard_error * per_second, 1.0), recorded=False)


def _estimate_sidecar(proxied: Floats, fit: CpuFit, told: Sequence[Estimate]) -> Estimate:
    """A sidecar's CPU seconds for one request that it proxies.

    As no application's CPU is negative, the service with the least CPU per proxied request bounds it. Where
    that is less than any sidecar uses, there are none. Before anything is told, the usual value is as unsure
    as it is large: from none at all to the most that was published.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        most = fit.demand + 2 * np.sqrt(fit.covariance[:, 1, 1])
        per_proxied = np.where(fit.demand > 0, most / proxied, np.nan)
    least = float(np.nanmin(per_proxied)) if np.isfinite(per_proxied).any() else 0.0
    if least < LEAST_SIDECAR_SECONDS:
        return Estimate(0.0, 0.0)
    usual = min(SIDECAR_SECONDS, (1 - LEAST_APPLICATION) * least)
    values, errors = np.array([(usual, usual), *((each.value, each.standard_error) for each in told)]).T
    weights = errors**-2
    value = float(np.clip(values @ weights / weights.sum(), 0.0, least))
    return Estimate(value, float(weights.sum() ** -0.5))


def _tell_by(plateau: Plateau, levels: Levels, proxied: Floats, fit: CpuFit) -> Estimate | None:
    """A sidecar's CPU for a proxied request, by a service that was seen saturated at its CPU limit.

    The application uses its limit there; what the pod uses beyond is its sidecar's. None where no limit is
    recorded, or so little was used that something else than CPU held the service back.
    """
    service, rate = plateau.service, plateau.reference_rps
    limit = float(np.nanmax(levels.cpu_limit[list(plateau.levels), service], initial=0.0))
    busy = fit.demand[service] * rate.value  # cores of a saturated replica, beside the background
    beyond = fit.background[service] + busy - limit
    if not (levels.limit_recorded[service] and limit and busy > 0 and beyond > -SAME * limit):
        return None
    of_fit = float(np.sqrt(fit.covariance[service, 1, 1])) / fit.demand[service]
    error = busy * float(np.hypot(of_fit, rate.relative_error))
    passed_on = proxied[service] * rate.value
    return Estimate(max(beyond, 0.0) / passed_on, error / passed_on)


def assume_limits(levels: Levels, share: Floats) -> Floats:
    """(levels, services) limits from the CPU requests, NaN where there are none."""
    used = np.where(np.isfinite(levels.cpu), levels.cpu, 0.0) / levels.replicas * share
    assumed: Floats = np.maximum(ASSUMED_LIMIT * levels.cpu_request, ASSUMED_ROOM * used.max(axis=0))
    return assumed
