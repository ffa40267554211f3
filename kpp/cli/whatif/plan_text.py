"""How a plan is shown: a line for each step, then what holds and how far that can be trusted."""

import math
import shlex
from collections.abc import Iterator, Sequence
from textwrap import wrap

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kpp.cli.whatif.predictions import LEAST_WIDTH, SIGNS, STYLES, cut_middle, shorten
from kpp.predictor.display import format_number
from kpp.whatif.planning.objectives import Objective, Outcome
from kpp.whatif.planning.planning import HOLDS, Plan
from kpp.whatif.planning.steps import Layout, Step
from kpp.whatif.registry import DEFAULT_MODEL

MOST_NAME = 26  # columns for a service and its replicas, of which the name is cut
MOST_REASONS = 5  # steps that are explained; of more, the first and the last


def show_plan(model: str, plan: Plan, kept: str, models: str) -> None:
    """Print the steps, the reasons, and the conclusion; within 80 columns.

    Args:
        model: that predicted.
        plan: what was found.
        kept: the objectives, as they were asked for.
        models: folder of the models for the command that is shown; empty for the usual one.
    """
    console = Console(highlight=False)
    whole = Console(highlight=False, width=max(console.width, LEAST_WIDTH))
    _print(console, f"{plan.question.user_count:g} users, by {model}: {kept}", "bold")
    _print(console, f"starting from {_tell_layout(plan.steps[0].replicas)}", "dim")
    whole.print(_table(plan))
    for text in _reasons(plan):
        _print(console, text, "dim")
    console.print()
    for text in _conclusion(model, plan, models):
        _print(console, text, "")
    console.print()


def name_objectives(objectives: Sequence[Objective]) -> str:
    """All of them, as on the command line."""
    return " and ".join(str(each) for each in objectives)


def _print(console: Console, text: str, style: str) -> None:
    for line in wrap(text, console.width, subsequent_indent="  ", break_on_hyphens=False):
        console.print(line, style=style)


def _table(plan: Plan) -> Table:
    """With one objective its value and throughput; with several the one that is farthest from being kept."""
    objectives = plan.question.objectives
    alone = objectives[0] if len(objectives) == 1 else None
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("", no_wrap=True, min_width=1)
    table.add_column("step", justify="right", no_wrap=True, min_width=4)
    table.add_column("replicas", no_wrap=True)
    if alone is not None:
        unit = alone.measure.shown[0]
        table.add_column(f"{cut_middle(alone.service, 18)}, {unit}", justify="right", no_wrap=True)
    else:
        table.add_column("farthest from its bound", no_wrap=True)
    if alone is None or alone.what != "throughput":
        table.add_column("its req/s", justify="right", no_wrap=True)
    for number, (step, before) in enumerate(zip(plan.steps, [None, *plan.steps], strict=False)):
        sign = Text(SIGNS[step.verdict], style=STYLES[step.verdict])
        table.add_row(sign, str(number), _change(step, before), *_cells(plan, step, alone))
    return table


def _cells(plan: Plan, step: Step, alone: Objective | None) -> Iterator[Text]:
    worst = plan.worst(step)
    objective, outcome, flow = plan.question.objectives[worst], step.outcomes[worst], step.throughputs[worst]
    unit, factor = objective.measure.shown
    if alone is None:
        value = f"{shorten(factor * outcome.value)} {unit.partition(' ')[0]}"
        yield Text.assemble((f"{cut_middle(objective.service, 20)} {objective.what} ", "dim"), value)
    else:
        yield _tell(outcome, factor)
    if alone is None or alone.what != "throughput":
        rate = _tell(flow, 1.0)
        yield Text(rate.plain.partition(" ")[0]) if alone is None else rate


def _change(step: Step, before: Step | None) -> str:
    if before is None or step.changed is None:
        return "to start with"
    counts = f" {before.replicas[step.changed]} -> {step.replicas[step.changed]}"
    return cut_middle(step.changed, MOST_NAME - len(counts)) + counts


def _tell(outcome: Outcome, factor: float) -> Text:
    if math.isnan(outcome.value):  # a throughput that was never measured
        return Text("-")
    lower, upper = (
        "?" if math.isnan(bound) else shorten(factor * bound) for bound in (outcome.lower, outcome.upper)
    )
    return Text.assemble(shorten(factor * outcome.value), (f" ({lower}-{upper})", "dim"))


