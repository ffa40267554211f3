"""The leaderboard as text, within 80 columns."""

from collections.abc import Iterator, Sequence

from kpp.evaluation.classes import CLASSES, Classification
from kpp.evaluation.leaderboard import Leaderboard, ModelResult
from kpp.evaluation.scores import TargetScores
from kpp.evaluation.trial import Trial
from kpp.predictor.display import UNITS, format_number, scaled
from kpp.schema import SERVICE
from kpp.whatif.registry import DEFAULT_MODEL

FLOOR = "noise floor"
FIRST = 15  # columns for the name of a model
SERVICES = 22  # and of a service, which is cut if need be


def render_leaderboard(title: str, trial: Trial, board: Leaderboard, coverage: float) -> Iterator[str]:
    """All models, the best first; below, the services and classes of the one that matters most."""
    rows, services = len(trial.observed), trial.observed[SERVICE].nunique()
    yield title
    yield f"{rows} rows of {services} services. MAPE and WAPE in %, means over services; in: % of"
    yield f"rows within the {100 * coverage:g} % interval; F1: of the class of CPU use, weighted."
    yield ""
    yield " " * FIRST + "".join(f"{unit.title:>19}" for unit in UNITS.values())
    yield f"{'model':<{FIRST}}" + f"{'MAPE':>8}{'WAPE':>6}{'in':>5}" * len(UNITS) + f"{'F1':>6}"
    for name, result in board.models.items():
        yield _model_line(name, result)
    yield _model_line(FLOOR, board.floor)
    yield from (f"{name:<{FIRST}} skipped: {reason}" for name, reason in board.skipped.items())
    yield from _spreads(board)
    chosen = DEFAULT_MODEL if DEFAULT_MODEL in board.models else next(iter(board.models))
    yield from _by_service(chosen, board.models[chosen])
    yield from _classes(chosen, board.models[chosen].classes)


def _model_line(name: str, result: ModelResult) -> str:
    cells = [
        _percent(getattr(scores, score)) for scores in result.mean.values() for score in ("mape", "wape")
    ]
    coverages = [_percent(scores.coverage, digits=0) for scores in result.mean.values()]
    columns = [
        f"{mape:>8}{wape:>6}{covered:>5}"
        for mape, wape, covered in zip(cells[::2], cells[1::2], coverages, strict=True)
    ]
    f1 = "" if result.classes is None else f"{result.classes.weighted.f1:.2f}"
    return f"{name:<{FIRST}}" + "".join(columns) + f"{f1:>6}"


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


def _by_service(name: str, result: ModelResult) -> Iterator[str]:
    yield ""
    yield f"{name} by service"
    yield " " * SERVICES + "".join(f"{unit.title:>19}" for unit in UNITS.values())
    heads = [f"{'MAPE':>7}{'MAE ' + _short(unit.name):>12}" for unit in UNITS.values()]
    yield f"{'':<{SERVICES}}" + "".join(heads)
    for service, scores in result.services.items():
        cells = [_service_cell(scores[target], unit.per_own_unit) for target, unit in UNITS.items()]
        yield f"{service[: SERVICES - 1]:<{SERVICES}}" + "".join(cells)


def _service_cell(scores: TargetScores, factor: float) -> str:
    return f"{_percent(scores.mape):>7}{format_number(scaled(scores.mae, factor)):>12}"


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

    >>> _percent(0.0634), _percent(1.716), _percent(12.3), _percent(None)
    ('6.3', '172', '1230', '-')
    """
    if ratio is None:
        return "-"
    return f"{100 * ratio:.{digits if ratio < 1 else 0}f}"
