"""Scenarios as arrays of situations: one row per situation, one column per service, and the way back."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kpp.queueing.parameters import Situations
from kpp.schema import CPU_LIMIT, REPLICAS, SERVICE, USER_COUNT
from kpp.whatif.model import SITUATION, THINK_TIME, State
from kpp.whatif.plain_data import from_plain, to_plain

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Layouts:
    """How the services were laid out at the measured loads.

    Attributes:
        services: their names.
        user_count: (levels,).
        replicas: (levels, services).
        cpu_limit: (levels, services) cores of one replica; NaN where not known.
    """

    services: tuple[str, ...]
    user_count: Floats
    replicas: Floats
    cpu_limit: Floats

    def dump(self) -> State:
        """As plain data."""
        return {
            "services": list(self.services),
            "user_count": to_plain(self.user_count),
            "replicas": to_plain(self.replicas),
            "cpu_limit": to_plain(self.cpu_limit),
        }

    @classmethod
    def restore(cls, state: State) -> "Layouts":
        """From what `dump` gave."""
        names = ("user_count", "replicas", "cpu_limit")
        return cls(tuple(state["services"]), *(from_plain(state[name]) for name in names))


@dataclass(frozen=True)
class AskedSituations:
    """The situations of a scenario, and where its rows are in them.

    Attributes:
        situations: all services of each, those that the scenario leaves out included.
        rows: (rows of the scenario,) the situation of each.
        columns: (rows of the scenario,) the service of each, -1 if it was never measured.
    """

    situations: Situations
    rows: Indices
    columns: Indices

    def pick(self, values: Floats) -> Floats:
        """(situations, services) to (rows of the scenario,); NaN for services that were never measured."""
        return np.where(self.columns >= 0, values[self.rows, self.columns], np.nan)


def arrange_situations(scenario: pd.DataFrame, layouts: Layouts) -> AskedSituations:
    """Gather the rows of each situation.

    Args:
        scenario: with all `SCENARIO_COLUMNS`; what it leaves open is as at the nearest measured load.
        layouts: of the measured loads.
    """
    _, firsts, rows = np.unique(scenario[SITUATION].to_numpy(), return_index=True, return_inverse=True)
    index = {service: column for column, service in enumerate(layouts.services)}
    columns: Indices = np.asarray(scenario[SERVICE].map(index).fillna(-1), dtype=np.intp)
    user_count = scenario[USER_COUNT].to_numpy(dtype=np.float64)[firsts]
    with np.errstate(divide="ignore"):
        apart = np.abs(np.log(user_count)[:, None] - np.log(layouts.user_count)[None, :])
    nearest = apart.argmin(axis=1)
    known = columns >= 0

    def fill(column: str, measured: Floats) -> Floats:
        filled: Floats = measured[nearest].copy()
        values = scenario[column].to_numpy(dtype=np.float64)
        told = known & np.isfinite(values)
        filled[rows[told], columns[told]] = values[told]
        return filled

    situations = Situations(
        user_count=user_count,
        think_time=scenario[THINK_TIME].to_numpy(dtype=np.float64)[firsts],
        replicas=fill(REPLICAS, layouts.replicas),
        cpu_limit=fill(CPU_LIMIT, layouts.cpu_limit),
    )
    return AskedSituations(situations, np.asarray(rows, dtype=np.intp), columns)
