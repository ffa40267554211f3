"""How much each service can serve: from its CPU limit and demand, and from where it was seen saturated."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kpp.queueing.estimation.demands import CpuFit
from kpp.queueing.estimation.levels import Levels
from kpp.queueing.estimation.limits import LEAST_SHARE, SAME, ApplicationShare, LimitSource, assume_limits
from kpp.queueing.estimation.plateau import Plateau

Floats = NDArray[np.float64]

# relative standard errors of capacities that are guesses: limits may be half or none, replicas may be two
UNSURE_LIMIT, UNSURE_REPLICAS = 0.5, 1.0
UNSURE_DEMAND = 0.05  # a relative error that demand from light loads has at others, beside that of the fit
LEAST_ROOM = 0.02  # of a limit, which the background cannot take: a service that runs serves something


@dataclass(frozen=True)
class Capacity:
    """What holds each service back.

    Attributes:
        cpu_limit: (levels, services) cores of one replica; NaN where not known.
        source: (services,) of the limits.
        share: (services,) of the CPU that the limit holds back: the application's.
        demand: (services,) CPU seconds of one request at the reference load; NaN where not known.
        ceiling_rps: (services,) requests per second of one replica, as measured, where something else than
            CPU was seen to hold it back, or nothing is known of CPU. NaN elsewhere.
        error: (services,) relative standard error of the saturation throughput at another hour.
        plateaus: what was seen.
    """

    cpu_limit: Floats
    source: tuple[LimitSource, ...]
    share: Floats
    demand: Floats
    ceiling_rps: Floats
    error: Floats
    plateaus: tuple[Plateau, ...] = ()


def cpu_capacity(limit: Floats, background: Floats, demand: Floats, share: Floats) -> Floats:
    """Requests per second of one replica that a CPU limit allows; infinite without a limit or a demand.

    (limit - share x background) / (share x demand)
    """
    room = np.maximum(limit - share * background, LEAST_ROOM * limit)
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = room / (share * demand)
    known = np.isfinite(limit) & np.isfinite(demand) & (demand > 0)
    return np.asarray(np.where(known, rates, np.inf), dtype=np.float64)


def estimate_capacity(
    levels: Levels, fit: CpuFit, application: ApplicationShare, plateaus: list[Plateau]
) -> Capacity:
    """Put together what is recorded, seen and assumed."""
    count = len(levels.services)
    assumed = assume_limits(levels, application.share)
    measured_limit = levels.limit_recorded
    limit = np.where(measured_limit, levels.cpu_limit, assumed)
    sources = [
        LimitSource.RECORDED
        if known
        else LimitSource.ASSUMED
        if np.isfinite(guess).any()
        else LimitSource.UNKNOWN
        for known, guess in zip(measured_limit, assumed.T, strict=True)
    ]
    errors = _demand_errors(fit, application)
    errors[[source is LimitSource.ASSUMED for source in sources]] = UNSURE_LIMIT
    errors[~levels.replicas_recorded] = UNSURE_REPLICAS
    found = Capacity(
        cpu_limit=limit,
        source=tuple(sources),
        share=application.share,
        demand=fit.demand,
        ceiling_rps=np.full(count, np.nan),
        error=errors,
        plateaus=tuple(plateaus),
    )
    for plateau in plateaus:
        found = _take_in(plateau, found, levels, fit, application)
    return replace(found, error=np.hypot(found.error, _of_hours(fit, plateaus)))


def _of_hours(fit: CpuFit, plateaus: list[Plateau]) -> Floats:
    """(services,) relative standard deviation of a capacity, because work drifts from hour to hour.

    The hour that is asked for differs from the usual one. A plateau was seen at hours of its own, while the
    fitted demand is a mean whose error is known.
    """
    hours = np.ones(len(fit.drift))
    for plateau in plateaus:
        hours[plateau.service] += 1 / len(plateau.levels)
    return np.asarray(fit.drift * np.sqrt(hours), dtype=np.float64)


def _demand_errors(fit: CpuFit, application: ApplicationShare) -> Floats:
    """Relative standard errors of the application's demand, an estimated share included."""
    with np.errstate(divide="ignore", invalid="ignore"):
        of_fit = np.sqrt(fit.covariance[:, 1, 1]) / fit.demand
    return np.nan_to_num(np.hypot(of_fit, application.error / application.share), nan=0.5, posinf=0.5)


def _take_in(
    plateau: Plateau, capacity: Capacity, levels: Levels, fit: CpuFit, application: ApplicationShare
) -> Capacity:
    """Believe what was seen of a service: mend share or demand, infer the limit, or set another ceiling."""
    service, seen = plateau.service, plateau.reference_rps.value
    error, before = capacity.error.copy(), float(np.hypot(capacity.error[plateau.service], UNSURE_DEMAND))
    error[service] = plateau.saturation_rps.relative_error
    capacity = replace(capacity, error=error)
    background, share = fit.background[service], capacity.share[service]
    used = background + fit.demand[service] * seen  # CPU of a saturated replica
    if not np.isfinite(used):
        return hold_back(capacity, plateau)
    if capacity.source[service] is not LimitSource.RECORDED:
        return _set_limit(capacity, service, share * used, LimitSource.INFERRED)
    limit = float(np.nanmedian(capacity.cpu_limit[list(plateau.levels), service]))
    needed = limit / used  # the share with which the limit explains the plateau
    if not application.recorded and LEAST_SHARE <= needed <= 1:
        return replace(capacity, share=_put(capacity.share, service, needed))
    if 1 - SAME < needed / share < 1 + SAME:
        explained = max(limit / share - background, LEAST_ROOM * limit) / seen
        return _weigh(capacity, service, explained, before)
    return hold_back(capacity, plateau)


def _weigh(capacity: Capacity, service: int, explained: float, before: float) -> Capacity:
    """Take the mean of the fitted demand and the one that a plateau says, by their relative errors.

    A level at the knee tells the capacity only roughly, one far beyond it better than light loads do.
    """
    seen = max(float(capacity.error[service]), 1e-6)
    trust = before**2 / (before**2 + seen**2)
    demand = trust * explained + (1 - trust) * float(capacity.demand[service])
    error = _put(capacity.error, service, trust**0.5 * seen)
    return replace(capacity, demand=_put(capacity.demand, service, demand), error=error)


def _set_limit(capacity: Capacity, service: int, limit: float, source: LimitSource) -> Capacity:
    limits, sources = capacity.cpu_limit.copy(), list(capacity.source)
    limits[:, service] = limit
    sources[service] = source
    return replace(capacity, cpu_limit=limits, source=tuple(sources))


def _put(values: Floats, service: int, value: float) -> Floats:
    changed = values.copy()
    changed[service] = value
    return changed


def hold_back(capacity: Capacity, plateau: Plateau) -> Capacity:
    """The same, with a service held back by something else than CPU where it was seen to saturate."""
    service = plateau.service
    if capacity.source[service] is LimitSource.INFERRED:  # from this very plateau
        capacity = _set_limit(capacity, service, np.nan, LimitSource.SEEN)
    ceiling = _put(capacity.ceiling_rps, service, plateau.saturation_rps.value)
    return replace(capacity, ceiling_rps=ceiling)
