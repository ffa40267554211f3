"""How many replicas keep an objective: one is added where the bottleneck is, until it holds or nothing helps.

docs/adr/0058-replicas-one-by-one.md says why the search is this one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kpp.errors import ConfigError
from kpp.schema import CPU_USAGE
from kpp.whatif.calibrated import CalibratedModel
from kpp.whatif.planning.objectives import ALL, Objective, Outcome
from kpp.whatif.planning.steps import Layout, Planner, Question, Step

LEAST_GAIN = 0.01  # of the excess: a replica that brings less does not help
HOLDS = 1.0 + 1e-9


@dataclass(frozen=True)
class Plan:
    """How it went.

    Attributes:
        steps: from the start to the answer, or to where nothing more helped.
        reached: whether all objectives hold at the last step.
        why: if not, the reason.
        measured: the replicas at the nearest measured load.
        unscalable: services whose capacity is not known, so that more replicas of them say nothing.
        foreseen: where certainty was asked for and not reached: the replicas with which the prediction alone
            keeps the objectives; None if none do.
        certain_users: up to so many users these keep them with certainty.
    """

    question: Question
    steps: tuple[Step, ...]
    reached: bool
    why: str
    measured: Layout
    unscalable: tuple[str, ...]
    foreseen: Layout | None = None
    certain_users: int = 0

    @property
    def last(self) -> Step:
        """The answer."""
        return self.steps[-1]

    def worst(self, step: Step) -> int:
        """The position of the objective that is farthest from being kept at a step."""
        return int(np.argmax(_excesses(self.question, step)))


def find_replicas(model: CalibratedModel, question: Question, start: Layout) -> Plan:
    """Add replicas, one by one, until all objectives hold; then take away those that were not needed.

    Args:
        model: one that knows of saturation.
        question: what is to be kept.
        start: replicas to begin with, where they are not to be as measured.

    Raises:
        ConfigError: the model knows nothing of saturation, or an objective cannot be judged.
    """
    planner = Planner.of(model, question)
    search = _Search(planner)
    steps = planner.assess([planner.begin(start)], [None])
    why = ""
    while not search.holds(steps[-1]):
        step, why = search.next(steps[-1])
        if step is None:
            break
        steps.append(step)
    reached = search.holds(steps[-1])
    if reached:
        steps += search.trim(steps)
    measured = planner.begin({})
    plan = Plan(question, tuple(steps), reached, "" if reached else why, measured, planner.unscalable)
    return plan if reached or not question.certain else _add_foreseen(model, plan, start)


def _add_foreseen(model: CalibratedModel, plan: Plan, start: Layout) -> Plan:
    """What is to be measured, where certainty cannot be had without."""
    likely = find_replicas(model, replace(plan.question, certain=False), start)
    if not likely.reached:
        return plan
    layout = likely.last.replicas

    def is_certain(users: int) -> bool:
        planner = Planner.of(model, replace(plan.question, user_count=users))
        (step,) = planner.assess([layout], [None])
        return max(_excesses(planner.question, step)) <= HOLDS

    least, most = 0, int(plan.question.user_count)  # is certain, is not
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (middle, most) if is_certain(middle) else (least, middle)
    return replace(plan, foreseen=layout, certain_users=least)


def spread_over_services(objectives: Sequence[Objective], services: Sequence[str]) -> list[Objective]:
    """One objective for each service in the place of those for `ALL`.

    Raises:
        ConfigError: a service was not measured.
    """
    found: list[Objective] = []
    for each in objectives:
        if each.service != ALL and each.service not in services:
            mend = f"the services are {', '.join(services)}"
            raise ConfigError(
                f"the objective {each} names {each.service!r}, which was not measured", mend=mend
            )
        names = services if each.service == ALL else [each.service]
        found += [Objective(name, each.what, each.bound) for name in names]
    return found


@dataclass(frozen=True)
class _Search:
    """Where to go from a step."""

    planner: Planner

    def holds(self, step: Step) -> bool:
        """Whether all objectives do."""
        return max(_excesses(self.planner.question, step)) <= HOLDS

    def next(self, step: Step) -> tuple[Step | None, str]:
        """The next step for the objective that is farthest from being kept; or None, and the reason."""
        question = self.planner.question
        excesses = _excesses(question, step)
        worst = int(np.argmax(excesses))
        objective, before = question.objectives[worst], excesses[worst]
        is_cpu = objective.measure.target == CPU_USAGE
        first = objective.service if is_cpu else step.bottleneck if step.is_saturated else None
        if first is not None:
            if step.replicas[first] >= question.most:
                return None, f"{first} has {step.replicas[first]} replicas, and no more are allowed"
            trial = self._more(step, [first])[0]
            if is_cpu and _excesses(question, trial)[worst] < (1 - LEAST_GAIN) * before:
                return trial, ""
            # a bottleneck that is widened may only show the next one; a caller's may be no relief at all
            if not is_cpu and _is_no_worse(objective, trial.outcomes[worst], step.outcomes[worst]):
                return trial, ""
        others = [
            name for name in self.planner.services if name not in self.planner.unscalable and not is_cpu
        ]
        trials = self._more(step, [name for name in others if step.replicas[name] < question.most])
        best = min(trials, key=lambda trial: _excesses(question, trial)[worst], default=None)
        if best is not None and _excesses(question, best)[worst] < (1 - LEAST_GAIN) * before:
            return best, ""
        which = objective.service if is_cpu else "any service"
        end = "the end of the interval" if question.certain else "the prediction"
        return None, f"one replica more of {which} brings {end} nearer by less than 1 %"

    def _more(self, step: Step, services: Sequence[str]) -> list[Step]:
        """What one replica more of each of these makes of a step."""
        layouts = [{**step.replicas, service: step.replicas[service] + 1} for service in services]
        return self.planner.assess(layouts, services) if services else []

    def trim(self, steps: Sequence[Step]) -> list[Step]:
        """Take away what was added and is not needed, the first added first."""
        start, taken = steps[0].replicas, []
        last = steps[-1]
        for service in dict.fromkeys(step.changed for step in steps[1:] if step.changed):
            while last.replicas[service] > start[service]:
                fewer = {**last.replicas, service: last.replicas[service] - 1}
                trial = self.planner.assess([fewer], [service])[0]
                if not self.holds(trial):
                    break
                last = trial
                taken.append(trial)
        return taken


def _excesses(question: Question, step: Step) -> list[float]:
    """How far each objective is from being kept."""
    pairs = zip(question.objectives, step.outcomes, strict=True)
    return [each.excess(outcome, certain=question.certain) for each, outcome in pairs]


def _is_no_worse(objective: Objective, after: Outcome, before: Outcome) -> bool:
    """Whether the prediction is none the worse; its interval widens with each replica, whatever it brings."""
    return objective.excess(after, certain=False) <= HOLDS * objective.excess(before, certain=False)
