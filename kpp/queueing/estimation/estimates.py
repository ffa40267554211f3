"""All that a campaign tells about an application."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kpp.queueing import laws
from kpp.queueing.estimation.capacity import Capacity
from kpp.queueing.estimation.demands import CpuFit
from kpp.queueing.estimation.drive import Drive
from kpp.queueing.estimation.levels import Levels
from kpp.queueing.estimation.limits import ApplicationShare
from kpp.queueing.estimation.robust import Estimate
from kpp.queueing.layered import CallGraph
from kpp.queueing.parameters import Parameters, Situations
from kpp.queueing.system import Stations, stations_at

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimates:
    """What was estimated; lists and arrays by service. `kpp.queueing.estimation.estimation` makes it.

    Attributes:
        levels: what was measured.
        graph: who calls whom, None if not known.
        entry_reason: how the entry service was found.
        drive: how many users the load generator drove.
        think_time: seconds.
        visit_ratios: per request to the entry service; NaN where throughput was never seen.
        unloaded: own times without waiting at the reference load, seconds.
        crowding: the share of the crowds' wait that is there; standard errors absolute.
        cpu: background and demand, with covariances.
        application: the application's part of the measured CPU, before saturation told better.
        capacity: limits, their sources, and what else holds services back.
        parameters: all of it, as `kpp.queueing.system` wants it.
    """

    levels: Levels
    graph: CallGraph | None
    entry_reason: str
    drive: Drive
    think_time: Estimate
    visit_ratios: list[Estimate]
    unloaded: list[Estimate]
    crowding: list[Estimate]
    cpu: CpuFit
    application: ApplicationShare
    capacity: Capacity
    parameters: Parameters

    @property
    def users_at_work(self) -> Floats:
        """(levels,) the user counts, or those of them that the load generator drove."""
        return self.drive.users_at_work(self.levels.user_count)

    def measured_situations(self) -> Situations:
        """The levels, as what is asked; where the load generator fell behind, with the pause that makes."""
        pauses = np.where(self.drive.behind, self.drive.pauses, np.nan)
        levels = self.levels
        return Situations(levels.user_count, pauses, levels.replicas, self.capacity.cpu_limit)

    def at_highest_load(self) -> tuple[Situations, Stations]:
        """The services as laid out at the highest measured load."""
        levels = self.levels
        situation = Situations(
            self.users_at_work[-1:], np.array([np.nan]), levels.replicas[-1:], self.capacity.cpu_limit[-1:]
        )
        offered = self.users_at_work[-1:] / self.parameters.cycle_seconds()
        return situation, stations_at(self.parameters, situation, offered)

    def saturation_of_replica(self) -> Floats:
        """(services,) requests per second that one replica could serve at the highest measured load."""
        situation, stations = self.at_highest_load()
        return np.asarray(stations.saturation[0] / situation.replicas[0], dtype=np.float64)

    def bottleneck(self) -> tuple[int, float]:
        """The service that saturates first as laid out at the highest load, and the bound at the entry.

        The bound is infinite if no limit is known.
        """
        _, stations = self.at_highest_load()
        with np.errstate(divide="ignore"):
            bounds = stations.saturation[0] / self.parameters.visit_ratio
        return int(np.argmin(bounds)), float(bounds.min())

    def knee(self) -> float:
        """The number of users at which the bottleneck's queue begins, N* = (Z + R0) X_max."""
        return float(
            laws.knee(self.parameters.think_time, self.parameters.unloaded_entry(), self.bottleneck()[1])
        )
