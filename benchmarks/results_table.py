"""The first table of docs/results.md: what was aimed at, beside what was measured."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kpp.evaluation.leaderboard import Leaderboard, ModelResult
from kpp.schema import CPU_USAGE, RESPONSE_TIME, SERVICE, TARGETS, THROUGHPUT, USER_COUNT
from kpp.whatif.model import Campaign

OURS = "hybrid"
# references that have seen what no model may; see benchmarks/knowable.py
SMOOTH = "best smooth curve, the held-out rows learned too"
FLOOR = "noise floor"
SIMULATOR = "simulator itself, told all but the drift"
OVERLOADED = 10.0  # times the entry's response time under normal load
SHORT = {RESPONSE_TIME: "response time", THROUGHPUT: "throughput", CPU_USAGE: "CPU"}


@dataclass(frozen=True)
class Boards:
    """The leaderboards that the targets are read from.

    Attributes:
        middle, inner: five inner user counts held out: those in the middle, and drawn several times.
        other: another campaign.
        few, many: a few user counts learned, and nearly all.
        overload, step: a simulated overload, asked from normal load, and with one overloaded step learned.
        steady, steady_step: the same two of the application without drift.
        smooth: what the best smooth curve leaves, for `middle` and `drawn` (of `inner`).
        simulator: what the simulator itself leaves, for `overload` and `step`.
        entry: the service that users call.
        middle_counts: the user counts of `middle`.
    """

    middle: Leaderboard
    inner: Leaderboard
    other: Leaderboard
    few: Leaderboard
    many: Leaderboard
    overload: Leaderboard
    step: Leaderboard
    steady: Leaderboard
    steady_step: Leaderboard
    smooth: Mapping[str, ModelResult]
    simulator: Mapping[str, ModelResult]
    entry: str
    middle_counts: Sequence[float]


def render_targets(boards: Boards) -> Iterator[str]:
    """A row for each aim: the question, what was aimed at, what was measured for each target."""
    yield "## Aimed at, and measured\n"
    yield f"All figures but those *in italics* are the {OURS}'s. **Bold** falls short of the aim.\n"
    yield f"| question | aimed at | {' | '.join(SHORT.values())} |\n|---|---|---:|---:|---:|"
    for name, board, smooth in (
        ("in the middle", boards.middle, boards.smooth["middle"]),
        ("drawn five times", boards.inner, boards.smooth["drawn"]),
    ):
        question = f"five inner user counts held out, {name}"
        yield _row(question, "MAPE within 10 % of the noise floor", _above_floor(board))
        yield _row(question, f"*{SMOOTH}*", _above_floor(board, smooth))
        yield _row(question, "ahead of the best other model, or equal", _behind_rivals(board))
    question = "another campaign: other loads, replicas and day"
    aims = {RESPONSE_TIME: np.inf, THROUGHPUT: 4, CPU_USAGE: 25}
    yield _row(question, "MAPE: throughput under 4 %, CPU under 25 %", _errors(boards.other, aims))
    yield _row(question, "90 % interval holds 80 %", _coverages(boards.other, 80))
    yield _row(
        "five user counts learned instead of nearly all",
        "MAPE at most 10 % worse",
        {target: _cell(_ratio(boards.few, boards.many, target), 10, "{:+.1f} %") for target in TARGETS},
    )
    question = "a simulated overload, asked from normal load"
    yield from _overload(question, boards.overload, {SIMULATOR: boards.simulator["overload"]}, boards.entry)
    question = "the same, one overloaded step learned"
    yield from _others(question, boards.step, {SIMULATOR: boards.simulator["step"]}, boards.entry, 20)
    question = "the same application without drift"
    yield from _overload(question, boards.steady, {FLOOR: boards.steady.floor}, boards.entry)
    question = "without drift, one overloaded step learned"
    yield from _others(question, boards.steady_step, {FLOOR: boards.steady_step.floor}, boards.entry, 20)
    yield ""


def _overload(
    question: str, board: Leaderboard, references: Mapping[str, ModelResult], entry: str
) -> Iterator[str]:
    """The four aims for an overload, each with what the references leave, and the coverage."""
    mine = board.models[OURS]
    aims = {THROUGHPUT: 5, CPU_USAGE: 8}
    yield _row(question, "MAPE: throughput within 5 %, CPU within 8 %", _errors(board, aims))
    for name, known in references.items():
        yield _row(question, f"*{name}*", {target: _italic(known.mean[target].mape) for target in aims})
    own = 100 * _known(mine.services[entry][RESPONSE_TIME].mape)
    yield _row(question, "entry service's response time within 15 %", {RESPONSE_TIME: _cell(own, 15)})
    for name, known in references.items():
        yield _row(question, f"*{name}*", {RESPONSE_TIME: _italic(known.services[entry][RESPONSE_TIME].mape)})
    yield from _others(question, board, references, entry, 30)
    yield _row(question, "90 % interval holds 85 %", _coverages(board, 85))


def _others(
    question: str, board: Leaderboard, references: Mapping[str, ModelResult], entry: str, most: float
) -> Iterator[str]:
    own = 100 * others_of(board.models[OURS], entry)
    aim = f"other services' response time within {most:g} %"
    yield _row(question, aim, {RESPONSE_TIME: _cell(own, most)})
    for name, known in references.items():
        yield _row(question, f"*{name}*", {RESPONSE_TIME: _italic(others_of(known, entry))})


def _above_floor(board: Leaderboard, reference: ModelResult | None = None) -> Mapping[str, str]:
    """Of the hybrid, or of a reference, in italics."""
    floors = {target: board.floor.mean[target].mape or np.nan for target in TARGETS}
    result = reference or board.models[OURS]
    above = {target: 100 * (_known(result.mean[target].mape) / floors[target] - 1) for target in TARGETS}
    if reference is not None:
        return {target: f"*{value:+.1f} %*" for target, value in above.items()}
    return {target: _cell(value, 10, "{:+.1f} %") for target, value in above.items()}


def _behind_rivals(board: Leaderboard) -> Mapping[str, str]:
    """By how much the best other model errs less, in % of its MAPE, and how sure that is."""
    cells = {}
    for target, behind in board.models[OURS].behind.items():
        usual = _mape(board, target, behind.rival) / 100
        text = f"{behind.mean / usual:+.1f} ± {_known(behind.margin) / usual:.1f} %"
        cells[target] = f"{text if behind.mean < 0 or behind.is_equal else f'**{text}**'} ({behind.rival})"
    return cells


def _errors(board: Leaderboard, aims: Mapping[str, float]) -> Mapping[str, str]:
    return {target: _cell(100 * _mape(board, target), most) for target, most in aims.items()}


def _coverages(board: Leaderboard, least: float) -> Mapping[str, str]:
    found = {target: board.models[OURS].mean[target].coverage for target in TARGETS}
    held = {target: np.nan if value is None else 100 * value for target, value in found.items()}
    return {
        target: f"{value:.0f} %" if value >= least else f"**{value:.0f} %**" for target, value in held.items()
    }


def _row(question: str, aimed: str, cells: Mapping[str, str]) -> str:
    return f"| {question} | {aimed} | {' | '.join(cells.get(target, '') for target in TARGETS)} |"


def _cell(value: float, most: float, form: str = "{:.1f} %") -> str:
    text = form.format(value)
    return text if value <= most else f"**{text}**"


def _ratio(board: Leaderboard, other: Leaderboard, target: str) -> float:
    """How much worse the first is, in %."""
    return 100 * (_mape(board, target) / _mape(other, target) - 1)


def _mape(board: Leaderboard, target: str, name: str = OURS) -> float:
    return _known(board.models[name].mean[target].mape)


def _italic(ratio: float | None) -> str:
    return f"*{100 * _known(ratio):.1f} %*"


def _known(value: float | None) -> float:
    return np.nan if value is None else value


def others_of(result: ModelResult, entry: str) -> float:
    """The mean MAPE of response time over all services but the entry; NaN without others."""
    found = [scores[RESPONSE_TIME].mape for name, scores in result.services.items() if name != entry]
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if known else np.nan


def step_of_overload(normal: Campaign, overload: Campaign, entry: str) -> float:
    """The first load at which the entry responds `OVERLOADED` times as slowly as ever under normal load."""

    def slowness(campaign: Campaign) -> dict[float, float]:
        rows = campaign.measurements
        medians = rows[rows[SERVICE] == entry].groupby(USER_COUNT)[RESPONSE_TIME].median()
        return {float(users): float(value) for users, value in zip(medians.index, medians, strict=True)}

    usual = max(slowness(normal).values())
    return next(users for users, value in slowness(overload).items() if value > OVERLOADED * usual)
