"""Crowds: the calls of a caller that was stopped by its CPU quota, and goes on with many requests at once.

A container that has used up its quota stops until the next period of 100 ms. Then all its stopped requests go
on, use up the next quota within some milliseconds, and send their calls together. So a callee gets the calls
of 100 ms at once, though it may be far from its own limit:

- Each stopped request makes one call, to one callee or another; and no more calls go out in a period than the
  caller gets done in it. In between, the number of the stopped ones varies as an exponential distribution.
- They come one after the other, which spreads them: no faster than the caller's sidecar sends them, nor than
  the caller works. Between two of its calls a request does its part of its work.
- Then they queue, as a fluid does that flows in faster than it flows out.
- A crowd that needs more CPU than the callee's own quota has to wait for the callee's next period, too
  (`kpp.queueing.stations.crowded_share`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from kpp.queueing.estimation.limits import SIDECAR_SECONDS
from kpp.queueing.layered import CallGraph
from kpp.queueing.parameters import Parameters, Situations, Solution
from kpp.queueing.stations import CFS_PERIOD_SECONDS, WORK_VARIABILITY

Floats = NDArray[np.float64]

# requests that a service and its sidecar work on side by side: the default number of workers of Istio's
# sidecar. A runtime with one thread serves one, a node with idle cores more: no table tells.
AT_ONCE = 2
SEND_SECONDS = SIDECAR_SECONDS / 2  # of a worker: half of its work for a call is for the answer
LEAST = 1e-12  # calls, seconds
WORST_PART = 0.612  # deviations t at which t (pdf(t) - t (1 - cdf(t))) is largest: pdf(t) = 2 t (1 - cdf(t))


@dataclass(frozen=True)
class Crowds:
    """What callees meet; (situations, services).

    Attributes:
        share: of a callee's calls, those that come in crowds, 0 to 1.
        wait: seconds that a call waits for the others of its crowd.
    """

    share: Floats
    wait: Floats


def crowds_of(graph: CallGraph, stopped: Floats, flows: Floats, replicas: Floats, work: Floats) -> Crowds:
    """The crowds that callers send; (situations, services) all.

    Args:
        graph: who calls whom.
        stopped: requests of one replica that wait for its quota; may be infinite.
        flows: requests per second of all replicas.
        replicas: their number.
        work: CPU seconds of one request.
    """
    callers, callees = graph.pairs
    of_period = CFS_PERIOD_SECONDS * graph.counts * (flows / replicas)[:, callers]
    one_each = np.minimum(stopped, 1 / LEAST)[:, callers] * graph.counts / (1 + graph.calls_made()[callers])
    sent = one_each * -np.expm1(-of_period / np.maximum(one_each, LEAST))
    apart = np.maximum(work / (1 + graph.calls_made()), SEND_SECONDS) / AT_ONCE
    takes = (apart * graph.add_by_caller(sent))[:, callers]
    met = sent / replicas[:, callees]
    waits = _wait(met, work[:, callees] / AT_ONCE, takes)
    all_calls = CFS_PERIOD_SECONDS * np.maximum(flows, LEAST)[:, callees]
    shares = sent * replicas[:, callers] / all_calls
    return Crowds(np.minimum(graph.most_of_calls(shares), 1.0), graph.most_of_calls(waits))


def crowded_calls(solution: Solution, parameters: Parameters, situations: Situations) -> Floats:
    """(situations, services) the share of a service's calls that come in crowds, 0 to 1.

    It grows with the backlog of a caller at its CPU limit, far beyond the caller's capacity. A caller that
    something else than CPU holds back does not stop.
    """
    flows, replicas = np.nan_to_num(solution.throughput), situations.replicas
    stopped = np.where(np.isfinite(parameters.ceiling), 0.0, solution.wait * flows / replicas)
    return crowds_of(parameters.graph, stopped, flows, replicas, np.zeros_like(flows)).share


def _wait(size: Floats, seconds: Floats, takes: Floats) -> Floats:
    """Half of what the last one of a crowd waits: E[(work - time in which it comes)+] / 2.

    The work is that of a Poisson number of requests, and taken as normal. Where it is served faster than it
    comes, chance alone makes a queue, the longer the crowd the less: then that of the worst part counts.
    """
    more = size * seconds - takes
    deviation = seconds * np.sqrt(2 * WORK_VARIABILITY * size) + LEAST
    behind = np.maximum(more / deviation, -WORST_PART)
    whole = np.where(more < -WORST_PART * deviation, -WORST_PART * deviation / np.minimum(more, -LEAST), 1.0)
    normal = np.exp(-(behind**2) / 2) / np.sqrt(2 * np.pi)
    return np.asarray(whole * deviation * (behind * special.ndtr(behind) + normal) / 2, dtype=np.float64)
