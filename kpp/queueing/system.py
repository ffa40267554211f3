"""The whole system as a closed layered network of CPU-limited stations, for many situations at once.

Users think and send requests to the entry service; a request visits every service; a service's replicas
share its visits evenly. A replica is a station that works at full speed until its CPU quota is used up
(`stations.throttled_wait`), or one that shares its processor, where something else than CPU holds it back.
The users are finitely many, which `kpp.queueing.backlog` allows for. A caller that was stopped goes on with
many requests at once: its callees meet crowds (`kpp.queueing.crowds`).
`kpp.queueing.approximate` closes the loop.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kpp.queueing.approximate import HALVINGS, solve_saturating
from kpp.queueing.backlog import closed_backlog, room_of
from kpp.queueing.crowds import crowds_of
from kpp.queueing.estimation.capacity import cpu_capacity
from kpp.queueing.parameters import LEAST_CYCLE_SECONDS, Parameters, Situations, Solution
from kpp.queueing.stations import WORK_VARIABILITY, crowded_share, throttled_share
from kpp.queueing.truncation import truncated_mean

Floats = NDArray[np.float64]

FULL = 1e-12  # of a bound: as near, a service is the bottleneck
AMPLE = 2.0  # times the throughput of users who meet no other: a bound beyond that changes nothing


@dataclass(frozen=True)
class Stations:
    """The services as stations, at the loads that are offered; (situations, services).

    Attributes:
        demand: CPU seconds of one request; NaN where not known.
        saturation: requests per second that all replicas together could serve; infinite if not known.
        room: of `kpp.queueing.backlog`.
    """

    demand: Floats
    saturation: Floats
    room: Floats

    def bound(self, visits: Floats) -> Floats:
        """(situations,) requests per second at the entry service that saturate the bottleneck."""
        with np.errstate(divide="ignore", invalid="ignore"):
            bounds = np.where(visits > 0, self.saturation / visits, np.inf)
        return np.asarray(bounds.min(axis=1), dtype=np.float64)

    def utilization(self, flows: Floats) -> Floats:
        """Of what holds each service back, at flows in requests per second; 0 where that is not known."""
        known = np.isfinite(self.saturation)
        return np.asarray(np.where(known, flows / np.where(known, self.saturation, 1.0), 0.0))

    def log_idle(self, bound: Floats, visits: Floats, log_idle: Floats) -> Floats:
        """ln(1 - utilization), where the entry's throughput is that near to a bound; (situations, services).

        Args:
            bound: (situations,) requests per second at the entry, not above `bound(visits)`.
            visits: (services,) per request to the entry.
            log_idle: (situations,) ln(1 - throughput / bound).
        """
        at_bound = np.minimum(self.utilization(bound[:, None] * visits), 1.0)
        served = -np.expm1(log_idle)[:, None]
        with np.errstate(divide="ignore"):
            apart = np.log1p(-at_bound * np.minimum(served, 1.0))
        return np.where(at_bound >= 1 - FULL, log_idle[:, None], apart)


def solve(parameters: Parameters, situations: Situations) -> Solution:
    """Predict all situations.

    The entry's response time and throughput obey N = X (Z + R) exactly, throughputs the visit ratios, and no
    service serves more than it could.
    """
    users, visits = situations.user_count, parameters.visit_ratio
    think = np.where(np.isnan(situations.think_time), parameters.think_time, situations.think_time)
    offered = users / np.maximum(think + parameters.unloaded_entry(), LEAST_CYCLE_SECONDS)
    stations = stations_at(parameters, situations, offered)
    unsaturated = _unsaturated(parameters, situations, offered)
    own = np.nan_to_num(parameters.unloaded) * parameters.fall.factor(unsaturated)[:, None]
    at_work = stations_at(parameters, situations, unsaturated)
    working_part, waiting_part = parameters.parts_of_entry()
    working = own @ working_part
    fastest = users / np.maximum(
        think + np.maximum(working - parameters.entry_offset, 0.0), LEAST_CYCLE_SECONDS
    )
    bound = stations.bound(visits)
    nearest = np.minimum(bound, AMPLE * fastest)

    def waits(entry_rps: Floats, log_idle: Floats) -> Floats:
        flows, idle = entry_rps[:, None] * visits, stations.log_idle(nearest, visits, log_idle)
        return waits_of(parameters, situations, stations, flows, idle, at_work)

    def entry_time(entry_rps: Floats, log_idle: Floats) -> Floats:
        waiting = waits(entry_rps, log_idle) @ waiting_part
        return np.asarray(np.maximum(working + waiting - parameters.entry_offset, 0.0))

    entry_rps, log_idle = solve_saturating(users, think, entry_time, nearest)
    flows, wait = entry_rps[:, None] * visits, waits(entry_rps, log_idle)
    return Solution(
        response_time=_response_times(parameters, own, wait, np.maximum(users / entry_rps - think, 0.0)),
        throughput=flows,
        cpu=_cpu(parameters, situations, flows, stations.demand),
        saturation=stations.saturation,
        bound=bound,
        think_time=think,
        demand=stations.demand,
        own=own,
        wait=wait,
        utilization=stations.utilization(flows),
    )


def stations_at(parameters: Parameters, situations: Situations, offered_rps: Floats) -> Stations:
    """What each service can serve at the loads that are offered, (situations,).

    CPU demand falls with them. What else holds a service back, a lock or threads, has no part in that.
    """
    factor = parameters.fall.factor(offered_rps)[:, None]
    demand = parameters.demand * factor
    by_cpu = cpu_capacity(situations.cpu_limit, parameters.background, demand, parameters.share)
    saturation = situations.replicas * np.fmin(by_cpu, parameters.ceiling)
    return Stations(demand, saturation, _room(parameters, situations, saturation))


def waits_of(
    parameters: Parameters,
    situations: Situations,
    stations: Stations,
    flows: Floats,
    log_idle: Floats | None = None,
    at_work: Stations | None = None,
) -> Floats:
    """(situations, services) seconds that one visit waits: for CPU, and in crowds that stopped callers send.

    The replicas of a service share its backlog: a balancer that prefers the less busy of two does as well
    near saturation as one common queue (H. Chen and H.-Q. Ye, Asymptotic optimality of balanced routing,
    Operations Research 60(1), 2012), and Envoy's does so. A request is not in its own way.

    Args:
        parameters: of the application.
        situations: that are asked.
        stations: of these.
        flows: (situations, services) requests per second.
        log_idle: (situations, services) ln(1 - utilization), where that is known better than from `flows`.
        at_work: how long a request keeps them busy, if not as `stations` say; see `_unsaturated`.
    """
    at_work = at_work or stations
    busy, demand, replicas = stations.utilization(flows), at_work.demand, situations.replicas
    if log_idle is None:
        with np.errstate(divide="ignore"):
            log_idle = np.log(np.maximum(1 - busy, 0.0))
    busy = np.minimum(busy, 1.0)
    shares = np.isfinite(parameters.ceiling)
    limited = np.isfinite(situations.cpu_limit) & np.isfinite(demand) & ~shares
    work = np.where(shares, 0.0, np.nan_to_num(demand) * parameters.share)
    cpu = np.where(limited, work, 0.0) * parameters.variability
    limit = np.where(limited, situations.cpu_limit, 1.0)
    backlog = closed_backlog(busy, log_idle, stations.room)
    held = np.where(shares, replicas / at_work.saturation, 0.0) * parameters.variability
    quota = cpu * WORK_VARIABILITY / limit / replicas
    # the other replicas get their share of a burst
    alone = throttled_share(cpu, limit, busy, np.maximum(parameters.burst / replicas, 1.0))
    waits = np.where(shares, held, quota * alone) * backlog
    stopped = np.where(shares, 0.0, waits) * flows / replicas
    crowds = crowds_of(parameters.graph, stopped, flows, replicas, work)
    together = np.maximum(crowded_share(cpu, limit, busy) - alone, 0.0) * crowds.share * parameters.crowding
    left_over = np.where(shares, 0.0, quota * together)
    waits = waits + parameters.crowding * crowds.wait + left_over * np.where(left_over > 0, backlog, 0.0)
    others = others_share(situations.user_count)[:, None]
    return np.asarray(others * np.where(others > 0, waits, 0.0), dtype=np.float64)


def _room(parameters: Parameters, situations: Situations, saturation: Floats) -> Floats:
    """(situations, services) how many users may be missing before a station's arrivals fall off."""
    think = np.where(np.isnan(situations.think_time), parameters.think_time, situations.think_time)
    rest = np.maximum(think + parameters.unloaded_entry(), LEAST_CYCLE_SECONDS)
    visited = parameters.visit_ratio > 0
    customers = np.where(visited, saturation / np.where(visited, parameters.visit_ratio, 1.0), np.inf)
    usual = np.where(np.isfinite(parameters.ceiling), 1.0, WORK_VARIABILITY)
    return room_of(customers, rest[:, None], usual * parameters.variability)


