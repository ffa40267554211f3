"""Background CPU per replica and CPU time per request of each service, from how CPU grows with throughput.

The utilization law, CPU = background x replicas + demand x throughput x fall(load), is fitted to the levels
of a campaign by least squares of relative errors with Huber's weights, all services together, because three
things are common to them:

- Machines have better and worse hours. Such a level effect moves all services of a level, and neither their
  demand nor the fall may follow it (`kpp.queueing.estimation.level_effects`).
- Where loads lie near to each other, background and demand can hardly be told apart. An idle replica costs
  probes and a sidecar, so that the others' background says something: it is a prior, as wide as itself, with
  long tails.
- The fall of demand with load (`kpp.queueing.estimation.demand_fall`), by the profile of the likelihood.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kpp.queueing.estimation.blocks_and_few import TERMS
from kpp.queueing.estimation.demand_fall import fall
from kpp.queueing.estimation.level_effects import (
    LEAST_SERVICES,
    Solved,
    Terms,
    Variances,
    effects_of,
    solve_together,
    update_variances,
)
from kpp.queueing.estimation.robust import TUNING, Estimate

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

ROUNDS = 15
USUAL_BACKGROUND = 0.1  # of a replica's CPU, where no other service tells; three times that is its deviation
USUAL_DEMAND = (0.6, 0.5)  # of a request's own time: mean and standard deviation before CPU is looked at
FIRST_SCATTER, FIRST_BETWEEN = 0.05, 0.05**2  # where expectation and maximization begin
RATES = np.linspace(-0.4, 0.8, 25)  # of the fall, at which the likelihood is evaluated


@dataclass(frozen=True)
class CpuRecords:
    """What the fit is made from; all (levels, services) but `load` and `minutes`, (levels,).

    Attributes:
        cpu: cores of all replicas; NaN where not measured.
        replicas: their number.
        throughput: requests per second.
        load: offered load relative to the middle one.
        minutes: measured at each level.
        own_time: (services,) seconds that a request spends in a service; NaN if not known. While it is served
            it seldom uses more CPU time than that: a weak prior, for services with so few requests that their
            CPU is mostly background.
    """

    cpu: Floats
    replicas: Floats
    throughput: Floats
    load: Floats
    minutes: Floats
    own_time: Floats


@dataclass(frozen=True)
class CpuFit:
    """Attributes.

    background: (services,) cores of one replica without requests; NaN where CPU was not measured.
    demand: (services,) CPU seconds of one request at the reference load; NaN likewise.
    covariance: (services, 2, 2) of these two.
    drift: (services,) by how much the CPU of one level deviates from this law: what hours differ by. Relative
        standard deviation.
    """

    background: Floats
    demand: Floats
    covariance: Floats
    drift: Floats


def fit_cpu(records: CpuRecords, rate: float, largest_load: float) -> CpuFit:
    """Fit background and demand for a given rate of the fall.

    Args:
        records: of the campaign.
        rate: k.
        largest_load: that was measured, relative.
    """
    model, variances = _weigh(records, rate, largest_load)
    solved = solve_together(model, variances)
    measured: Mask = np.asarray((model.weights > 0).any(axis=0))
    coefficients = np.where(measured[:, None], solved.coefficients, np.nan)
    covariance = np.where(measured[:, None, None], solved.covariance, np.nan)
    return CpuFit(coefficients[:, 0], coefficients[:, 1], covariance, _drift(model, variances))


def _drift(model: Terms, variances: Variances) -> Floats:
    """(services,) of `CpuFit.drift`; what is known beforehand counts as one level more."""
    freedom = np.maximum((model.weights > 0).sum(axis=0) - TERMS, 0)
    squares = variances.scatter**2 + variances.between
    return np.asarray(np.sqrt((freedom * squares + FIRST_SCATTER**2) / (freedom + 1)), dtype=np.float64)


def estimate_fall(records: CpuRecords, largest_load: float) -> Estimate:
    """The rate at which demand falls with load; NaN with fewer than four levels, or all at one load."""
    if len(np.unique(records.load)) < 4 or not np.isfinite(records.cpu).any():
        return Estimate(float("nan"), float("nan"))
    found = Estimate(0.0, float("nan"))
    for _ in range(2):  # weights first as without a fall, then as with the one found
        weighed = _weigh(records, found.value, largest_load)
        found = _profile(records, largest_load, *weighed)
    services = int(np.isfinite(records.cpu).any(axis=0).sum())
    # too few to tell a level effect from scatter: what they have in common may be one, and then they are one
    alike = float(np.sqrt(services)) if services < LEAST_SERVICES else 1.0
    return Estimate(found.value, found.standard_error * alike)


def _profile(records: CpuRecords, largest_load: float, weighed: Terms, variances: Variances) -> Estimate:
    """The rate of the largest likelihood, from a parabola through those around it."""
    squares = np.array([_squares(records, float(rate), largest_load, weighed, variances) for rate in RATES])
    best = int(np.clip(np.argmin(squares), 2, len(RATES) - 3))
    nearby = slice(best - 2, best + 3)
    curve = np.polyfit(RATES[nearby], squares[nearby], 2)
    if curve[0] <= 0:
        return Estimate(float("nan"), float("nan"))
    value = float(np.clip(-curve[1] / (2 * curve[0]), RATES[0], RATES[-1]))
    return Estimate(value, float(1 / np.sqrt(curve[0])))


def _squares(
    records: CpuRecords, rate: float, largest_load: float, weighed: Terms, variances: Variances
) -> float:
    """The sum of squares at a rate, with weights and units as they were found."""
    relative = _law(records, rate, largest_load) * _units(records, weighed)[..., None]
    return solve_together(replace(weighed, terms=relative), variances).squares


def _known(records: CpuRecords) -> Mask:
    return np.asarray(np.isfinite(records.cpu) & (records.cpu > 0) & np.isfinite(records.throughput))


def _law(records: CpuRecords, rate: float, largest_load: float) -> Floats:
    """(levels, services, 2) what background and demand are multiplied with, in the utilization law."""
    factor = fall(records.load, abs(rate), largest_load)[:, None]
    busy = records.throughput * (factor if rate >= 0 else 1 / factor)
    known = _known(records)[..., None]
    return np.where(known, np.stack([records.replicas, np.nan_to_num(busy)], axis=2), 0.0)


def _units(records: CpuRecords, model: Terms) -> Floats:
    """(levels, services) 1 / the cores that are the unit of the model's errors."""
    known = _known(records)
    return np.asarray(model.target / np.where(known, records.cpu, 1.0), dtype=np.float64)


