"""The performance table: what `models/` says about every model, as markdown or as plain data.

`python kpp/predictor/generate_table.py` is `kpp table`.
"""

import math
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from kpp.predictor.display import UNITS, Unit, format_number, scaled
from kpp.predictor.model_config import Comparison, ModelConfig, Scores
from kpp.schema import TARGETS

LEGEND = """\
Test minutes, which no training saw; one step ahead. Less is better.
GRU: the model. last: the last observed value. mean: the training mean of the
user count. - : nothing to score."""

RIVALS = {"GRU": "model", "last": "last_observed", "mean": "training_mean"}


def render_table(configs: Sequence[ModelConfig]) -> str:
    """Show the scores of all models as markdown, within 80 columns for names of up to 21 letters.

    The RMSE over all targets in normalized units comes first, then RMSE and MAPE of each target. The means
    over services close each table, and the whole: what comes last stays on the screen.
    """
    parts = [LEGEND, "### All targets: RMSE in normalized units"]
    normalized = [[getattr(config.normalized_rmse, rival) for rival in RIVALS.values()] for config in configs]
    parts.append(_service_table(configs, list(RIVALS), normalized, [4] * 3))
    for target, unit in UNITS.items():
        header = ["RMSE GRU", "last", "mean", "MAPE GRU", "last", "mean"]
        rows = [_target_row(config.scores[target], unit) for config in configs]
        parts.append(f"### {unit.title}: RMSE in {unit.name}, MAPE in %")
        parts.append(_service_table(configs, header, rows, [4] * 3 + [2] * 3))
    parts += ["### Mean over services: MAPE in %", _mean_table(configs)]
    return "\n\n".join(parts)


def summarize(configs: Sequence[ModelConfig]) -> dict[str, Any]:
    """The same as plain data: every score of every service in its own unit, ratios from 0, and the means."""
    return {
        "services": [
            {
                "service": config.service,
                "best_test_loss": config.best_test_loss,
                "normalized_rmse": config.normalized_rmse.model_dump(),
                "scores": {target: scores.model_dump() for target, scores in config.scores.items()},
            }
            for config in configs
        ],
        "mean": {
            "normalized_rmse": {
                rival: mean_of(getattr(config.normalized_rmse, rival) for config in configs)
                for rival in RIVALS.values()
            },
            "scores": {
                target: {
                    rival: {score: mean_score(configs, target, rival, score) for score in Scores.model_fields}
                    for rival in RIVALS.values()
                }
                for target in TARGETS
            },
        },
    }


def mean_score(configs: Iterable[ModelConfig], target: str, rival: str, score: str) -> float | None:
    """The mean over services of one score, of the model or of a baseline."""
    return mean_of(getattr(getattr(config.scores[target], rival), score) for config in configs)


def mean_of(values: Iterable[float | None]) -> float | None:
    """The mean of those that are there; None if none is."""
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


def _target_row(comparison: Comparison, unit: Unit) -> list[float | None]:
    """RMSE and MAPE of the model and the baselines, in the units that are shown."""
    scores: list[Scores] = [getattr(comparison, rival) for rival in RIVALS.values()]
    factors = {"rmse": unit.per_own_unit, "mape": 100.0}
    return [scaled(getattr(each, score), factor) for score, factor in factors.items() for each in scores]


def _service_table(
    configs: Sequence[ModelConfig], header: list[str], rows: list[list[float | None]], decimals: list[int]
) -> str:
    """One row per service, and their mean last; no more decimals than given for each column."""
    means = [mean_of(column) for column in zip(*rows, strict=True)]
    names = [*(config.service for config in configs), "**mean of services**"]
    lines = [
        [name, *(format_number(value, most) for value, most in zip(row, decimals, strict=True))]
        for name, row in zip(names, [*rows, means], strict=True)
    ]
    return _markdown([["Service", *header], *lines])


def _mean_table(configs: Sequence[ModelConfig]) -> str:
    """One row per target, with the name of the best at its end."""
    lines = [["Target", *RIVALS, "best"]]
    for target, unit in UNITS.items():
        means = [scaled(mean_score(configs, target, rival, "mape"), 100) for rival in RIVALS.values()]
        known = [(mean, name) for mean, name in zip(means, RIVALS, strict=True) if mean is not None]
        best = min(known)[1] if known else "-"
        lines.append([unit.title, *(format_number(mean, 2) for mean in means), best])
    return _markdown(lines)


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    """A markdown table of cells, the header first; padded, so that a terminal shows columns too."""
    first, *others = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = f"|:{'-' * first}-|" + "".join(f"{'-' * width}-:|" for width in others)
    rows = [
        f"| {line[0]:<{first}} |"
        + "".join(f" {cell:>{width}} |" for cell, width in zip(line[1:], others, strict=True))
        for line in lines
    ]
    return "\n".join([rows[0], rule, *rows[1:]])


if __name__ == "__main__":
    from kpp.cli.main import main

    main(["table", *sys.argv[1:]])
