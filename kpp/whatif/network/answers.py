"""What a solved queueing network says of the rows of a scenario, as tables."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kpp.queueing.parameters import Solution
from kpp.schema import CPU_LIMIT, CPU_USAGE, RESPONSE_TIME, TARGETS, THROUGHPUT
from kpp.whatif.model import (
    BOTTLENECK,
    REPLICAS_USED,
    SATURATES,
    SATURATION,
    SATURATION_LOWER,
    SATURATION_UPPER,
)
from kpp.whatif.network.basis import Basis
from kpp.whatif.network.state import FittedNetwork
from kpp.whatif.situations import AskedSituations

Floats = NDArray[np.float64]


def by_target(solution: Solution) -> dict[str, Floats]:
    """The targets, (situations, services) each, in the order of `FittedNetwork.measured`."""
    return {
        RESPONSE_TIME: solution.response_time,
        THROUGHPUT: solution.throughput,
        CPU_USAGE: solution.cpu,
    }


def as_targets(
    solution: Solution, asked: AskedSituations, network: FittedNetwork, index: pd.Index
) -> pd.DataFrame:
    """The targets of the scenario's rows; NaN for what was never measured of a service."""
    columns = {}
    for (target, values), measured in zip(by_target(solution).items(), network.measured.T, strict=True):
        columns[target] = asked.pick(np.where(measured, values, np.nan))
    return pd.DataFrame(columns, index=index)[list(TARGETS)]


def as_saturation(
    solution: Solution, asked: AskedSituations, network: FittedNetwork, scenario: pd.DataFrame
) -> pd.DataFrame:
    """What `kpp.whatif.model.KnowsSaturation` tells of the scenario's rows."""
    saturation = np.where(np.isfinite(solution.saturation), solution.saturation, np.nan)
    names = np.array([*network.layouts.services, ""], dtype=object)
    with np.errstate(divide="ignore", invalid="ignore"):
        bounds = solution.saturation / np.nan_to_num(network.parameters.visit_ratio)
    first = np.where(np.isfinite(solution.bound), np.nanargmin(np.nan_to_num(bounds, nan=np.inf), axis=1), -1)
    rates = asked.pick(saturation)
    bases = _bases(network, asked, scenario)
    factor = 1 + np.append(network.errors.capacity, 0.0)[asked.columns]
    is_guess = np.array([basis.is_guess for basis in bases], dtype=np.bool_)
    columns = {
        SATURATION: rates,
        SATURATION_LOWER: np.where(is_guess, rates / factor, np.nan),
        SATURATION_UPPER: np.where(is_guess, rates * factor, np.nan),
        SATURATES: [basis.value for basis in bases],
        BOTTLENECK: names[first[asked.rows]],
        REPLICAS_USED: asked.pick(asked.situations.replicas),
    }
    return pd.DataFrame(columns, index=scenario.index)


def _bases(network: FittedNetwork, asked: AskedSituations, scenario: pd.DataFrame) -> list[Basis]:
    """Of each row: a CPU limit that is asked for is no longer assumed."""
    of_services = [*network.basis, Basis.NONE]  # the last of those that were never measured
    limited = np.isfinite(network.parameters.demand)
    bases = []
    for is_given, service in zip(scenario[CPU_LIMIT].notna(), asked.columns, strict=True):
        basis = of_services[service]
        assumed = basis in (Basis.ASSUMED_LIMIT, Basis.NONE)
        bases.append(Basis.LIMIT if is_given and assumed and service >= 0 and limited[service] else basis)
    return bases


def as_explanation(
    solution: Solution,
    asked: AskedSituations,
    network: FittedNetwork,
    scenario: pd.DataFrame,
    corrected: Solution | None = None,
) -> pd.DataFrame:
    """The parts of the scenario's predictions, which add up.

    Response time = own + waiting + callees + what Envoy cuts (below 0) + what was learned, where a correction
    was.
    """
    parameters = network.parameters
    final = solution if corrected is None else corrected
    whole = parameters.nest(solution.own) + parameters.nest_waits(solution.wait)
    per_situation = np.ones_like(solution.own)
    parts = {
        "Response Time (s)": final.response_time,
        "Own Time (s)": solution.own,
        "Waiting (s)": solution.wait,
        "Callees (s)": whole - solution.own - solution.wait,
        "Cut by Envoy (s)": solution.response_time - whole,
        "Learned Time (s)": final.response_time - solution.response_time,
        "CPU Usage (cores)": final.cpu,
        "Background CPU (cores)": parameters.background * per_situation,
        "CPU Demand (s)": solution.demand,
        "Learned CPU (cores)": final.cpu - solution.cpu,
        "Visits per Request": parameters.visit_ratio * per_situation,
        "Utilization": np.where(np.isfinite(solution.saturation), final.utilization, np.nan),
        "Think Time (s)": solution.think_time[:, None] * per_situation,
    }
    columns = {
        name: asked.pick(values)
        for name, values in parts.items()
        if corrected is not None or not name.startswith("Learned")
    }
    saturation = as_saturation(solution, asked, network, scenario)
    sources = np.array([*network.limit_source, ""], dtype=object)
    return (
        pd.DataFrame(columns, index=scenario.index)
        .join(saturation)
        .assign(**{"CPU Limit is": sources[asked.columns]})
    )
