"""Objectives: bounds that an operator wants kept, as text and as values to judge predictions by."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kpp.errors import ConfigError
from kpp.schema import CPU_REQUEST, CPU_USAGE, REPLICAS, RESPONSE_TIME, THROUGHPUT
from kpp.whatif.calibrated import lower_of, upper_of

ALL = "all"  # stands for every service
TEXT = re.compile(
    r"(?P<service>[^:<>=\s]+)\s*:\s*(?P<what>[a-z-]+)\s*(?P<sign><=|>=|<|>|=)\s*"
    r"(?P<number>\d+(\.\d*)?|\.\d+)\s*(?P<unit>[a-z%/]*)"
)
EXAMPLES = "frontend:response-time<=250ms, all:cpu<=60% or frontend:throughput>=100, in quotes"


@dataclass(frozen=True)
class Measure:
    """What can be bounded.

    Attributes:
        target: the predicted column.
        at_most: whether the bound is an upper one.
        units: how a bound may be written -> what it is in the measure's own unit.
        shown: the unit on screen, and how many of it are one of the own.
    """

    target: str
    at_most: bool
    units: dict[str, float]
    shown: tuple[str, float]


MEASURES = {
    "response-time": Measure(RESPONSE_TIME, True, {"ms": 1e-3, "s": 1.0}, ("ms", 1e3)),
    "cpu": Measure(CPU_USAGE, True, {"%": 0.01}, ("% of request", 100.0)),
    "throughput": Measure(THROUGHPUT, False, {"req/s": 1.0, "": 1.0}, ("req/s", 1.0)),
}


@dataclass(frozen=True)
class Outcome:
    """What is predicted of an objective: in its own unit, with the interval; NaN is not known."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Objective:
    """A bound of one service.

    Attributes:
        service: its name, or `ALL`.
        what: of `MEASURES`.
        bound: seconds, requests per second, or CPU as a share of the request.
    """

    service: str
    what: str
    bound: float

    @property
    def measure(self) -> Measure:
        """What is bounded."""
        return MEASURES[self.what]

    def __str__(self) -> str:
        """As on the command line."""
        unit, factor = self.measure.shown
        sign = "<=" if self.measure.at_most else ">="
        return f"{self.service}:{self.what}{sign}{factor * self.bound:g}{unit.partition(' ')[0]}"

    def of(self, row: Mapping[Any, Any]) -> Outcome:
        """What a prediction says of it.

        Args:
            row: of `CalibratedModel.predict`, of this service, with its replicas and CPU request.
        """
        target = self.measure.target
        per = row[REPLICAS] * row[CPU_REQUEST] if target == CPU_USAGE else 1.0
        return Outcome(row[target] / per, row[lower_of(target)] / per, row[upper_of(target)] / per)

    def judged(self, outcome: Outcome, *, certain: bool) -> float:
        """The value that has to keep the bound: the point, or the interval's far end."""
        if not certain:
            return outcome.value
        return outcome.upper if self.measure.at_most else outcome.lower

    def excess(self, outcome: Outcome, *, certain: bool) -> float:
        """How far the bound is from being kept, as a ratio: at most 1 if it is; infinite if not known."""
        value = self.judged(outcome, certain=certain)
        if not value >= 0:
            return float("inf")
        if self.measure.at_most:
            return value / self.bound
        return self.bound / value if value > 0 else float("inf")


def parse_objective(text: str) -> Objective:
    """Read an objective.

    >>> parse_objective("frontend:response-time<=250ms")
    Objective(service='frontend', what='response-time', bound=0.25)
    >>> str(parse_objective("all:cpu=60%")), str(parse_objective("frontend:throughput>=100"))
    ('all:cpu<=60%', 'frontend:throughput>=100req/s')

    Raises:
        ConfigError: it is written otherwise.
    """
    found = TEXT.fullmatch(text.strip())
    if found is None or found["what"] not in MEASURES:
        raise ConfigError(f"the objective is {text!r}", mend=f"write one like {EXAMPLES}")
    measure = MEASURES[found["what"]]
    if found["unit"] not in measure.units:
        units = " or ".join(unit for unit in measure.units if unit)
        raise ConfigError(
            f"the objective {text!r} has no such unit", mend=f"write {found['what']} in {units}"
        )
    if found["sign"][0] == (">" if measure.at_most else "<"):
        sign = "<=" if measure.at_most else ">="
        what = f"the objective {text!r} bounds {found['what']} from the wrong side"
        raise ConfigError(what, mend=f"write {sign}")
    bound = float(found["number"]) * measure.units[found["unit"]]
    if bound <= 0:
        raise ConfigError(f"the objective is {text!r}", mend="write a bound above 0")
    if found["service"] == ALL and measure.target != CPU_USAGE:
        raise ConfigError(f"the objective {text!r} is for all services", mend="name one, or bound their CPU")
    return Objective(found["service"], found["what"], bound)
