"""The hybrid: the queueing network, and a learned residual that fades with the distance from the data.

For response times and CPU it is learned as log(measured / predicted) against the load and the layout.
Afterwards the laws hold as before (`kpp.whatif.network.corrections`). docs/adr/0022-hybrid.md says why it is
made so.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kpp.queueing.estimation.estimates import Estimates
from kpp.queueing.parameters import Parameters, Situations, Solution
from kpp.queueing.system import solve
from kpp.schema import CPU_USAGE, RESPONSE_TIME
from kpp.whatif.model import State
from kpp.whatif.models.queueing_network import QueueingNetwork
from kpp.whatif.models.residual import Residual, fit_residual
from kpp.whatif.network.answers import as_explanation
from kpp.whatif.network.corrections import correct
from kpp.whatif.network.overload import BEGINS, Growth, learn_growth, saturated_callers
from kpp.whatif.situations import arrange_situations

Floats = NDArray[np.float64]

LEARNED = (RESPONSE_TIME, CPU_USAGE)
NEARLY_SATURATED = 0.8  # of the bottleneck's saturation throughput
MOSTLY_QUIET = 0.5  # of a response time is no waiting, where it can be learned from
LEAST_LEVELS = 3  # without saturation, to learn residuals from these alone
SMALLEST = 1e-6  # seconds and cores: a measured 0 is something smaller than can be told


class Hybrid(QueueingNetwork):
    """The queueing network, corrected by what it was measured to get wrong."""

    def __init__(self) -> None:
        super().__init__()
        self._residuals: dict[str, tuple[Residual, ...]] = {}  # by target, in the order of the services
        self._growth = Growth(np.empty(0), np.empty(0))

    @property
    def name(self) -> str:
        """As in the registry."""
        return "hybrid"

    def explain(self, scenario: pd.DataFrame) -> pd.DataFrame:
        """The network's parts, and what was learned beside them."""
        asked = arrange_situations(scenario, self.network.layouts)
        physics = self._physics(asked.situations)
        return as_explanation(physics, asked, self.network, scenario, self._solve(asked.situations))

    def dump(self) -> State:
        """The network, and the residuals by target and service."""
        services = self.network.layouts.services
        residuals = {
            target: {name: each.dump() for name, each in zip(services, learned, strict=True)}
            for target, learned in self._residuals.items()
        }
        return {**super().dump(), "residuals": residuals, "growth": self._growth.dump()}

    def restore(self, state: State) -> None:
        """Take over what `dump` gave."""
        super().restore(state)
        services = self.network.layouts.services
        self._residuals = {
            target: tuple(Residual.restore(state["residuals"][target][name]) for name in services)
            for target in LEARNED
        }
        self._growth = Growth.restore(state["growth"])

    def _learn(self, found: Estimates) -> None:
        """The network; then residuals where nothing is saturated, and the growth from the other levels."""
        super()._learn(found)
        levels, entry = found.levels, self.network.parameters.entry
        situations = found.measured_situations()
        physics = solve(self.network.parameters, situations)
        saturated = saturated_callers(physics, self.network.parameters, situations)
        calm = physics.throughput[:, entry] <= BEGINS * physics.bound
        calm = calm if calm.sum() >= LEAST_LEVELS else np.ones_like(calm)
        share = _share_without_waiting(physics, self.network.parameters)
        quiet = share >= MOSTLY_QUIET
        times = _log(np.where(quiet, levels.typical_response_time, np.nan)) - _log(physics.response_time)
        left_over = {
            RESPONSE_TIME: np.where(calm[:, None], times, np.nan),
            CPU_USAGE: _log(levels.typical_cpu) - _log(physics.cpu),
        }
        points = _points(physics, entry, situations)
        self._residuals = {
            target: tuple(fit_residual(points[:, row], column) for row, column in enumerate(values.T))
            for target, values in left_over.items()
        }
        residual = self._residual(Residual.at, physics, situations)[RESPONSE_TIME]
        # as `_corrections` applies them
        weights = np.where(calm[:, None], 0.0, saturated * share)
        self._growth = learn_growth(weights, times - residual * share)

    def _variances(self, situations: Situations) -> dict[str, Floats]:
        """The network's, and the residual's own."""
        physics = self._physics(situations)
        deviations = self._residual(Residual.deviation, physics, situations)
        saturated = saturated_callers(physics, self.network.parameters, situations)
        deviations[RESPONSE_TIME] = np.hypot(deviations[RESPONSE_TIME], self._growth.deviation(saturated))
        deviations[RESPONSE_TIME] *= _share_without_waiting(physics, self.network.parameters)
        variances = super()._variances(situations)
        return {**variances, **{target: variances[target] + deviations[target] ** 2 for target in LEARNED}}

    def _solve(self, situations: Situations) -> Solution:
        parameters, physics = self.network.parameters, self._physics(situations)
        factors = self._corrections(physics, situations)
        return correct(physics, parameters, situations, factors[RESPONSE_TIME], factors[CPU_USAGE])

    def _corrections(self, physics: Solution, situations: Situations) -> dict[str, Floats]:
        """The factors learned, (situations, services) by target."""
        logs = self._residual(Residual.at, physics, situations)
        parameters = self.network.parameters
        of_times = logs[RESPONSE_TIME] + self._growth.at(saturated_callers(physics, parameters, situations))
        logs[RESPONSE_TIME] = of_times * _share_without_waiting(physics, parameters)
        return {target: np.exp(values) for target, values in logs.items()}

    def _residual(
        self, read: Callable[[Residual, Floats], Floats], physics: Solution, situations: Situations
    ) -> dict[str, Floats]:
        """What `read` takes from each residual at the situations, (situations, services) by target."""
        points = _points(physics, self.network.parameters.entry, situations)
        return {
            target: np.column_stack([read(each, points[:, row]) for row, each in enumerate(learned)])
            for target, learned in self._residuals.items()
        }


make_hybrid = Hybrid


def _share_without_waiting(physics: Solution, parameters: Parameters) -> Floats:
    """The part of each response time that is no waiting, (situations, services).

    Only that part is corrected. What a saturated system waits is ruled by its capacity, and what was learned
    of it at one load says nothing about another.
    """
    working = parameters.nest(physics.own)
    waiting = parameters.nest_waits(physics.wait)
    return np.asarray(working / np.maximum(working + waiting, SMALLEST), dtype=np.float64)


def _points(physics: Solution, entry: int, situations: Situations) -> Floats:
    """Where a residual is read: logarithms of the entry's throughput, of replicas and limit of the service.

    The network's throughput and not the user count: beyond saturation it hardly grows, and so neither does
    the distance, and the residual of a saturated system stays as it was measured.

    Returns:
        (situations, services, 3)
    """
    unsaturated = np.minimum(physics.throughput[:, entry], NEARLY_SATURATED * physics.bound)
    load = np.broadcast_to(_log(unsaturated)[:, None], situations.replicas.shape)
    limit = np.where(np.isfinite(situations.cpu_limit), situations.cpu_limit, 1.0)
    return np.stack([load, _log(situations.replicas), _log(limit)], axis=-1)


def _log(values: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(values, SMALLEST)), dtype=np.float64)