def _reasons(plan: Plan) -> Iterator[str]:
    """Each verdict and reason once, with the steps that it holds for."""
    groups: dict[tuple[str, str, str], list[int]] = {}
    last = len(plan.steps) - 1
    for number, step in enumerate(plan.steps):
        if last < MOST_REASONS or number in (0, last):
            groups.setdefault((step.verdict, step.told, step.reason), []).append(number)
    for (verdict, told, reason), numbers in groups.items():
        steps = ", ".join(map(str, numbers))
        yield f"{SIGNS[verdict]} step{'s' * (len(numbers) > 1)} {steps}: {verdict}, {told}: {reason}"
    if last >= MOST_REASONS:
        yield "  --json tells the reason of each step"


def _conclusion(model: str, plan: Plan, models: str) -> Iterator[str]:
    start, last = plan.steps[0], plan.last
    several = len(plan.question.objectives) > 1
    if not plan.reached:
        yield f"Cannot be kept: {plan.why}. The last step has {_tell_layout(last.replicas)}."
        if plan.unscalable:
            yield f"Not scaled, since no capacity of theirs is known: {', '.join(plan.unscalable)}."
        if plan.foreseen is not None:
            kept = "them" if several else "it"
            yield f"The prediction alone keeps {kept} with {_tell_layout(plan.foreseen)}."
            yield _tell_what_to_measure(plan)
        return
    subject = "The objectives hold" if several else "The objective holds"
    yield f"{subject} with {_tell_layout(last.replicas)}."
    if any(last.replicas[name] > count for name, count in start.replicas.items()):
        yield f"With one replica fewer of any that were added {'they' if several else 'it'} would not."
    yield _tell_certainty(plan)
    yield f"{_command(model, plan, models)} has the rest."


def _tell_what_to_measure(plan: Plan) -> str:
    """The step of a campaign that would make a plan certain."""
    users = plan.question.user_count
    known = f"Up to {plan.certain_users} users that is certain. " if plan.certain_users else ""
    return f"{known}To be sure, measure a step of {users:g} users with these replicas and fit again."


def _command(model: str, plan: Plan, models: str) -> str:
    """That asks for the answer."""
    pause = plan.question.think_time_seconds
    words = [
        "kpp predict",
        f"--models {shlex.quote(models)}" if models else "",
        f"--model {model}" if model != DEFAULT_MODEL else "",
        f"--users {plan.question.user_count:g}",
        "" if math.isnan(pause) else f"--think-time {pause:g}",
        *(
            f"--replicas {shlex.quote(name)}={count}"
            for name, count in plan.last.replicas.items()
            if count != plan.measured[name]
        ),
    ]
    return " ".join(filter(None, words))


def _tell_certainty(plan: Plan) -> str:
    """Whether the far ends of the intervals keep the objectives too, and what to do if not."""
    share = f"{100 * plan.question.coverage:g} %"
    missed = [
        f"{_end(each, outcome)} at {each.service}"
        for each, outcome in zip(plan.question.objectives, plan.last.outcomes, strict=True)
        if each.excess(outcome, certain=True) > HOLDS
    ]
    if not missed:
        kept = "them" if len(plan.question.objectives) > 1 else "it"
        return f"The far end of the {share} interval keeps {kept}{' too' * (not plan.question.certain)}."
    more = f" and {len(missed) - 1} more" if len(missed) > 1 else ""
    return (
        f"The far end of the {share} interval does not: {missed[0]}{more}. To be sure, measure a load "
        f"near {plan.question.user_count:g} users and fit again, or plan with --certain."
    )


def _end(objective: Objective, outcome: Outcome) -> str:
    unit, factor = objective.measure.shown
    value = objective.judged(outcome, certain=True)
    return "no interval" if math.isnan(value) else f"{format_number(factor * value, 2)} {unit}"


def _tell_layout(replicas: Layout) -> str:
    """The replicas, those that most services have last.

    >>> _tell_layout({"a": 2, "b": 1, "c": 1}), _tell_layout({"a": 2, "b": 2}), _tell_layout({"a": 3})
    ('2 of a, 1 of each other service', '2 of each service', '3 of a')
    """
    by_count: dict[int, list[str]] = {}
    for name, count in replicas.items():
        by_count.setdefault(count, []).append(name)
    usual = max(by_count, key=lambda count: len(by_count[count]))
    told = [f"{count} of {name}" for name, count in replicas.items() if count != usual]
    rest = by_count[usual]
    if len(rest) == 1:
        return ", ".join([*told, f"{usual} of {rest[0]}"])
    return ", ".join([*told, f"{usual} of each {'other ' if told else ''}service"])
