"""What a queueing network assumed, and what it could not estimate, in words."""

import numpy as np

from kpp.queueing.estimation.capacity import Capacity
from kpp.queueing.estimation.estimates import Estimates
from kpp.queueing.estimation.levels import Levels
from kpp.queueing.estimation.limits import LimitSource
from kpp.whatif.network.basis import Basis, find_bases


def describe(found: Estimates) -> tuple[str, ...]:
    """One line each, with the service and the reason."""
    levels = found.levels
    entry = levels.services[found.parameters.entry]
    notes = [f"{entry} is taken for the entry service: {found.entry_reason}"]
    if found.think_time.value == 0:
        notes.append("the users' think time is estimated as 0")
    if len(set(levels.user_count)) < 2:
        notes.append("one user count alone: background CPU and demand cannot be told apart")
    if found.graph is None and len(levels.services) > 1:
        notes.append("no calls table: a service's response time cannot be told from its callees'")
    notes += _missing(levels)
    notes += _limits(levels, found.capacity) + _ceilings(levels, found.capacity) + _sidecars(found)
    return tuple(notes)


def _missing(levels: Levels) -> list[str]:
    measured = {
        "response time": levels.response_time,
        "throughput": levels.throughput,
        "CPU usage": levels.cpu,
    }
    notes = []
    for what, values in measured.items():
        lacking = [
            service
            for service, column in zip(levels.services, values.T, strict=True)
            if not np.isfinite(column).any()
        ]
        if lacking:
            notes.append(f"{_join(lacking)}: {what} was never measured, so it is not predicted")
    unused = [
        service
        for service, column in zip(levels.services, levels.cpu.T, strict=True)
        if np.isfinite(column).any() and not (column > 0).any()
    ]
    if unused:
        notes.append(f"{_join(unused)}: CPU usage is 0 at all loads, which counts as not measured")
    if not levels.replicas_recorded.any():
        several = [
            f"{count:g} of {service}"
            for service, count in zip(levels.services, levels.replicas[-1], strict=True)
            if count > 1
        ]
        but = f", but {_join(several)}, for one could not use so much CPU within its limit" if several else ""
        notes.append(f"replicas are not recorded: one of each service is assumed to have been measured{but}")
    return notes


def _limits(levels: Levels, capacity: Capacity) -> list[str]:
    by_source: dict[LimitSource, list[str]] = {}
    seen = np.isfinite(capacity.ceiling_rps)
    for service, source, is_seen in zip(levels.services, capacity.source, seen, strict=True):
        if not (is_seen and source is LimitSource.UNKNOWN):
            by_source.setdefault(source, []).append(service)
    notes = []
    for service, limit in zip(levels.services, capacity.cpu_limit[-1], strict=True):
        if service in by_source.get(LimitSource.INFERRED, []):
            notes.append(
                f"{service}: a CPU limit of {limit:.3g} cores a replica is inferred from its saturation"
            )
    if LimitSource.ASSUMED in by_source:
        names = _join(by_source[LimitSource.ASSUMED])
        notes.append(f"{names}: the CPU limit is not recorded; twice the CPU request is assumed")
    if LimitSource.UNKNOWN in by_source:
        names = _join(by_source[LimitSource.UNKNOWN])
        notes.append(f"{names}: no CPU limit is known, so no saturation is foreseen")
    return notes


def _ceilings(levels: Levels, capacity: Capacity) -> list[str]:
    notes = []
    for plateau in capacity.plateaus:
        if np.isfinite(capacity.ceiling_rps[plateau.service]):
            recorded = capacity.source[plateau.service] is LimitSource.RECORDED
            what = ", not at its CPU limit" if recorded else "; whether by CPU is not known"
            notes.append(
                f"{levels.services[plateau.service]}: a replica was seen to saturate at "
                f"{plateau.saturation_rps.value:.3g} req/s{what}"
            )
    return notes


def _sidecars(found: Estimates) -> list[str]:
    """Whose capacity rests on a sidecar that may not be there."""
    bases = find_bases(found)
    services = [number for number, basis in enumerate(bases) if basis is Basis.GUESSED_SIDECAR]
    if not services:
        return []
    parts = 1 - found.capacity.share[services]
    part = " to ".join(dict.fromkeys(f"{100 * each:.0f}" for each in (parts.min(), parts.max())))
    names = _join([found.levels.services[number] for number in services])
    return [
        f"{names}: {part} % of the CPU is taken to be a sidecar's; without sidecars the CPU limits are "
        "reached that much earlier"
    ]


def _join(names: list[str]) -> str:
    return ", ".join(names)
