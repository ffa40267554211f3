"""How much of the crowds' wait is there: what callees of a saturated caller took, beside what is predicted.

How long a crowd waits (`kpp.queueing.crowds`) depends on cores and threads that no table tells. Where a
saturated caller was measured, its callees' response times tell it; where none was, all of it is believed, and
the doubt is as large as the belief. It may turn out to be more than all.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kpp.queueing.crowds import crowded_calls
from kpp.queueing.estimation.own_times import QUIET, OwnTimes
from kpp.queueing.estimation.robust import Estimate
from kpp.queueing.parameters import Parameters, Situations, Solution
from kpp.queueing.system import solve

Floats = NDArray[np.float64]

BEFORE = 1.0  # the share that is believed before anything was measured
DOUBT = 1.0  # its standard deviation: none of the wait, or twice of it, would be no surprise
SCATTER = 0.1  # of a level's response time about the model: a wait, or a growth, has to stand out from it
SMALLEST = 1e-6  # seconds


def estimate_crowding(times: OwnTimes, parameters: Parameters, situations: Situations) -> list[Estimate]:
    """(services,) the share of the crowds' wait that is there, not below 0; standard errors absolute.

    The mean of a normal distribution, given the levels. A level tells as much as the wait would stand out
    from the scatter of response times, and as many of the calls as come in crowds: where few do, the size of
    the crowds hangs on the last percent of the caller's capacity.

    Args:
        times: as measured, (levels, services).
        parameters: of the application.
        situations: of the levels.
    """
    without, crowded = (
        solve(replace(parameters, crowding=np.full_like(parameters.burst, share)), situations)
        for share in (0.0, 1.0)
    )
    scatter = SCATTER * np.maximum(times.whole, SMALLEST)
    predicted = np.nan_to_num(np.maximum(crowded.wait - without.wait, 0.0) / scatter)
    measured = np.nan_to_num((times.own - without.own - without.wait) / scatter)
    in_crowds = crowded_calls(crowded, parameters, situations)
    weights = np.where(_tells(without, parameters), in_crowds, 0.0)
    precision = DOUBT**-2 + (weights * predicted**2).sum(axis=0)
    means = (BEFORE * DOUBT**-2 + (weights * predicted * measured).sum(axis=0)) / precision
    shares, errors = np.maximum(means, 0.0), precision**-0.5
    return [Estimate(float(share), float(error)) for share, error in zip(shares, errors, strict=True)]


def _tells(solution: Solution, parameters: Parameters) -> NDArray[np.bool_]:
    """(situations, services) where a caller nears its capacity, and the service itself does not."""
    calls = np.ones_like(parameters.graph.counts)
    callers = parameters.graph.most_of_callers(solution.utilization, calls)
    return (callers > QUIET) & (solution.utilization <= QUIET)
