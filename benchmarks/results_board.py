"""A leaderboard of docs/results.md as tables."""

from collections.abc import Iterator, Mapping

from kpp.evaluation.leaderboard import Leaderboard, ModelResult
from kpp.schema import RESPONSE_TIME, TARGETS


def render_board(
    board: Leaderboard, entry: str | None = None, references: Mapping[str, ModelResult] | None = None
) -> Iterator[str]:
    """Models as rows: MAPE in %, the spread over seeds, and the share of rows within the interval.

    Args:
        board: that is shown.
        entry: where given, the response times of each service follow.
        references: by name, below the models.
    """
    references = dict(references or {})
    below = {f"*{name}*": result for name, result in {"noise floor": board.floor, **references}.items()}
    yield "\n| model | response time | throughput | CPU | F1 of the class |\n|---|---:|---:|---:|---:|"
    for name, result in {**board.models, **below}.items():
        cells = []
        for target in TARGETS:
            scores = result.mean[target]
            spread = "" if result.spread is None else f" ± {percent(result.spread[target].mape)}"
            covered = "" if scores.coverage is None else f" ({100 * scores.coverage:.0f})"
            cells.append(percent(scores.mape) + spread + covered)
        f1 = "" if name in below or result.classes is None else f"{result.classes.weighted.f1:.2f}"
        yield f"| {name} | {' | '.join(cells)} | {f1} |"
    yield ""
    if entry is not None:
        columns = ["MAPE", "WAPE", "MAE in ms", "in the interval, %"]
        columns += [f"MAPE of the {name}" for name in references]
        yield f"| response time, hybrid | {' | '.join(columns)} |"
        yield f"|---|{'---:|' * len(columns)}"
        for service, targets in board.models["hybrid"].services.items():
            scores = targets[RESPONSE_TIME]
            error = "-" if scores.mae is None else f"{1e3 * scores.mae:.3g}"
            inside = percent(scores.coverage, 0)
            cells = [percent(scores.mape), percent(scores.wape), error, inside]
            cells += [percent(result.services[service][RESPONSE_TIME].mape) for result in references.values()]
            yield f"| {service} | {' | '.join(cells)} |"
        yield ""


def percent(ratio: float | None, digits: int = 1) -> str:
    """In percent, a dash for None."""
    return "-" if ratio is None else f"{100 * ratio:.{digits}f}"
