"""Plays a file of faults: puts each on the agenda of the cluster, or into the script of a server."""

from collections.abc import Callable, Iterable
from functools import partial

from kpp.simulator.cluster import Simulation
from kpp.simulator.fault_file import (
    AnyFault,
    DelayFault,
    PrometheusFault,
    RefuseFault,
    ResetFault,
    Server,
    ServiceFault,
)
from kpp.simulator.faults import Delay, Fault, FaultScript, Refuse, Reset
from kpp.simulator.kubernetes.objects.deletion import delete_object
from kpp.simulator.kubernetes.objects.resources import PODS


def plan_faults(
    faults: Iterable[AnyFault], simulation: Simulation, scripts: dict[Server, FaultScript]
) -> None:
    """Let faults happen, their times counted from the cluster's present."""
    started_at = simulation.now
    for fault in faults:
        begins_at = started_at + fault.at
        ends_at = begins_at + fault.lasts_seconds if fault.lasts_seconds is not None else float("inf")
        match fault:
            case PrometheusFault():
                if fault.fault == "prometheus-down":
                    down = Fault(Refuse(503), times=None, begins_at=begins_at, ends_at=ends_at)
                    scripts["prometheus"].add(down)
                simulation.call_at(begins_at, partial(simulation.set_scraping, False))
                _call_before_the_end(simulation, ends_at, partial(simulation.set_scraping, True))
            case ServiceFault():
                _plan_service_fault(fault, simulation, begins_at, ends_at)
            case RefuseFault() | ResetFault() | DelayFault():
                times = fault.times or (None if fault.lasts_seconds is not None else 1)
                request_fault = Fault(_action(fault), fault.method, fault.path, times, begins_at, ends_at)
                scripts[fault.server].add(request_fault)


def _plan_service_fault(
    fault: ServiceFault, simulation: Simulation, begins_at: float, ends_at: float
) -> None:
    cluster, service = simulation.kubernetes, fault.service
    if fault.fault == "never-ready":
        simulation.call_at(begins_at, partial(cluster.hold_back, service))
        _call_before_the_end(simulation, ends_at, partial(cluster.release, service))
    elif fault.fault == "restart":
        simulation.call_at(begins_at, partial(cluster.restart_service, service))
    else:
        simulation.call_at(begins_at, partial(replace_pods, simulation, service))


def replace_pods(simulation: Simulation, service: str) -> None:
    """Delete all running pods of a service; its Deployment makes new ones."""
    for pod in simulation.kubernetes.running_pods():
        if pod.deployment == service:
            delete_object(simulation.kubernetes.store, PODS, pod.name, pod.namespace)


def _call_before_the_end(simulation: Simulation, ends_at: float, action: Callable[[], None]) -> None:
    if ends_at < float("inf"):
        simulation.call_at(ends_at, action)


def _action(fault: RefuseFault | ResetFault | DelayFault) -> Refuse | Reset | Delay:
    match fault:
        case RefuseFault():
            return Refuse(fault.code, fault.retry_after_seconds)
        case ResetFault():
            return Reset(fault.is_done)
        case DelayFault():
            return Delay(fault.seconds)
