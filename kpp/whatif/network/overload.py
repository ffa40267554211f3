"""What becomes of services that are far from their own limits while a caller of theirs is saturated.

A container that has used up its CPU quota stops, and goes on with many requests at once at the next period.
Its callees meet these crowds, which queue for threads, for sidecars and for the cores of the node, and their
response times were seen to grow many times although none of them is near its limit. The queueing network has
a part of that (`kpp.queueing.crowds`). The rest depends on cores and threads that no table tells. So it is
learned where a saturated load was measured; where none was, none is predicted, and the doubt is part of the
interval.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kpp.queueing.crowds import crowded_calls
from kpp.queueing.estimation.crowding import SCATTER
from kpp.queueing.parameters import Parameters, Situations, Solution
from kpp.whatif.model import State
from kpp.whatif.plain_data import from_plain, to_plain

Floats = NDArray[np.float64]

LEAST_CALLS = 1e-6  # per request, to be a caller
BEGINS = 0.8  # of a caller's capacity: from here on its quota is used up in more and more periods
LARGEST = float(np.log(50))  # of a growth
UNKNOWN = 1.0  # standard deviation of its logarithm where no saturated load was measured
LEAST_ERROR = 0.2  # the same where one was: the next one differs


@dataclass(frozen=True)
class Growth:
    """By how much response times grow when a caller is saturated.

    Attributes:
        logs: (services,) logarithm of the factor at saturation, at least 0.
        errors: (services,) its standard error.
    """

    logs: Floats
    errors: Floats

    def at(self, saturated: Floats) -> Floats:
        """The logarithm of the factor, for `saturated_callers`, (situations, services) both."""
        return np.asarray(saturated * self.logs, dtype=np.float64)

    def deviation(self, saturated: Floats) -> Floats:
        """The standard error of that, (situations, services)."""
        return np.asarray(saturated * self.errors, dtype=np.float64)

    def dump(self) -> State:
        """As plain data."""
        return {"logs": to_plain(self.logs), "errors": to_plain(self.errors)}

    @classmethod
    def restore(cls, state: State) -> "Growth":
        """From what `dump` gave."""
        return cls(from_plain(state["logs"]), from_plain(state["errors"]))


def saturated_callers(solution: Solution, parameters: Parameters, situations: Situations) -> Floats:
    """(situations, services) how much of a service's calls come in crowds, as a root, from 0 to 1.

    The first of a crowd already find the cores taken, hence the root. A caller that something else than CPU
    holds back sends no crowds; it counts with how near it is to its capacity.
    """
    unstopped = np.isfinite(parameters.ceiling)
    part = np.clip((solution.utilization - BEGINS) / (1 - BEGINS), 0.0, 1.0)
    calls = (parameters.graph.counts > LEAST_CALLS).astype(np.float64)
    near = parameters.graph.most_of_callers(np.where(unstopped, part, 0.0), calls)
    crowded = crowded_calls(solution, parameters, situations)
    return np.asarray(np.maximum(np.sqrt(crowded), near), dtype=np.float64)


def learn_growth(saturated: Floats, left_over: Floats) -> Growth:
    """Learn the growth from what the network and the residual leave over.

    Least squares through the origin, over the levels at which something was saturated, shrunk as the mean of
    a normal distribution is whose deviation was `UNKNOWN` before anything was measured.

    Args:
        saturated: (levels, services) `saturated_callers`.
        left_over: (levels, services) log(measured / predicted); NaN where it says nothing.
    """
    weights = np.where(np.isfinite(left_over), saturated, 0.0)
    squares = (weights**2).sum(axis=0)
    known = squares > 0
    slopes = (weights * np.nan_to_num(left_over)).sum(axis=0) / np.where(known, squares, 1.0)
    slopes = np.maximum(slopes, 0.0)
    apart = np.where(weights > 0, np.nan_to_num(left_over) - weights * slopes, 0.0)
    freedom = np.maximum((weights > 0).sum(axis=0) - 1, 1)
    scatter = np.sqrt((apart**2).sum(axis=0) / freedom)
    # a level at which saturation only begins says little of what it becomes
    errors = np.hypot(np.maximum(scatter, LEAST_ERROR), UNKNOWN * (1 - np.minimum(squares, 1.0)))
    believed = squares / (squares + (SCATTER / UNKNOWN) ** 2)
    return Growth(np.minimum(slopes * believed, LARGEST), np.where(known, errors, UNKNOWN))
