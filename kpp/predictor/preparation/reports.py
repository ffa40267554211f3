"""What the pipeline did with the rows of a service, in figures and as text."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kpp.predictor.preparation.experiments import EXPERIMENT, LEVEL
from kpp.predictor.preparation.gaps import Grid
from kpp.predictor.preparation.outliers import CleanValues
from kpp.predictor.preparation.scaling import Scaling
from kpp.predictor.preparation.service_rows import Indices, ServiceRows
from kpp.predictor.preparation.windows import ServiceDataset
from kpp.schema import STEP_SECONDS, TARGETS, USER_COUNT


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


def report_all(
    rows: pd.DataFrame,
    services: ServiceRows,
    values: CleanValues,
    grid: Grid,
    datasets: Sequence[ServiceDataset],
) -> list[ServiceReport]:
    """What became of each service's rows, which `datasets` were made of."""
    number_of_services = len(datasets)
    filled = np.zeros((number_of_services, len(TARGETS)), dtype=np.int64)
    np.add.at(filled, grid.services, grid.filled)
    unusable = np.bincount(grid.services, grid.stretch_starts < 0, number_of_services)
    experiments, levels = (
        services.largest(rows[column].to_numpy()) - services.smallest(rows[column].to_numpy()) + 1
        for column in (EXPERIMENT, LEVEL)  # both are numbered through
    )
    return [
        ServiceReport(
            service=dataset.service,
            minutes=int(services.ends[number] - services.starts[number]),
            experiments=int(experiments[number]),
            user_counts=int(levels[number]),
            windows={
                "fit": len(dataset.fit),
                "validation": len(dataset.validation),
                "test": len(dataset.test),
            },
            filled=_by_column(np.where(values.never_measured[number], 0, filled[number])),
            clipped=_by_column(values.outliers[number]),
            unusable_minutes=int(unusable[number]),
            remarks=tuple(describe_oddities(dataset.scaling, values.never_measured[number])),
        )
        for number, dataset in enumerate(datasets)
    ]


def _by_column(counts: NDArray[np.integer[Any]]) -> dict[str, int]:
    return dict(zip(TARGETS, counts.tolist(), strict=True))


def _count_each(counts: Mapping[str, int], what: str) -> str:
    """Name the counts that are not 0.

    >>> _count_each({"CPU Usage": 3, "Throughput (req/s)": 0}, "filled")
    'filled: 3 CPU Usage'
    """
    named = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return f"{what}: {named}" if named else ""


def judge(report: ServiceReport, minutes: Indices, max_gap_steps: int, min_fit_windows: int) -> str:
    """Say in one line why a service cannot be trained; empty when it can.

    Args:
        report: with the windows that were cut.
        minutes: of the service's rows, Unix seconds, in time.
        max_gap_steps: the longest gap that is filled, in minutes.
        min_fit_windows: so many windows the weights need; the other parts need one each.
    """
    needed = {"fit": min_fit_windows, "validation": 1, "test": 1}
    if all(report.windows[part] >= least for part, least in needed.items()):
        return ""
    found = ", ".join(f"{report.windows[part]} to {part}" for part in needed)
    steps = np.diff(minutes) // STEP_SECONDS
    apart = np.median(steps) if steps.size else 0
    if apart > max_gap_steps + 1:
        why = f"its rows lie {apart:g} minutes apart"
        mend = "sample once a minute"
    else:
        why = f"{report.minutes} minutes at {report.user_counts} user counts are too few"
        mend = "hold each user count for longer: ten minutes and more"
    return f"{why}: windows {found}, and {', '.join(map(str, needed.values()))} are needed; {mend}"


def describe_oddities(scaling: Scaling, never_measured: NDArray[np.bool_]) -> Iterator[str]:
    """Say what a model of one service cannot know.

    Args:
        scaling: of the service's features in the training rows.
        never_measured: (targets,), which targets are in none of them.
    """
    constant = scaling.minima == scaling.maxima
    if constant[0]:
        yield f"one {USER_COUNT} only: the model knows no other load"
    for target, never, is_constant in zip(TARGETS, never_measured, constant[1:], strict=True):
        if never:
            yield f"{target} was never measured in the training rows: it is no target, and 0 as input"
        elif is_constant:
            yield f"{target} is constant"
