"""From a table of measurements to normalized windows for every service."""

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.preprocessing import MinMaxScaler

from kpp.errors import ConfigError
from kpp.predictor.experiments import (
    EXPERIMENT,
    PART,
    Part,
    aggregate_minutes,
    assign_parts,
    number_experiments,
)
from kpp.predictor.gaps import Floats, lay_on_minutes
from kpp.predictor.outliers import OutlierRule, clip_outliers
from kpp.predictor.reports import ServiceReport, describe_oddities, judge
from kpp.predictor.windows import FEATURES, ServiceDataset, cut_windows
from kpp.schema import SERVICE, TARGETS, USER_COUNT, Table
from kpp.table.reading import MINUTE, describe_left_out

COLUMNS = list(TARGETS)


@dataclass(frozen=True)
class PipelineSettings:
    """How measurements become windows."""

    lookback_steps: int = 5
    max_gap_steps: int = 3  # the longest gap to fill; a longer one ends the experiment
    train_share: float = (
        0.8  # of each user count's rows in time; of these the same share fits, the rest validates
    )
    min_fit_windows: int = 10  # fewer teach nothing that the mean does not say
    outliers: OutlierRule = field(default_factory=OutlierRule)

    def __post_init__(self) -> None:
        if self.lookback_steps < 1 or self.max_gap_steps < 0 or not 0 < self.train_share < 1:
            mend = "lookback_steps is at least 1, max_gap_steps at least 0, train_share between 0 and 1"
            raise ConfigError(f"no pipeline has these settings: {self}", mend=mend)


@dataclass(frozen=True)
class PipelineResult:
    """What can be trained, why the rest cannot, and what was done to each service's rows."""

    datasets: dict[str, ServiceDataset]
    verdicts: dict[str, str]  # services that cannot be trained: the reason, one line
    reports: dict[str, ServiceReport]  # of every service in the table


class PerformancesDataPipeline:
    """Aggregates, splits, cleans, fills and normalizes, each service by itself.

    Attributes:
        scalers: service -> its `MinMaxScaler` over `FEATURES`, fitted on training rows only.
    """

    def __init__(self, settings: PipelineSettings | None = None) -> None:
        self.settings = settings or PipelineSettings()
        self.scalers: dict[str, MinMaxScaler] = {}

    def run(self, table: Table) -> PipelineResult:
        """Make each service's windows, or say why it has none."""
        rows = aggregate_minutes(table.frame)
        rows = number_experiments(rows, self.settings.max_gap_steps)
        rows = assign_parts(rows, self.settings.train_share)
        clipped = clip_outliers(rows, self.settings.outliers)

        result = PipelineResult({}, {}, {})
        for service, places in rows.groupby(SERVICE).indices.items():
            its_own = slice(places[0], places[-1] + 1)  # the rows are sorted by service
            dataset, report = self._prepare(str(service), rows.iloc[its_own], clipped[its_own])
            result.reports[dataset.service] = report
            verdict = judge(
                report, rows.iloc[its_own], self.settings.max_gap_steps, self.settings.min_fit_windows
            )
            if verdict:
                result.verdicts[dataset.service] = verdict
            else:
                result.datasets[dataset.service] = dataset
        self.scalers = {service: dataset.scaler for service, dataset in result.datasets.items()}
        _add_left_out(result, table.left_out)
        return result

    def inverse_transform(self, service: str, scaled_targets: NDArray[np.floating[Any]]) -> Floats:
        """Turn a service's scaled targets, (n, targets), into seconds, req/s and cores."""
        features = np.zeros((len(scaled_targets), len(FEATURES)))
        features[:, 1:] = scaled_targets
        if not len(features):
            return features[:, 1:]
        return np.asarray(self.scalers[service].inverse_transform(features)[:, 1:])

    def _prepare(
        self, service: str, rows: pd.DataFrame, clipped: Floats
    ) -> tuple[ServiceDataset, ServiceReport]:
        """Scale, fill and cut one service's rows, given with their outliers clipped."""
        measured = rows[COLUMNS].to_numpy(copy=True)
        is_training = (rows[PART] != Part.TEST).to_numpy()
        outliers = (measured > clipped).sum(axis=0)
        never_measured = np.isnan(measured[is_training]).all(axis=0)
        measured[:, never_measured] = np.nan
        clipped[:, never_measured] = 0.0

        features = np.column_stack([rows[USER_COUNT], clipped])
        scaler = MinMaxScaler().fit(features[is_training])
        grid = lay_on_minutes(rows, measured, clipped, self.settings.max_gap_steps)
        windows = cut_windows(grid, scaler, self.settings.lookback_steps)
        dataset = ServiceDataset(
            service=service,
            scaler=scaler,
            fit=windows[Part.FIT],
            validation=windows[Part.VALIDATION],
            test=windows[Part.TEST],
            train_means=_mean_by_user_count(rows[USER_COUNT].to_numpy()[is_training], measured[is_training]),
            digest=digest_rows(rows),
        )
        report = ServiceReport(
            service=service,
            minutes=len(rows),
            experiments=rows[EXPERIMENT].nunique(),
            user_counts=rows[USER_COUNT].nunique(),
            windows={part.name.lower(): len(cut) for part, cut in windows.items()},
            filled=_by_column(np.where(never_measured, 0, grid.filled.sum(axis=0))),
            clipped=_by_column(outliers),
            unusable_minutes=int((grid.stretch_starts < 0).sum()),
            remarks=tuple(describe_oddities(features[is_training], never_measured)),
        )
        return dataset, report


def digest_rows(rows: pd.DataFrame) -> str:
    """SHA-256, as hex, of one service's aggregated rows: times, user counts and targets."""
    times = rows[MINUTE].to_numpy(dtype="<i8")
    values = rows[[USER_COUNT, *COLUMNS]].to_numpy(dtype="<f8", na_value=np.nan)
    return hashlib.sha256(times.tobytes() + values.tobytes()).hexdigest()


def _mean_by_user_count(user_counts: Floats, measured: Floats) -> dict[float, Floats]:
    means = pd.DataFrame(measured).groupby(user_counts).mean()
    return dict(zip(means.index.to_numpy(dtype=float).tolist(), means.to_numpy(), strict=True))


def _by_column(counts: NDArray[np.integer[Any]]) -> dict[str, int]:
    return dict(zip(TARGETS, counts.tolist(), strict=True))


def _add_left_out(result: PipelineResult, left_out: pd.DataFrame) -> None:
    """Report the rows that reading left out with their service; one that has no others gets a verdict."""
    for name, rows in left_out.groupby(SERVICE):
        service = str(name)
        if not service:  # the table's notes tell of rows that name no service
            continue
        if service not in result.reports:
            result.reports[service] = ServiceReport(service)
            result.verdicts[service] = "no usable row"
        lines = tuple(describe_left_out(rows))
        result.reports[service] = replace(result.reports[service], left_out=lines)
