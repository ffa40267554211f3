"""The leaderboard as text: within 80 columns, with more figures where the terminal has 100."""

from collections.abc import Iterator, Mapping, Sequence

from kpp.cli.whatif.predictions import cut_middle
from kpp.evaluation.classes import CLASSES, Classification
from kpp.evaluation.differences import Difference
from kpp.evaluation.leaderboard import Leaderboard, ModelResult, usual_mape
from kpp.evaluation.scores import TargetScores
from kpp.evaluation.trial import Trial
from kpp.predictor.display import UNITS, format_number, scaled
from kpp.schema import SERVICE
from kpp.whatif.registry import DEFAULT_MODEL

FLOOR = "noise floor"
EQUAL = "="
FIRST = 15  # columns for the name of a model
SERVICES = 22  # and of a service, which is cut if need be
WIDE = 100  # columns that the wide tables need
MOST_SERVICES = 30  # on screen; all are in the JSON


def render_leaderboard(
    title: str, trial: Trial, board: Leaderboard, coverage: float, width: int
) -> Iterator[str]:
    """All models, the best first; below, the services and classes of the one that matters most.

    Args:
        title: says what was held out.
        trial: the first of those that were scored.
        board: their scores.
        coverage: of the intervals.
        width: columns of the terminal.
    """
    wide = width >= WIDE
    yield title
    yield from _legend(trial, coverage, wide)
    yield ""
    yield from _models(board, wide)
    yield from _equals(board)
    yield from _shortcomings(board)
    yield from _spreads(board)
    chosen = DEFAULT_MODEL if DEFAULT_MODEL in board.models else next(iter(board.models))
    yield from _by_service(chosen, board.models[chosen].services, wide)
    yield from _classes(chosen, board.models[chosen].classes)


def _legend(trial: Trial, coverage: float, wide: bool) -> Iterator[str]:
    services = trial.observed[SERVICE].nunique()
    whose = f"{services} services" if services > 1 else "one service"
    inside = f"in: % of rows within the {100 * coverage:g} % interval"
    if wide:
        yield f"{len(trial.observed)} rows of {whose}. MAPE and WAPE in %, means over services; {inside};"
        yield "width: of the interval, in % of the mean; F1: of the class of CPU use, weighted."
    else:
        yield f"{len(trial.observed)} rows of {whose}. MAPE and WAPE in %, means over services;"
        yield f"{inside}; F1: of the class of CPU use, weighted."


def _models(board: Leaderboard, wide: bool) -> Iterator[str]:
    size = 26 if wide else 19
    last = f"{'width':>7}" if wide else ""
    yield " " * FIRST + "".join(f"{unit.title:>{size}}" for unit in UNITS.values())
    yield f"{'model':<{FIRST}}" + f"{'MAPE':>7}{'WAPE':>7}{'in':>5}{last}" * len(UNITS) + f"{'F1':>6}"
    for name, result in {**board.models, FLOOR: board.floor}.items():
        cells = "".join(
            _cells(scores, result.behind.get(target), wide) for target, scores in result.mean.items()
        )
        f1 = "" if result.classes is None else f"{result.classes.weighted.f1:>6.2f}"
        yield f"{name:<{FIRST}}{cells}{f1}".rstrip()


def _cells(scores: TargetScores, behind: Difference | None, wide: bool) -> str:
    mark = EQUAL if behind is not None and behind.is_equal else " "
    last = f"{_percent(scores.width, digits=0):>7}" if wide else ""
    covered = _percent(scores.coverage, digits=0)
    return f"{_percent(scores.mape):>7}{mark}{_percent(scores.wape):>6}{covered:>5}{last}"


def _equals(board: Leaderboard) -> Iterator[str]:
    """What the mark means, where it is set."""
    behind = [each for result in board.models.values() for each in result.behind.values() if each.is_equal]
    if behind:
        loads = max(each.loads for each in behind)
        yield f"{EQUAL} as good as the best other model: {loads} loads do not tell them apart (95 %)"