def _priors(records: CpuRecords) -> tuple[Floats, Floats]:
    """Means and standard deviations of background and demand before anything is fitted, (services, 2)."""
    known = _known(records)
    per_replica = np.where(known, records.cpu / records.replicas, 0.0).sum(axis=0)
    background = USUAL_BACKGROUND * np.maximum(per_replica / np.maximum(known.sum(axis=0), 1), 1e-9)
    demand, deviation = (share * records.own_time for share in USUAL_DEMAND)
    return (
        np.column_stack([background, np.nan_to_num(demand)]),
        np.column_stack([3 * background, np.nan_to_num(deviation, nan=np.inf)]),
    )


def _weigh(records: CpuRecords, rate: float, largest_load: float) -> tuple[Terms, Variances]:
    """Find the variances, Huber's weights, and the prior of the background.

    Errors are relative to the prediction of the round before: relative to a measured value, that value's own
    error would be in the terms too, and coefficients come out too small.
    """
    known = _known(records)
    cpu, law = np.where(known, records.cpu, 0.0), _law(records, rate, largest_load)
    minutes = known * records.minutes[:, None] / max(float(records.minutes.mean()), 1e-9)
    units = 1 / np.where(known, records.cpu, 1.0)
    model = Terms(law * units[..., None], cpu * units, minutes, *_priors(records))
    services = cpu.shape[1]
    between = FIRST_BETWEEN if services >= LEAST_SERVICES else 0.0
    variances = Variances(np.full(services, FIRST_SCATTER), between)
    for _ in range(ROUNDS):
        solved = solve_together(model, variances)
        variances = update_variances(model, solved.errors, variances)
        apart = np.abs(solved.errors - effects_of(model, solved.errors, variances)[:, None])
        robustness = np.minimum(1.0, TUNING * variances.scatter / np.maximum(apart, 1e-12))
        predicted = (law * solved.coefficients).sum(axis=2)
        units = np.where(predicted > 0, 1 / np.where(predicted > 0, predicted, 1.0), units)
        model = replace(model, terms=law * units[..., None], target=cpu * units, weights=minutes * robustness)
        model = _share_background(_share_demand(model, solved, records.own_time), solved)
    return model, variances


def _share_demand(model: Terms, solved: Solved, own_time: Floats) -> Terms:
    """The prior of the demand: so much of the own time as in the other services, where there are enough.

    Pods with a sidecar, or with several threads for a request, use more CPU time than the own time tells.
    If all do, priors that cling to it would together make a level effect of the difference. Long tails as of
    `_share_background`.
    """
    usual, deviation = USUAL_DEMAND
    measured = (model.weights > 0).any(axis=0) & (own_time > 0)
    shares = solved.coefficients[:, 1] / np.where(own_time > 0, own_time, np.nan)
    if measured.sum() >= LEAST_SERVICES and (shares[measured] > 0).any():
        positive = shares[measured & (shares > 0)]
        usual, deviation = float(np.median(positive)), float(np.median(positive)) * deviation / usual
    mean, width = model.prior_mean.copy(), model.prior_deviation.copy()
    mean[:, 1] = np.nan_to_num(usual * own_time)
    tails = np.sqrt(np.maximum((1 + ((shares - usual) / deviation) ** 2) / 2, 1.0))
    width[:, 1] = np.nan_to_num(deviation * own_time * tails, nan=np.inf)
    return replace(model, prior_mean=mean, prior_deviation=width)


def _share_background(model: Terms, solved: Solved) -> Terms:
    """The others' background as the prior, where there are enough of them.

    It has the long tails of Cauchy's distribution, by reweighting: a service that idles at many times the
    others' CPU, as a proxy or a JVM may, is not pulled towards them.
    """
    found = solved.coefficients[:, 0]
    positive = found[(found > 0) & (model.weights > 0).any(axis=0)]
    if len(positive) < LEAST_SERVICES:
        return model
    usual = float(np.median(positive))
    mean, deviation = model.prior_mean.copy(), model.prior_deviation.copy()
    mean[:, 0] = usual
    deviation[:, 0] = usual * np.sqrt(np.maximum((1 + (found / usual - 1) ** 2) / 2, 1.0))
    return replace(model, prior_mean=mean, prior_deviation=deviation)
