"""How unsure a queueing network's predictions are, from the standard errors of its parameters."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kpp.queueing.estimation.demand_fall import DemandFall
from kpp.queueing.estimation.robust import Estimate
from kpp.queueing.parameters import Situations, Solution
from kpp.queueing.system import solve
from kpp.schema import CPU_USAGE, RESPONSE_TIME, THROUGHPUT
from kpp.whatif.network.answers import by_target
from kpp.whatif.network.state import FittedNetwork

Floats = NDArray[np.float64]

SMALLEST = 1e-12
UNSURE_BURST = 2.0  # the factor by which bursts may be larger than the calls tell
UNSURE_WAIT = (
    2.0  # the factor by which waits may be longer: work that varies more, replicas that share it worse
)


def relative_variances(
    network: FittedNetwork, situations: Situations, solution: Solution
) -> dict[str, Floats]:
    """The variance of each target's logarithm, (situations, services) by target.

    The think time, the fall of demand, the share of the crowds' wait, the size of bursts and the waits are
    moved by one standard error each, and the network solved again; errors of visit ratios, unloaded times,
    background and demand come on top.
    What capacities are unsure by stands apart (`capacity_deviations`).
    """
    variances = _own_variances(network, situations, solution)
    for ways in _moved(network):
        for target, change in _largest_change(ways, situations, solution).items():
            variances[target] = variances[target] + change**2
    return variances


def capacity_deviations(
    network: FittedNetwork, situations: Situations, solution: Solution
) -> dict[str, Floats]:
    """By how much the logarithm of each target changes with the capacities, (situations, services) by target.

    They are moved by a standard error both ways, and the larger change counts: a saturated system that could
    do twice as much may not be saturated at all.
    """
    parameters, slower = network.parameters, 1 + network.errors.capacity
    both = (
        network.vary(share=parameters.share * slower, ceiling=parameters.ceiling / slower),
        network.vary(share=parameters.share / slower, ceiling=parameters.ceiling * slower),
    )
    return _largest_change(both, situations, solution)


def _own_variances(network: FittedNetwork, situations: Situations, solution: Solution) -> dict[str, Floats]:
    """Relative variances that need no second solution, (situations, services) by target.

    An own time is a part of a response time, the smaller the longer is waited.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        falls = np.nan_to_num(solution.demand / network.parameters.demand, posinf=0.0)
    terms = np.stack([situations.replicas, np.nan_to_num(solution.throughput) * falls], axis=-1)
    of_cpu = np.einsum("ksi,sij,ksj->ks", terms, network.errors.cpu, terms)
    nest, nest_waits = network.parameters.nest, network.parameters.nest_waits
    whole = np.nan_to_num(nest(solution.own) + nest_waits(solution.wait))
    of_own_times = np.nan_to_num(nest(solution.own * network.errors.unloaded))
    return {
        RESPONSE_TIME: (of_own_times / np.maximum(whole, SMALLEST)) ** 2,
        THROUGHPUT: np.broadcast_to(network.errors.visit_ratio**2, whole.shape),
        CPU_USAGE: np.nan_to_num(of_cpu / np.maximum(solution.cpu, SMALLEST) ** 2),
    }


def _change(network: FittedNetwork, situations: Situations, solution: Solution) -> dict[str, Floats]:
    """By how much the logarithms of another network's targets differ from a solution's."""
    other = by_target(solve(network.parameters, situations))
    return {
        target: np.nan_to_num(_log(other[target]) - _log(before))
        for target, before in by_target(solution).items()
    }


def _largest_change(
    ways: Sequence[FittedNetwork], situations: Situations, solution: Solution
) -> dict[str, Floats]:
    """Of the ways in which one parameter may move, the one that changes a target more."""
    changes = [_change(moved, situations, solution) for moved in ways]
    return {target: np.max([np.abs(each[target]) for each in changes], axis=0) for target in changes[0]}


def _moved(network: FittedNetwork) -> list[list[FittedNetwork]]:
    """The network with one parameter after the other moved by its standard error, or both ways."""
    parameters, errors = network.parameters, network.errors
    rate = parameters.fall.rate
    steeper = Estimate(rate.value + errors.fall, rate.standard_error)
    fall = DemandFall(steeper, parameters.fall.reference_rps, parameters.fall.largest_load)
    return [
        [network.vary(think_time=parameters.think_time * (1 + errors.think_time))],
        [network.vary(fall=fall)],
        [
            network.vary(crowding=parameters.crowding + errors.crowding),
            network.vary(crowding=np.maximum(parameters.crowding - errors.crowding, 0.0)),
        ],
        [network.vary(burst=parameters.burst * UNSURE_BURST)],
        [network.vary(variability=parameters.variability * UNSURE_WAIT)],
    ]


def _log(values: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(values, SMALLEST)), dtype=np.float64)