def _shortcomings(board: Leaderboard) -> Iterator[str]:
    """Models that could not be fitted, or have less to say than was asked."""
    for name, reason in board.skipped.items():
        where = "on some folds" if name in board.models else "skipped"
        yield f"{name:<{FIRST}} {where}: {reason}"
    asked = _rows(board.floor)
    for name, result in board.models.items():
        if _rows(result) < asked:
            yield f"{name:<{FIRST}} predicts {_rows(result) / asked:.0%} of what was measured"


def _rows(result: ModelResult) -> float:
    return sum(scores.rows for targets in result.services.values() for scores in targets.values())


def _spreads(board: Leaderboard) -> Iterator[str]:
    spreads = {name: result.spread for name, result in board.models.items() if result.spread is not None}
    if not spreads:
        return
    yield ""
    yield "Standard deviation of the mean MAPE over seeds, in percentage points:"
    for name, spread in spreads.items():
        yield f"{name:<{FIRST}}" + "".join(
            f"{_percent(spread[target].mape, digits=2):>19}" for target in UNITS
        )


def _by_service(name: str, services: Mapping[str, Mapping[str, TargetScores]], wide: bool) -> Iterator[str]:
    first, size = (SERVICES + 6, 24) if wide else (SERVICES, 19)
    shown = list(services)
    title = f"{name} by service"
    if len(shown) > MOST_SERVICES:
        shown = sorted(shown, key=lambda service: usual_mape(services[service]))[: -MOST_SERVICES - 1 : -1]
        title += f": the {MOST_SERVICES} worst of {len(services)}; --json FILE has all"
    yield ""
    yield title
    yield " " * first + "".join(f"{unit.title:>{size}}" for unit in UNITS.values())
    last = f"{'in':>5}" if wide else ""
    heads = [f"{'MAPE':>7}{'MAE ' + _short(unit.name):>12}{last}" for unit in UNITS.values()]
    yield f"{'':<{first}}" + "".join(heads)
    for service in shown:
        cells = [
            _service_cell(services[service][target], unit.per_own_unit, wide)
            for target, unit in UNITS.items()
        ]
        yield f"{cut_middle(service, first - 1):<{first}}" + "".join(cells)


def _service_cell(scores: TargetScores, factor: float, wide: bool) -> str:
    last = f"{_percent(scores.coverage, digits=0):>5}" if wide else ""
    return f"{_percent(scores.mape):>7}{format_number(scaled(scores.mae, factor)):>12}{last}"


def _short(unit: str) -> str:
    return {"millicores": "mcores"}.get(unit, unit)


def _classes(name: str, classes: Classification | None) -> Iterator[str]:
    if classes is None:
        return
    yield ""
    yield f"CPU use of the request, {name}: rows were observed, columns predicted"
    yield (
        f"{'':<13}"
        + "".join(f"{label:>11}" for label in CLASSES)
        + f"{'precision':>12}{'recall':>8}{'F1':>6}"
    )
    for label, counts in zip(CLASSES, classes.confusion, strict=True):
        yield _class_line(label, counts, classes)
    weighted = classes.weighted
    yield f"{'weighted':<13}{'':>33}{weighted.precision:>12.2f}{weighted.recall:>8.2f}{weighted.f1:>6.2f}"


def _class_line(label: str, counts: Sequence[int], classes: Classification) -> str:
    scores = classes.by_class[label]
    start = f"{label:<13}" + "".join(f"{count:>11}" for count in counts)
    if not scores.rows:
        return start
    return start + f"{scores.precision:>12.2f}{scores.recall:>8.2f}{scores.f1:>6.2f}"


def _percent(ratio: float | None, digits: int = 1) -> str:
    """A ratio in percent, a dash for None.

    >>> _percent(0.0634), _percent(1.716), _percent(12.3), _percent(1e9), _percent(None)
    ('6.3', '172', '1230', '>9999', '-')
    """
    if ratio is None:
        return "-"
    if ratio >= 99.995:
        return ">9999"
    return f"{100 * ratio:.{digits if ratio < 1 else 0}f}"
