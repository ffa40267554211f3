"""A queueing network that was fitted, as one value: to predict from, to store, to be unsure of."""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kpp.queueing.estimation.demand_fall import DemandFall
from kpp.queueing.estimation.estimates import Estimates
from kpp.queueing.estimation.robust import Estimate
from kpp.queueing.layered import CallGraph
from kpp.queueing.parameters import Parameters
from kpp.whatif.model import State
from kpp.whatif.network.basis import Basis, find_bases
from kpp.whatif.plain_data import from_plain, to_plain
from kpp.whatif.situations import Layouts

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ParameterErrors:
    """Relative standard errors of the parameters; (services,) where not said otherwise.

    Attributes:
        think_time: of the pause.
        fall: of the rate by which demand falls with load, absolute.
        visit_ratio, unloaded: of these.
        capacity: of the saturation throughput.
        crowding: of the share of the crowds' wait, absolute.
        cpu: (services, 2, 2) covariance of background and demand, absolute.
    """

    think_time: float
    fall: float
    visit_ratio: Floats
    unloaded: Floats
    capacity: Floats
    crowding: Floats
    cpu: Floats


@dataclass(frozen=True)
class FittedNetwork:
    """All that predictions are made from.

    Attributes:
        parameters: of the application.
        errors: of the parameters.
        layouts: of the measured loads.
        measured: (services, 3) whether response time, throughput and CPU were measured.
        limit_source: of each service, in words.
        basis: of each service's capacity.
        replicas_recorded: (services,) whether the tables tell them.
    """

    parameters: Parameters
    errors: ParameterErrors
    layouts: Layouts
    measured: NDArray[np.bool_]
    limit_source: tuple[str, ...]
    basis: tuple[Basis, ...]
    replicas_recorded: NDArray[np.bool_]

    @classmethod
    def from_estimates(cls, found: Estimates) -> "FittedNetwork":
        """Keep of the estimates what predictions need."""
        levels = found.levels
        columns = (levels.response_time, levels.throughput, levels.cpu)
        return cls(
            parameters=found.parameters,
            errors=ParameterErrors(
                think_time=_relative([found.think_time])[0],
                fall=float(np.nan_to_num(found.parameters.fall.rate.standard_error)),
                visit_ratio=_relative(found.visit_ratios),
                unloaded=_relative(found.unloaded),
                capacity=found.capacity.error,
                crowding=np.array([each.standard_error for each in found.crowding]),
                cpu=np.nan_to_num(found.cpu.covariance),
            ),
            layouts=Layouts.of(found),
            measured=np.column_stack([np.isfinite(column).any(axis=0) for column in columns]),
            limit_source=tuple(source.value for source in found.capacity.source),
            basis=find_bases(found),
            replicas_recorded=levels.replicas_recorded,
        )

    def vary(self, **changes: Any) -> "FittedNetwork":
        """The same with other parameters."""
        return replace(self, parameters=replace(self.parameters, **changes))

    def dump(self) -> State:
        """As plain data."""
        return {
            "parameters": _plain({**_fields(self.parameters), "fall": asdict(self.parameters.fall)}),
            "calls": self.parameters.graph.dump(),
            "errors": _plain(asdict(self.errors)),
            "layouts": self.layouts.dump(),
            "measured": self.measured.tolist(),
            "limit_source": list(self.limit_source),
            "basis": [basis.value for basis in self.basis],
            "replicas_recorded": self.replicas_recorded.tolist(),
        }

    @classmethod
    def restore(cls, state: State) -> "FittedNetwork":
        """From what `dump` gave."""
        parameters = dict(state["parameters"])
        fall = parameters.pop("fall")
        rate = Estimate(*(_number(fall["rate"][field.name]) for field in fields(Estimate)))
        entry, calls_known = int(parameters.pop("entry")), bool(parameters.pop("calls_known"))
        size = len(parameters["visit_ratio"])
        return cls(
            parameters=Parameters(
                **{name: _array(value) for name, value in parameters.items()},
                entry=entry,
                graph=CallGraph.of(**state["calls"], size=size),
                calls_known=calls_known,
                fall=DemandFall(rate, _number(fall["reference_rps"]), _number(fall["largest_load"])),
            ),
            errors=ParameterErrors(**{name: _array(value) for name, value in state["errors"].items()}),
            layouts=Layouts.restore(state["layouts"]),
            measured=np.array(state["measured"], dtype=np.bool_),
            limit_source=tuple(state["limit_source"]),
            basis=tuple(Basis(text) for text in state["basis"]),
            replicas_recorded=np.array(state["replicas_recorded"], dtype=np.bool_),
        )


def _relative(estimates: list[Estimate]) -> Floats:
    errors: Floats = np.array([each.relative_error for each in estimates])
    return np.nan_to_num(errors)


def _fields(parameters: Parameters) -> dict[str, Any]:
    """All but the calls."""
    return {
        field.name: getattr(parameters, field.name) for field in fields(parameters) if field.name != "graph"
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, np.ndarray):
        return to_plain(value)
    return None if isinstance(value, float) and np.isnan(value) else value


def _array(value: Any) -> Any:
    return from_plain(value) if isinstance(value, list) else _number(value)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
