"""How early a knee can come that nothing shows: a thread, a lock, a pool, a node without spare cores.

Whatever serves requests, one after the other or some at a time, is a part of the response time, so that what
it keeps busy and what waits for it are among the requests in progress. By Little's law these are throughput x
response time. The fewer there are, the less busy it can be, and the farther off is its knee.

docs/adr/0029-the-earliest-hidden-knee.md says what this rests on.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kpp.schema import RESPONSE_TIME, SERVICE, TARGETS, THROUGHPUT, USER_COUNT
from kpp.whatif.intervals.agreement import Laws
from kpp.whatif.intervals.held_out import RESOLUTIONS
from kpp.whatif.measured import Measured

Floats = NDArray[np.float64]

_TIME, _FLOW = (list(TARGETS).index(target) for target in (RESPONSE_TIME, THROUGHPUT))


def busiest(in_progress: Floats) -> Floats:
    """The largest utilization of anything that serves requests, when so many are in progress on average.

    Waiting is least where service times do not vary: u + u^2 / (2 (1 - u)) requests are with a single server
    (M/D/1; F. Pollaczek, 1930; A. Khinchin, 1932), solved for u. Several servers of the same capacity, and
    varying work, keep more in progress.

    >>> busiest(np.array([0.0, 1.5, 1e9])).round(3).tolist()
    [0.0, 0.697, 1.0]
    """
    few: Floats = 2 * in_progress / (1 + in_progress + np.sqrt(1 + in_progress**2))
    return few


def least_throughput(users: Floats, away_seconds: Floats, capacity_rps: Floats) -> Floats:
    """The throughput of a closed loop around such a server.

    N = X x away + u + u^2 / (2 (1 - u)) with u = X / capacity, solved for X.

    Args:
        users: N.
        away_seconds: that a user spends elsewhere between two visits.
        capacity_rps: of the server.
    """
    apart = capacity_rps * np.maximum(away_seconds, 0.0) + 1.0  # (2 a - 1) u^2 - 2 (N + a) u + 2 N = 0
    middle = users + apart
    utilization = 2 * users / (middle + np.sqrt((users - apart) ** 2 + 2 * users))
    found: Floats = capacity_rps * utilization
    return found


@dataclass(frozen=True)
class Knees:
    """The earliest knees that the measured loads do not exclude, seen from the rows of a scenario.

    Attributes:
        least: (rows, 3), own units: what there is of the targets, if the knee may be anywhere in the system.
        users: (rows,) N.
        away_seconds: (rows,) that a user spends elsewhere between two visits to the row's service.
        capacity_rps: (rows,) of the row's service, if the knee is in it or in what it calls.
        excluded: whether knees were excluded for the few requests in progress; else what was measured is
            certain, and nothing more.
    """

    least: Floats
    users: Floats
    away_seconds: Floats
    capacity_rps: Floats
    excluded: bool

    def least_rps(self, unsure: Floats) -> Floats:
        """(rows,) throughput behind the earliest knee of the row's own service.

        Args:
            unsure: (rows,) by how much, in logarithms, the service may be busier than predicted.
        """
        capacities = self.capacity_rps * np.exp(-unsure)
        if not self.excluded:
            return capacities
        with np.errstate(invalid="ignore"):
            return least_throughput(self.users, self.away_seconds, capacities)


def earliest_knees(measured: Measured, scenario: pd.DataFrame, predicted: Floats, laws: Laws | None) -> Knees:
    """Find them.

    A CPU quota below one core can be used up by few requests at once. So a model that does not know all
    capacities, or no laws, excludes nothing.

    Args:
        measured: the loads.
        scenario: all `SCENARIO_COLUMNS`, filled in as measured.
        predicted: (rows, 3).
        laws: that the model knows.
    """
    highest = measured.highest(scenario)
    users = scenario[USER_COUNT].to_numpy(dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        away = np.nan_to_num(users / predicted[:, _FLOW] - predicted[:, _TIME], posinf=0.0)
    if laws is None or not laws.capacities_known:
        return Knees(highest, users, away, highest[:, _FLOW], excluded=False)
    capacities, flows = _capacities(measured.levels)
    own = measured.most_of(scenario, capacities[:, None])[:, 0]
    entry = (measured.levels[SERVICE] == laws.entry_service).to_numpy()
    whole = least_throughput(users, laws.think_time_seconds, np.full(len(users), capacities[entry].max()))
    least = highest * (whole / flows[entry].max())[:, None]
    least[laws.is_entry, _FLOW] = least_throughput(users, away, own)[laws.is_entry]
    return Knees(least, users, away, own, excluded=True)


def _capacities(levels: pd.DataFrame) -> tuple[Floats, Floats]:
    """(levels,) the throughput up to which nothing hidden saturates, and what was measured."""
    flows = levels[THROUGHPUT].to_numpy(dtype=np.float64)
    times = levels[RESPONSE_TIME].to_numpy(dtype=np.float64) + RESOLUTIONS[RESPONSE_TIME]
    with np.errstate(divide="ignore", invalid="ignore"):
        capacities = flows / busiest(flows * times)
    return np.where(np.isfinite(capacities), capacities, flows), flows
