"""What intervals hold, by how far a question lies from the data: a table over the simulated cases."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from kpp.evaluation.trial import Trial
from kpp.schema import CPU_USAGE, RESPONSE_TIME, SERVICE, THROUGHPUT, USER_COUNT
from kpp.whatif.calibrated import lower_of, upper_of

EDGES = (1.0, 2.0, 3.0, 5.0)  # times the highest measured load
WITHIN = "between the measured loads"
TITLES = ("up to 2 times the highest", "2 to 3 times", "3 to 5 times", "more than 5 times")
ENTRY, OTHERS, PASSED = "entry RT", "others' RT", "upper / predicted"


def held_by_row(trial: Trial, model: str, entry: str) -> pd.DataFrame:
    """One row for each minute and service: how far it lies, and whether each interval held it.

    Returns:
        `times` (the highest measured load), and a column for each of the table, NaN where there is none.
    """
    observed, predicted = trial.observed, trial.predicted[model]
    highest = max(fold.train.measurements[USER_COUNT].max() for fold in trial.folds)
    is_entry = (observed[SERVICE] == entry).to_numpy()
    held = {}
    for target in (RESPONSE_TIME, THROUGHPUT, CPU_USAGE):
        lower, upper = (predicted[name(target)].to_numpy() for name in (lower_of, upper_of))
        value = observed[target].to_numpy(dtype=np.float64)
        known = np.isfinite(value) & np.isfinite(lower) & np.isfinite(upper)
        held[target] = np.where(known, (lower <= value) & (value <= upper), np.nan)
    ratio = (predicted[upper_of(RESPONSE_TIME)] / predicted[RESPONSE_TIME]).to_numpy()
    columns = {
        THROUGHPUT: held[THROUGHPUT],
        CPU_USAGE: held[CPU_USAGE],
        ENTRY: np.where(is_entry, held[RESPONSE_TIME], np.nan),
        OTHERS: np.where(is_entry, np.nan, held[RESPONSE_TIME]),
        PASSED: np.where(is_entry, ratio, np.nan),
    }
    return pd.DataFrame({"times": observed[USER_COUNT].to_numpy() / highest, **columns})


def render(alone: Sequence[pd.DataFrame], with_step: Sequence[pd.DataFrame]) -> str:
    """The table, as Markdown."""
    lines = [
        "| learned | asked for | minutes x services | throughput | CPU | entry RT | others' RT "
        "| entry RT, upper end / predicted |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for learned, frames in (("normal load", alone), ("normal load, one overloaded step", with_step)):
        rows = pd.concat(frames, ignore_index=True)
        bins = np.digitize(rows["times"], EDGES, right=True)  # 0: not above the highest
        for number, title in enumerate((WITHIN, *TITLES)):
            part = rows[bins == number]
            if not part.empty:
                cells = [_percent(part[name]) for name in (THROUGHPUT, CPU_USAGE, ENTRY, OTHERS)]
                passed = f"{part[PASSED].median():.1f}"
                lines.append(f"| {learned} | {title} | {len(part)} | {' | '.join(cells)} | {passed} |")
    return "\n".join(lines)


def _percent(held: "pd.Series[float]") -> str:
    return f"{100 * held.mean():.0f}" if held.notna().any() else "-"
