"""What a plot shows of a service: points that were learned, points that were held out, every model's line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from kpp.evaluation.splits import Fold
from kpp.evaluation.trial import Trial
from kpp.schema import SERVICE, TARGETS, USER_COUNT
from kpp.whatif.calibrated import CalibratedModel, lower_of, upper_of
from kpp.whatif.scenario import PER_SERVICE

BOUNDS = [bound for target in TARGETS for bound in (lower_of(target), upper_of(target))]
LINE = [USER_COUNT, *TARGETS, *BOUNDS]


@dataclass(frozen=True)
class ServicePicture:
    """One service over the user count; all frames have `USER_COUNT` and `TARGETS`, own units.

    Attributes:
        learned: measurements that the models learned.
        asked: measurements that were held out; may have no row.
        lines: model -> its predictions with bounds, by user count.
        best: the model whose interval is shown.
    """

    service: str
    learned: pd.DataFrame
    asked: pd.DataFrame
    lines: Mapping[str, pd.DataFrame]
    best: str

    @property
    def learned_range(self) -> tuple[float, float]:
        """The least and the largest user count that was learned."""
        counts = self.learned[USER_COUNT]
        return float(counts.min()), float(counts.max())


def picture_trial(trial: Trial, best: str) -> list[ServicePicture]:
    """Every service of a trial. With one fold, lines go on through the loads that were learned."""
    lines = {name: _line(trial, name) for name in trial.predicted}
    learned = _rows([fold.train.measurements for fold in trial.folds])
    pictures = []
    for service, asked in trial.observed.groupby(SERVICE):
        own = {name: line[line[SERVICE] == service] for name, line in lines.items()}
        pictures.append(ServicePicture(str(service), learned[learned[SERVICE] == service], asked, own, best))
    return pictures


def picture_predictions(model: CalibratedModel, predictions: pd.DataFrame) -> list[ServicePicture]:
    """Every service of a scenario that was predicted, before the medians of the loads that were learned."""
    levels = model.measured.levels
    nothing = levels.iloc[:0]
    name = model.model.name
    return [
        ServicePicture(
            str(service), levels[levels[SERVICE] == service], nothing, {name: _by_load(rows)}, name
        )
        for service, rows in predictions.groupby(SERVICE)
    ]


def _line(trial: Trial, name: str) -> pd.DataFrame:
    """The model's predictions, a row for each service and user count."""
    answers = [trial.predicted[name]]
    models = trial.fitted[name]
    if len(trial.folds) == 1 and models[0] is not None:
        answers.append(models[0].predict(_learned_loads(trial.folds[0])))
    return _by_load(pd.concat(answers, ignore_index=True))


def _learned_loads(fold: Fold) -> pd.DataFrame:
    """The loads that were learned, as a scenario: each once, as it was laid out most of the time."""
    rows = fold.train.measurements
    scales = [column for column in PER_SERVICE if column in rows]
    medians = rows.groupby([USER_COUNT, SERVICE])[scales].median() if scales else None
    loads = (
        rows[[USER_COUNT, SERVICE]].drop_duplicates().sort_values([USER_COUNT, SERVICE], ignore_index=True)
    )
    return loads if medians is None else loads.join(medians, on=[USER_COUNT, SERVICE])


def _by_load(predictions: pd.DataFrame) -> pd.DataFrame:
    """Medians by service and user count."""
    values = [column for column in LINE if column != USER_COUNT]
    return predictions.groupby([SERVICE, USER_COUNT])[values].median().reset_index()


def _rows(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """All rows that some fold learned, once each."""
    columns = [SERVICE, USER_COUNT, *TARGETS]
    return pd.concat([frame[columns] for frame in frames], ignore_index=True).drop_duplicates()
