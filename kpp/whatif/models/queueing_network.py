"""The queueing network as a what-if model: laws and estimates, nothing learned."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kpp.queueing.estimation.drive import tell_drive
from kpp.queueing.estimation.estimates import Estimates
from kpp.queueing.estimation.estimation import estimate
from kpp.queueing.parameters import Situations, Solution
from kpp.queueing.system import solve
from kpp.schema import TARGETS
from kpp.whatif.intervals.agreement import Laws
from kpp.whatif.model import Campaign, State
from kpp.whatif.network.answers import as_explanation, as_saturation, as_targets
from kpp.whatif.network.laws import laws_of
from kpp.whatif.network.notes import describe
from kpp.whatif.network.spread import relative_variances
from kpp.whatif.network.state import FittedNetwork
from kpp.whatif.situations import arrange_situations

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Solved:
    """A network, what it was asked, and its solution."""

    network: FittedNetwork
    situations: Situations
    solution: Solution

    def answers(self, network: FittedNetwork, situations: Situations) -> bool:
        """Whether it is the solution of these."""
        return self.network is network and self.situations.is_same(situations)


class QueueingNetwork:
    """A closed queueing network, layered where calls are known; see docs/what-if.md."""

    def __init__(self) -> None:
        self._network: FittedNetwork | None = None
        self._notes: tuple[str, ...] = ()
        self._last: _Solved | None = None

    @property
    def name(self) -> str:
        """As in the registry."""
        return "queueing"

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed, or could not be estimated."""
        return self._notes

    @property
    def network(self) -> FittedNetwork:
        """What was fitted.

        Raises:
            ValueError: nothing was, yet.
        """
        if self._network is None:
            raise ValueError(f"the model {self.name} was neither fitted nor restored")
        return self._network

    def fit(self, campaign: Campaign) -> None:
        """Estimate all parameters; see `kpp.whatif.model.WhatIfModel`.

        Raises:
            InputError: the entry service has no throughput, or the calls go round in a circle.
        """
        self._learn(estimate(campaign.measurements, campaign.calls, campaign.cpu_limits))

    def predict(self, scenario: pd.DataFrame) -> pd.DataFrame:
        """Solve the network for each situation of the scenario."""
        asked = arrange_situations(scenario, self.network.layouts)
        return as_targets(self._solve(asked.situations), asked, self.network, scenario.index)

    def saturation(self, scenario: pd.DataFrame) -> pd.DataFrame:
        """The saturation throughput of each row's service, and its situation's bottleneck."""
        asked = arrange_situations(scenario, self.network.layouts)
        return as_saturation(self._solve(asked.situations), asked, self.network, scenario)

    def spread(self, scenario: pd.DataFrame) -> pd.DataFrame:
        """What the parameters' standard errors make of each target, as a ratio of it."""
        asked = arrange_situations(scenario, self.network.layouts)
        variances = self._variances(asked.situations)
        columns = {target: asked.pick(np.sqrt(variances[target])) for target in TARGETS}
        return pd.DataFrame(columns, index=scenario.index)

    def laws(self, scenario: pd.DataFrame) -> Laws:
        """The think time at the entry service, and recorded CPU limits."""
        asked = arrange_situations(scenario, self.network.layouts)
        return laws_of(asked, self.network, self._physics(asked.situations))

    def explain(self, scenario: pd.DataFrame) -> pd.DataFrame:
        """What makes up each prediction."""
        asked = arrange_situations(scenario, self.network.layouts)
        return as_explanation(self._solve(asked.situations), asked, self.network, scenario)

    def dump(self) -> State:
        """All parameters, their errors, and the measured layouts."""
        return {"notes": list(self._notes), "network": self.network.dump()}

    def restore(self, state: State) -> None:
        """Take over what `dump` gave."""
        self._network = FittedNetwork.restore(state["network"])
        self._notes = tuple(state["notes"])

    def _learn(self, found: Estimates) -> None:
        """Take over what was estimated."""
        self._network = FittedNetwork.from_estimates(found)
        self._notes = (*describe(found), *tell_drive(found.levels, found.drive))

    def _variances(self, situations: Situations) -> dict[str, Floats]:
        """Of each target's logarithm, (situations, services) by target."""
        return relative_variances(self.network, situations, self._physics(situations))

    def _solve(self, situations: Situations) -> Solution:
        """What is predicted of the situations."""
        return self._physics(situations)

    def _physics(self, situations: Situations) -> Solution:
        """The network's solution. The last one is kept: one prediction asks for it several times."""
        network = self.network
        if self._last is None or not self._last.answers(network, situations):
            self._last = _Solved(network, situations, solve(network.parameters, situations))
        return self._last.solution


make_queueing = QueueingNetwork
