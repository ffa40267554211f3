"""What the pipeline did with the rows of a service, in figures and as text."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kpp.schema import STEP_SECONDS, TARGETS, USER_COUNT
from kpp.table.reading import MINUTE


@dataclass(frozen=True)
class ServiceReport:
    """What became of one service's rows."""

    service: str
    minutes: int = 0  # rows after aggregating by minute
    experiments: int = 0
    user_counts: int = 0
    windows: Mapping[str, int] = field(default_factory=dict)  # of each part: fit, validation, test
    filled: Mapping[str, int] = field(default_factory=dict)  # column -> values filled in, for inputs only
    clipped: Mapping[str, int] = field(default_factory=dict)  # column -> outliers clipped, test rows included
    unusable_minutes: int = 0  # in gaps of one column that are too long to fill
    left_out: tuple[str, ...] = ()  # rows that reading left out: reason, file and lines
    remarks: tuple[str, ...] = ()  # what a person should know of these measurements

    def __str__(self) -> str:
        """One line, without what did not happen."""
        parts = [
            f"{self.minutes} minutes in {self.experiments} experiments at {self.user_counts} user counts",
            _count_each(self.windows, "windows"),
            _count_each(self.filled, "filled"),
            _count_each(self.clipped, "outliers clipped"),
            f"{self.unusable_minutes} minutes in long gaps" if self.unusable_minutes else "",
            *self.left_out,
            *self.remarks,
        ]
        return f"{self.service}: {'; '.join(part for part in parts if part)}"


def _count_each(counts: Mapping[str, int], what: str) -> str:
    """Name the counts that are not 0.

    >>> _count_each({"CPU Usage": 3, "Throughput (req/s)": 0}, "filled")
    'filled: 3 CPU Usage'
    """
    named = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return f"{what}: {named}" if named else ""


def judge(report: ServiceReport, rows: pd.DataFrame, max_gap_steps: int, min_fit_windows: int) -> str:
    """Say in one line why a service cannot be trained; empty when it can.

    Args:
        report: with the windows that were cut.
        rows: the service's rows, with `MINUTE`, in time.
        max_gap_steps: the longest gap that is filled, in minutes.
        min_fit_windows: so many windows the weights need; the other parts need one each.
    """
    needed = {"fit": min_fit_windows, "validation": 1, "test": 1}
    if all(report.windows[part] >= least for part, least in needed.items()):
        return ""
    found = ", ".join(f"{report.windows[part]} to {part}" for part in needed)
    steps = np.diff(rows[MINUTE]) // STEP_SECONDS
    apart = np.median(steps) if steps.size else 0
    if apart > max_gap_steps + 1:
        why = f"its rows lie {apart:g} minutes apart"
        mend = "sample once a minute"
    else:
        why = f"{report.minutes} minutes at {report.user_counts} user counts are too few"
        mend = "hold each user count for longer: ten minutes and more"
    return f"{why}: windows {found}, and {', '.join(map(str, needed.values()))} are needed; {mend}"


def describe_oddities(features: NDArray[np.float64], never_measured: NDArray[np.bool_]) -> Iterator[str]:
    """Say what a model of these training rows, (rows, user count and targets), cannot know."""
    if np.ptp(features[:, 0]) == 0:
        yield f"one {USER_COUNT} only: the model knows no other load"
    for target, values, never in zip(TARGETS, features[:, 1:].T, never_measured, strict=True):
        if never:
            yield f"{target} was never measured in the training rows: it is no target, and 0 as input"
        elif np.nanmin(values) == np.nanmax(values):
            yield f"{target} is constant"
