"""Scenarios as arrays of situations: one row per situation, one column per service, and the way back."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kpp.queueing.estimation.estimates import Estimates
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
        pause_seconds: of the users, per request.
        driven_rps: the most requests per second that the load generator drove; infinite where it drove all.
        driven_seconds: their response time.
    """

    services: tuple[str, ...]
    user_count: Floats
    replicas: Floats
    cpu_limit: Floats
    pause_seconds: float = 0.0
    driven_rps: float = float("inf")
    driven_seconds: float = 0.0

    @classmethod
    def of(cls, found: Estimates) -> "Layouts":
        """Those of a campaign."""
        levels = found.levels
        laid_out = (levels.services, levels.user_count, levels.replicas, found.capacity.cpu_limit)
        return cls(*laid_out, found.think_time.value, *found.drive.most())

    def pauses(self, user_count: Floats, think_time: Floats) -> Floats:
        """(situations,) the users' think time where all are driven, else the pause that makes of it.

        Args:
            user_count: (situations,).
            think_time: (situations,) NaN: as measured, and stays so where all users are driven.
        """
        usual = np.where(np.isnan(think_time), self.pause_seconds, think_time)
        driven = user_count / self.driven_rps - self.driven_seconds
        return np.where(driven > usual, driven, think_time)

    def dump(self) -> State:
        """As plain data."""
        return {
            "services": list(self.services),
            "user_count": to_plain(self.user_count),
            "replicas": to_plain(self.replicas),
            "cpu_limit": to_plain(self.cpu_limit),
            "pause_seconds": self.pause_seconds,
            "driven_rps": self.driven_rps if np.isfinite(self.driven_rps) else None,
            "driven_seconds": self.driven_seconds,
        }

    @classmethod
    def restore(cls, state: State) -> "Layouts":
        """From what `dump` gave."""
        names = ("user_count", "replicas", "cpu_limit")
        users, replicas, limits = (from_plain(state[name]) for name in names)
        driven = state.get("driven_rps")  # files of older versions have none
        return cls(
            services=tuple(state["services"]),
            user_count=users,
            replicas=replicas,
            cpu_limit=limits,
            pause_seconds=float(state.get("pause_seconds", 0.0)),
            driven_rps=float("inf") if driven is None else float(driven),
            driven_seconds=float(state.get("driven_seconds", 0.0)),
        )


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
        think_time=layouts.pauses(user_count, scenario[THINK_TIME].to_numpy(dtype=np.float64)[firsts]),
        replicas=fill(REPLICAS, layouts.replicas),
        cpu_limit=fill(CPU_LIMIT, layouts.cpu_limit),
    )
    return AskedSituations(situations, np.asarray(rows, dtype=np.intp), columns)