def others_share(user_count: Floats) -> Floats:
    """(N - 1) / N: what a request meets of its station's utilization, as it is not in its own way."""
    return np.asarray(np.maximum(user_count - 1, 0.0) / np.maximum(user_count, 1.0), dtype=np.float64)


def _unsaturated(parameters: Parameters, situations: Situations, offered: Floats) -> Floats:
    """The offered load, but not beyond the one at which the bottleneck saturates, (situations,).

    Beyond, demand goes on falling with the offered load, so that capacity grows slowly, but own times and the
    work that others wait for do not: else a saturated system would answer faster.
    """
    if parameters.fall.rate.value <= 0:
        return offered
    low, high = np.zeros_like(offered), offered
    for _ in range(HALVINGS // 2):
        middle = (low + high) / 2
        below = stations_at(parameters, situations, middle).bound(parameters.visit_ratio) > middle
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return high


def _response_times(parameters: Parameters, own: Floats, wait: Floats, of_entry: Floats) -> Floats:
    """Response times as Envoy would tell them; the entry's by the law, since X and R are one unknown."""
    times = truncated_mean(parameters.nest(own) + parameters.nest_waits(wait))
    times[:, parameters.entry] = of_entry
    return np.where(np.isnan(parameters.unloaded), np.nan, times)


def _cpu(parameters: Parameters, situations: Situations, flows: Floats, demand: Floats) -> Floats:
    """Cores of all replicas: the application's within its limit, and the sidecar's."""
    cpu = situations.replicas * parameters.background + demand * flows
    application = parameters.share * cpu
    most = np.where(np.isfinite(situations.cpu_limit), situations.replicas * situations.cpu_limit, np.inf)
    return np.asarray(np.minimum(application, most) + (1 - parameters.share) * cpu, dtype=np.float64)
