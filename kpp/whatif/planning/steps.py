"""The layouts that a plan goes through: what is asked, and what is predicted of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from kpp.errors import ConfigError
from kpp.schema import CPU_REQUEST, CPU_USAGE, REPLICAS, SERVICE, THROUGHPUT, USER_COUNT
from kpp.whatif.calibrated import CalibratedModel
from kpp.whatif.model import (
    BOTTLENECK,
    REASON,
    SATURATION,
    SITUATION,
    THINK_TIME,
    VERDICT,
    VERDICTS,
    KnowsSaturation,
)
from kpp.whatif.network.bottlenecks import SATURATED
from kpp.whatif.planning.objectives import Objective, Outcome

Layout = Mapping[str, int]  # service -> replicas
FLOW = Objective("", "throughput", 1.0)  # reads a row's throughput


@dataclass(frozen=True)
class Question:
    """What is to be kept, and what may be done for it.

    Attributes:
        objectives: at least one, each of one service.
        user_count: the load.
        most: replicas of a service.
        certain: whether the interval's end has to keep the objectives, and not only the prediction.
        coverage: of the interval.
        think_time_seconds: the users' pause; NaN for the campaign's own.
    """

    objectives: Sequence[Objective]
    user_count: float
    most: int = 20
    certain: bool = False
    coverage: float = 0.9
    think_time_seconds: float = float("nan")


@dataclass(frozen=True)
class Step:
    """One layout, and what is predicted of it.

    Attributes:
        changed: the service that has another number of replicas than in the step before; None at the start.
        replicas: of every service.
        outcomes: of each objective.
        throughputs: requests per second of each objective's service, with the interval.
        told: the service whose prediction can be trusted least.
        verdict, reason: of that.
        bottleneck: the service that saturates first; empty if not known.
        is_saturated: whether it does.
    """

    changed: str | None
    replicas: Layout
    outcomes: tuple[Outcome, ...]
    throughputs: tuple[Outcome, ...]
    told: str
    verdict: str
    reason: str
    bottleneck: str
    is_saturated: bool


@dataclass(frozen=True)
class Planner:
    """A model, and the question that it is asked.

    Attributes:
        model: one that knows of saturation.
        question: what is to be kept.
        services: all that were measured.
        unscalable: those whose capacity is not known.
    """

    model: CalibratedModel
    question: Question
    services: tuple[str, ...]
    unscalable: tuple[str, ...]

    @classmethod
    def of(cls, model: CalibratedModel, question: Question) -> "Planner":
        """Ask the model which capacities it knows.

        Raises:
            ConfigError: it knows nothing of saturation.
        """
        if not isinstance(model.model, KnowsSaturation):
            mend = "leave --model out, or name one that does: queueing or hybrid"
            raise ConfigError(f"the model {model.model.name} knows nothing of saturation", mend=mend)
        services = tuple(model.services)
        load = pd.DataFrame({SERVICE: services, USER_COUNT: question.user_count})
        limits = model.model.saturation(model.complete(load))[SATURATION].tolist()
        unknown = tuple(name for name, limit in zip(services, limits, strict=True) if not np.isfinite(limit))
        return cls(model, question, services, unknown)

    def begin(self, start: Layout) -> Layout:
        """The replicas at the nearest measured load, but for those that are given."""
        load = pd.DataFrame({SERVICE: self.services, USER_COUNT: self.question.user_count})
        used = self.model.replicas_used(load).tolist()
        measured = {
            name: 1 if np.isnan(count) else max(round(count), 1)
            for name, count in zip(self.services, used, strict=True)
        }
        return {**measured, **start}

    def assess(self, layouts: Sequence[Layout], changed: Sequence[str | None]) -> list[Step]:
        """Predict all layouts at once.

        Args:
            layouts: replicas of all services.
            changed: what differs in each from the step before.

        Raises:
            ConfigError: an objective cannot be judged.
        """
        asked = [
            (number, name, self.question.user_count, float(layout[name]), self.question.think_time_seconds)
            for number, layout in enumerate(layouts)
            for name in self.services
        ]
        frame = pd.DataFrame(asked, columns=[SITUATION, SERVICE, USER_COUNT, REPLICAS, THINK_TIME])
        full = self.model.complete(frame)
        answers = self.model.predict(frame, self.question.coverage)
        answers[CPU_REQUEST] = full[CPU_REQUEST]
        if isinstance(self.model.model, KnowsSaturation):  # as `of` made sure
            answers = answers.join(self.model.model.saturation(full)[[SATURATION, BOTTLENECK]])
        size, records = len(self.services), answers.to_dict("records")
        return [
            self._step(records[size * number : size * (number + 1)], layout, service)
            for number, (layout, service) in enumerate(zip(layouts, changed, strict=True))
        ]

    def _step(self, records: list[dict[Any, Any]], layout: Layout, changed: str | None) -> Step:
        rows = dict(zip(self.services, records, strict=True))
        objectives = self.question.objectives
        outcomes = tuple(each.of(rows[each.service]) for each in objectives)
        for each, outcome in zip(objectives, outcomes, strict=True):
            _check_known(each, outcome)
        told = _least_trusted(rows, {each.service for each in objectives}, changed)
        bottleneck = rows.get(records[0][BOTTLENECK] or "")
        return Step(
            changed,
            dict(layout),
            outcomes,
            tuple(FLOW.of(rows[each.service]) for each in objectives),
            told,
            rows[told][VERDICT],
            rows[told][REASON],
            bottleneck[SERVICE] if bottleneck else "",
            bool(bottleneck and bottleneck[THROUGHPUT] >= SATURATED * bottleneck[SATURATION]),
        )


def _check_known(objective: Objective, outcome: Outcome) -> None:
    if np.isnan(outcome.value):
        target = objective.measure.target
        lacking = f"{target} or CPU request" if target == CPU_USAGE else target
        what = f"{objective} cannot be judged: no {lacking} of {objective.service} is known"
        raise ConfigError(what, mend="leave it out, or fit on tables that have it")


def _least_trusted(rows: Mapping[str, Mapping[Any, Any]], bounded: set[str], changed: str | None) -> str:
    """The service with the worst verdict; of several, one that an objective bounds, or that was changed."""

    def doubt(name: str) -> tuple[int, bool, bool]:
        return VERDICTS.index(rows[name][VERDICT]), name in bounded, name == changed

    return max(rows, key=doubt)
