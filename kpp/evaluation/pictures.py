"""What a plot shows of a service: points that were learned, points that were held out, every model's line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from kpp.evaluation.branches import by_load, find_branches, name_branches
from kpp.evaluation.trial import Trial
from kpp.schema import CPU_USAGE, SERVICE, TARGETS, THROUGHPUT, USER_COUNT
from kpp.whatif.calibrated import lower_of, upper_of
from kpp.whatif.scenario import PER_SERVICE

BOUNDS = [bound for target in TARGETS for bound in (lower_of(target), upper_of(target))]
LINE = [USER_COUNT, *TARGETS, *BOUNDS]
BRANCH = "Branch"  # of a line: loads of different branches are not joined
STEPS = 40  # user counts between the least and the largest, for the line


@dataclass(frozen=True)
class ServicePicture:
    """One service over the user count; all frames have `USER_COUNT` and `TARGETS`, own units.

    Attributes:
        learned: measurements that the models learned.
        asked: measurements that were held out; may have no row.
        lines: name -> predictions with bounds, by user count; those with a `BRANCH` have a line for each.
        shown: the names whose intervals are shown, the most important one first.
        branches: of the lines, what each is; empty if there is one.
        verdicts: user count -> the least trusted verdict there; empty where that is not shown.
    """

    service: str
    learned: pd.DataFrame
    asked: pd.DataFrame
    lines: Mapping[str, pd.DataFrame]
    shown: Sequence[str]
    verdicts: Mapping[float, str] = field(default_factory=dict)
    branches: Mapping[int, str] = field(default_factory=dict)

    @property
    def learned_range(self) -> tuple[float, float]:
        """The least and the largest user count that was learned; NaN if the service was not."""
        counts = self.learned[USER_COUNT]
        return float(counts.min()), float(counts.max())


def picture_trial(trial: Trial, best: str) -> list[ServicePicture]:
    """Every service of a trial. With one fold, lines go on through the loads that were learned."""
    learned = dict(list(_rows([fold.train.measurements for fold in trial.folds]).groupby(SERVICE)))
    layouts = _layouts(trial)
    branches = find_branches(layouts)
    highest = float(trial.folds[0].train.measurements[USER_COUNT].max())
    names = name_branches(layouts, branches, highest) if len(trial.folds) == 1 else {}
    lines = {
        name: dict(list(_line(trial, name, layouts, branches).groupby(SERVICE))) for name in trial.predicted
    }
    nothing = trial.observed[[SERVICE, USER_COUNT, *TARGETS]].iloc[:0]
    return [
        ServicePicture(
            str(service),
            learned.get(service, nothing),
            asked,
            {
                name: own.get(service, pd.DataFrame(columns=[BRANCH, *LINE], dtype="float64"))
                for name, own in lines.items()
            },
            [best],
            branches=names,
        )
        for service, asked in trial.observed.groupby(SERVICE)
    ]


def largest(pictures: Sequence[ServicePicture], count: int) -> list[ServicePicture]:
    """The services that use the most CPU, or have the most throughput where CPU is unknown; in order."""

    def size(picture: ServicePicture) -> tuple[float, float]:
        means = picture.asked[[CPU_USAGE, THROUGHPUT]].mean().fillna(0.0)
        return float(means[CPU_USAGE]), float(means[THROUGHPUT])

    chosen = sorted(pictures, key=size, reverse=True)[:count]
    return [picture for picture in pictures if any(picture is each for each in chosen)]


def _line(trial: Trial, name: str, layouts: pd.DataFrame, branches: "pd.Series[int]") -> pd.DataFrame:
    """The model's predictions, a row for each service, branch and user count."""
    asked = trial.predicted[name]
    answers = [asked.assign(**{BRANCH: asked[USER_COUNT].map(branches)})]
    models = trial.fitted[name]
    if len(trial.folds) == 1 and models[0] is not None:
        for branch, loads in branches.groupby(branches).groups.items():
            own = layouts[layouts[USER_COUNT].isin(loads)]
            answers.append(models[0].predict(_loads_between(own)).assign(**{BRANCH: int(str(branch))}))
    values = [column for column in LINE if column != USER_COUNT]
    groups = pd.concat(answers, ignore_index=True).groupby([SERVICE, BRANCH, USER_COUNT])
    return groups[values].median().reset_index()


def _loads_between(layouts: pd.DataFrame) -> pd.DataFrame:
    """The measured loads and steps between them, as a scenario.

    Steps are only between two loads with the same layout: nobody says how the services would have been laid
    out between two others.

    Args:
        layouts: of one branch.
    """
    scales = by_load(layouts)
    measured = scales.index.to_numpy(dtype=np.float64)
    same = scales.eq(scales.shift()) | (scales.isna() & scales.shift().isna())
    steps = np.unique(np.geomspace(measured[0], measured[-1], STEPS).round())
    before = np.searchsorted(measured, steps, side="right") - 1
    after = np.searchsorted(measured, steps, side="left")
    smooth = steps[(before < after) & same.all(axis="columns").to_numpy()[after]]
    loads = np.concatenate([measured, smooth])
    nearest = measured[np.searchsorted(measured, loads, side="right") - 1]
    asked = pd.DataFrame({USER_COUNT: loads, "nearest": nearest}).sort_values(USER_COUNT)
    return asked.merge(layouts.rename(columns={USER_COUNT: "nearest"}), on="nearest").drop(columns="nearest")


def _layouts(trial: Trial) -> pd.DataFrame:
    """Each service at each load as it was laid out most of the time: nothing that was measured."""
    rows = pd.concat([trial.folds[0].train.measurements, trial.observed], ignore_index=True)
    scales = [column for column in PER_SERVICE if column in rows]
    groups = rows.groupby([USER_COUNT, SERVICE])
    return (
        groups[scales].median().reset_index()
        if scales
        else groups.size().reset_index()[[USER_COUNT, SERVICE]]
    )


def _rows(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """All rows that some fold learned, once each."""
    columns = [SERVICE, USER_COUNT, *TARGETS]
    return pd.concat([frame[columns] for frame in frames], ignore_index=True).drop_duplicates()
