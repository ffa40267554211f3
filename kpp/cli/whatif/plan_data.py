"""A plan as plain data, for `kpp plan --json`."""

import math
from collections.abc import Sequence
from typing import Any

from kpp.whatif.planning.objectives import Objective, Outcome
from kpp.whatif.planning.planning import HOLDS, Plan
from kpp.whatif.planning.steps import Step


def as_data(model: str, plans: Sequence[Plan], notes: Sequence[str]) -> dict[str, Any]:
    """Plans as plain data: seconds, requests per second, shares of the CPU request; None for not known."""
    question = plans[0].question
    return {
        "model": model,
        "coverage": question.coverage,
        "certain": question.certain,
        "most": question.most,
        "objectives": [
            {"objective": str(each), "service": each.service, "measure": each.what, "bound": each.bound}
            for each in question.objectives
        ],
        "plans": [_plan_as_data(plan) for plan in plans],
        "notes": list(notes),
    }


def _plan_as_data(plan: Plan) -> dict[str, Any]:
    certain = [each.excess(outcome, certain=True) <= HOLDS for each, outcome in _pairs(plan, plan.last)]
    return {
        "user_count": plan.question.user_count,
        "reached": plan.reached,
        "why": plan.why or None,
        "replicas": dict(plan.last.replicas),
        "interval_keeps_it": plan.reached and all(certain),
        "not_scaled": list(plan.unscalable),
        "to_measure": _step_to_measure(plan),
        "steps": [
            {
                "changed": step.changed,
                "replicas": dict(step.replicas),
                "outcomes": [
                    {
                        "objective": str(each),
                        **_numbers(outcome),
                        "holds": each.excess(outcome, certain=plan.question.certain) <= HOLDS,
                        "throughput_rps": _numbers(flow),
                    }
                    for (each, outcome), flow in zip(_pairs(plan, step), step.throughputs, strict=True)
                ],
                "verdict": step.verdict,
                "reason": f"{step.told}: {step.reason}",
                "bottleneck": step.bottleneck or None,
                "bottleneck_saturates": step.is_saturated,
            }
            for step in plan.steps
        ],
    }


def _step_to_measure(plan: Plan) -> dict[str, Any] | None:
    """What would make the plan certain, where it is not."""
    if plan.foreseen is None:
        return None
    users = {"user_count": plan.question.user_count, "certain_up_to_users": plan.certain_users}
    return {**users, "replicas": dict(plan.foreseen)}


def _pairs(plan: Plan, step: Step) -> list[tuple[Objective, Outcome]]:
    return list(zip(plan.question.objectives, step.outcomes, strict=True))


def _numbers(outcome: Outcome) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in vars(outcome).items()}
