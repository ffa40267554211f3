"""From a campaign's table to all estimates, step by step."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kpp.errors import InputError
from kpp.queueing.estimation.capacity import Capacity, estimate_capacity, hold_back
from kpp.queueing.estimation.crowding import estimate_crowding
from kpp.queueing.estimation.demand_fall import DemandFall, combine, fall_of_times
from kpp.queueing.estimation.demands import CpuFit, CpuRecords, estimate_fall, fit_cpu
from kpp.queueing.estimation.drive import find_drive
from kpp.queueing.estimation.entry import find_entry
from kpp.queueing.estimation.estimates import Estimates
from kpp.queueing.estimation.levels import Levels, arrange_levels
from kpp.queueing.estimation.limits import LimitSource, estimate_share
from kpp.queueing.estimation.own_times import OwnTimes, estimate_lightest, split_times, unloaded_by_level
from kpp.queueing.estimation.plateau import find_plateaus
from kpp.queueing.estimation.robust import Estimate, middle, robust_locations
from kpp.queueing.estimation.visits import estimate_think_time, estimate_visit_ratios
from kpp.queueing.layered import CallGraph, read_graph
from kpp.queueing.parameters import LEAST_CYCLE_SECONDS, Parameters, Situations
from kpp.queueing.system import stations_at, waits_of

Floats = NDArray[np.float64]


def estimate(
    measurements: pd.DataFrame,
    calls: pd.DataFrame | None = None,
    cpu_limits: Mapping[str, float] | None = None,
) -> Estimates:
    """Estimate everything from a table of measurements.

    Args:
        measurements: columns of `kpp.schema`, one row per minute and service.
        calls: `CALLER`, `CALLEE`, `CALLS`, a row per pair.
        cpu_limits: service -> cores of one replica, where the table does not tell.

    Raises:
        InputError: there is no throughput, or the calls go round in a circle.
    """
    measured = arrange_levels(measurements, cpu_limits)
    graph = read_graph(calls, measured.services) if calls is not None and len(calls) else None
    entry, reason = find_entry(measured, graph)
    if not (measured.throughput[:, entry] > 0).any():
        what = f"no throughput of the entry service {measured.services[entry]}"
        raise InputError(what, mend="measure it: without it neither think time nor demand can be told")
    drive = find_drive(measured, entry)
    driven = replace(measured, user_count=drive.users_at_work(measured.user_count))
    think_time = estimate_think_time(driven, entry)
    visits = estimate_visit_ratios(measured, entry)
    ratios = _known_ratios(visits, graph, entry)
    levels = _with_unseen_flows(driven, ratios, entry)
    times = split_times(levels, graph)
    offered = _offered(levels, entry, think_time)
    fall, cpu = _fit_demand(levels, offered, times)
    factors = fall.factor(offered)
    lightest = estimate_lightest(times.own, factors)
    plateaus = find_plateaus(levels, times.own, lightest, factors, entry)
    application = estimate_share(levels, _proxied(ratios, graph, entry), cpu, plateaus)
    capacity = estimate_capacity(levels, cpu, application, plateaus)
    parameters = Parameters(
        entry=entry,
        think_time=think_time.value,
        visit_ratio=ratios,
        unloaded=lightest,
        entry_offset=max(np.nan_to_num(middle((times.whole - levels.response_time)[:, entry])), 0.0),
        graph=graph or _star(ratios, entry),
        calls_known=graph is not None,
        burst=graph.burst_sizes() if graph is not None else np.maximum(2 * ratios - 1, 1.0),
        crowding=np.ones(len(ratios)),
        background=cpu.background,
        demand=capacity.demand,
        share=capacity.share,
        ceiling=capacity.ceiling_rps,
        fall=fall,
    )
    capacity = _choose_kinds(levels, times, capacity, parameters)
    parameters = replace(parameters, ceiling=capacity.ceiling_rps)
    crowding = estimate_crowding(times, parameters, _situations(levels, capacity))
    parameters = replace(parameters, crowding=np.array([each.value for each in crowding]))
    by_level = _unload(levels, times, capacity, parameters)
    unloaded = robust_locations(by_level, levels.minutes[:, None])
    parameters = replace(parameters, unloaded=np.array([each.value for each in unloaded]))
    return Estimates(
        measured,
        graph,
        reason,
        drive,
        think_time,
        visits,
        unloaded,
        crowding,
        cpu,
        application,
        capacity,
        parameters,
    )


def _known_ratios(visits: list[Estimate], graph: CallGraph | None, entry: int) -> Floats:
    """Visit ratios; where throughput was never seen (TCP), those of the calls, or else 1."""
    ratios = np.array([visit.value for visit in visits])
    told = graph.visit_ratios(entry) if graph is not None else np.ones(len(ratios))
    return np.where(np.isnan(ratios), np.where(told > 0, told, 1.0), ratios)


def _with_unseen_flows(levels: Levels, ratios: Floats, entry: int) -> Levels:
    unseen = ~np.isfinite(levels.throughput).any(axis=0)
    flows = levels.throughput[:, [entry]] * ratios
    return replace(levels, throughput=np.where(unseen, flows, levels.throughput))


def _offered(levels: Levels, entry: int, think_time: Estimate) -> Floats:
    """(levels,) requests per second that the users would send if they met no other."""
    times = levels.response_time[:, entry]
    fastest = float(np.nanmin(times)) if np.isfinite(times).any() else 0.0
    return levels.user_count / max(think_time.value + fastest, LEAST_CYCLE_SECONDS)


def _fit_demand(levels: Levels, offered: Floats, times: OwnTimes) -> tuple[DemandFall, CpuFit]:
    reference = float(np.average(offered, weights=levels.minutes))
    load = offered / reference
    usual = estimate_lightest(times.own, np.ones(len(load)))
    records = CpuRecords(levels.cpu, levels.replicas, levels.throughput, load, levels.minutes, usual)
    largest = float(load.max())
    rate = combine(estimate_fall(records, largest), fall_of_times(load, times.whole))
    return DemandFall(rate, reference, largest), fit_cpu(records, rate.value, largest)


def _proxied(ratios: Floats, graph: CallGraph | None, entry: int) -> Floats:
    """(services,) requests that a sidecar passes on for one that its service serves: it, and all calls."""
    if graph is not None:
        return 1.0 + graph.calls_made()
    proxied = np.ones(len(ratios))
    proxied[entry] += (float(ratios.sum()) - 1) / 2  # it makes none of the others' visits, or all of them
    return proxied


def _star(visits: Floats, entry: int) -> CallGraph:
    """The entry service calls all others: for want of a graph."""
    others = np.flatnonzero(np.arange(len(visits)) != entry)
    return CallGraph.of(np.full(len(others), entry), others, visits[others], len(visits))


def _situations(levels: Levels, capacity: Capacity) -> Situations:
    pauses = np.full(len(levels), np.nan)
    return Situations(levels.user_count, pauses, levels.replicas, capacity.cpu_limit)


def _unload(levels: Levels, times: OwnTimes, capacity: Capacity, parameters: Parameters) -> Floats:
    """(levels, services) own times without the waiting that the stations explain, at the reference load."""
    situations = _situations(levels, capacity)
    offered = levels.user_count / parameters.cycle_seconds()
    stations = stations_at(parameters, situations, offered)
    flows = np.nan_to_num(levels.throughput)
    waits = waits_of(parameters, situations, stations, flows)
    if times.own is times.whole:
        waits = parameters.nest_waits(np.where(np.isfinite(waits), waits, 0.0))
    return unloaded_by_level(times.own, waits, parameters.fall.factor(offered), stations.utilization(flows))


def _choose_kinds(levels: Levels, times: OwnTimes, capacity: Capacity, parameters: Parameters) -> Capacity:
    """CPU quota or not: where no limit is recorded, a plateau's shape tells what makes it.

    The kind of station is taken under which the unloaded times of the levels differ less. What is no CPU has
    no part in the fall of demand.
    """
    steady = replace(parameters.fall, rate=Estimate(0.0, 0.0))
    for plateau in capacity.plateaus:
        service = plateau.service
        if capacity.source[service] is not LimitSource.INFERRED:
            continue
        shared = hold_back(capacity, plateau)
        apart = []
        for kind, fall in ((capacity, parameters.fall), (shared, steady)):
            asked = replace(parameters, ceiling=kind.ceiling_rps, fall=fall)
            unloaded = _unload(levels, times, kind, asked)[:, service]
            apart.append(float(np.std(np.log(unloaded[np.isfinite(unloaded)]))))
        if apart[1] < apart[0]:
            capacity = shared
    return capacity
