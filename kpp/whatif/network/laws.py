"""The laws that a queueing network knows of the rows of a scenario, for the bounds of their intervals."""

import numpy as np
from numpy.typing import NDArray

from kpp.queueing.estimation.limits import LimitSource
from kpp.queueing.parameters import Parameters, Solution
from kpp.schema import CPU_USAGE, TARGETS
from kpp.whatif.intervals.agreement import Laws
from kpp.whatif.network.spread import capacity_deviations
from kpp.whatif.network.state import FittedNetwork
from kpp.whatif.situations import AskedSituations

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
_CPU = list(TARGETS).index(CPU_USAGE)


def laws_of(asked: AskedSituations, network: FittedNetwork, solution: Solution) -> Laws:
    """What ties the bounds of the scenario's rows."""
    situations, parameters = asked.situations, network.parameters
    entry = np.arange(len(network.layouts.services)) == parameters.entry
    recorded = _recorded(network)
    limits, unknown = situations.replicas * situations.cpu_limit, LimitSource.UNKNOWN.value
    unsure = capacity_deviations(network, situations, solution)
    per_situation = np.ones_like(limits)
    return Laws(
        situation=asked.rows,
        entry_service=network.layouts.services[parameters.entry],
        is_entry=asked.pick(entry * per_situation) == 1.0,
        think_time_seconds=asked.pick(solution.think_time[:, None] * per_situation),
        unloaded_seconds=parameters.unloaded_entry(),
        visits=asked.pick(np.nan_to_num(parameters.visit_ratio) * per_situation),
        cpu_limit_cores=asked.pick(np.where(recorded & np.isfinite(limits), limits, np.inf)),
        limited_share=asked.pick(parameters.share * per_situation),
        capacities_known=unknown not in network.limit_source and bool(network.measured[:, _CPU].all()),
        capacity_spread=np.column_stack([asked.pick(unsure[target]) for target in TARGETS]),
        users_at_knee=asked.pick(_users_at_knee(network, solution)[:, None] * per_situation),
        unwaited_seconds=asked.pick(_unwaited(parameters) * per_situation),
        largest_fall=-float(np.log(parameters.fall.least_factor())),
    )


def _recorded(network: FittedNetwork) -> Mask:
    """(services,) whose CPU limits and replicas the tables tell."""
    recorded = np.array(network.limit_source) == LimitSource.RECORDED.value
    return np.asarray(recorded & network.replicas_recorded)


def _users_at_knee(network: FittedNetwork, solution: Solution) -> Floats:
    """(situations,) N* = (Z + R0) X of the first service that is known to saturate; infinite if none is.

    Guesses do not count: neither an assumed limit nor replicas that are not recorded.
    """
    parameters = network.parameters
    seen = np.array(network.limit_source) == LimitSource.INFERRED.value
    known = _recorded(network) | seen | np.isfinite(parameters.ceiling)
    counts = known & (parameters.visit_ratio > 0)
    visits = np.where(counts, parameters.visit_ratio, 1.0)
    bound = np.where(counts, solution.saturation / visits, np.inf).min(axis=1)
    return np.asarray(bound * (solution.think_time + parameters.unloaded_entry()), dtype=np.float64)


def _unwaited(parameters: Parameters) -> Floats:
    """(services,) response times where nobody waits."""
    times = parameters.nest(np.nan_to_num(parameters.unloaded))
    times[parameters.entry] = parameters.unloaded_entry()
    return times
