"""From a table of measurements to normalized windows for every service."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kpp.errors import ConfigError
from kpp.predictor.preparation.experiments import (
    LEVEL,
    PART,
    Part,
    aggregate_minutes,
    assign_parts,
    number_experiments,
)
from kpp.predictor.preparation.gaps import lay_on_minutes
from kpp.predictor.preparation.outliers import CleanValues, OutlierRule, clean
from kpp.predictor.preparation.reports import ServiceReport, judge, report_all
from kpp.predictor.preparation.scaling import Scaling
from kpp.predictor.preparation.service_rows import Floats, ServiceRows
from kpp.predictor.preparation.windows import FEATURES, ServiceDataset, Windows, cut_windows
from kpp.schema import SERVICE, TARGETS, USER_COUNT, Table
from kpp.table.minutes import MINUTE
from kpp.table.reading import describe_left_out

if TYPE_CHECKING:
    from sklearn.preprocessing import MinMaxScaler


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
    """Aggregates, splits, cleans, fills and normalizes all services at once, each independent of the others.

    Attributes:
        scalings: service -> the scaling of its `FEATURES`, fitted on training rows only.
    """

    def __init__(self, settings: PipelineSettings | None = None) -> None:
        self.settings = settings or PipelineSettings()
        self.scalings: dict[str, Scaling] = {}

    def run(self, table: Table) -> PipelineResult:
        """Make each service's windows, or say why it has none."""
        result = PipelineResult({}, {}, {}) if table.frame.empty else self._prepare(table.frame)
        self.scalings = {service: dataset.scaling for service, dataset in result.datasets.items()}
        _add_left_out(result, table.left_out)
        return result

    def _prepare(self, frame: pd.DataFrame) -> PipelineResult:
        rows = aggregate_minutes(frame)
        rows = number_experiments(rows, self.settings.max_gap_steps)
        rows = assign_parts(rows, self.settings.train_share)
        services = ServiceRows.of(rows)
        values = clean(rows, services, self.settings.outliers)
        scalings = _fit_scalings(rows, services, values)
        grid = lay_on_minutes(
            rows, services.numbers, values.measured, values.clipped, self.settings.max_gap_steps
        )
        windows = cut_windows(grid, scalings, self.settings.lookback_steps)
        datasets = _gather(rows, services, values, scalings, windows)
        reports = report_all(rows, services, values, grid, datasets)

        result = PipelineResult({}, {}, dict(zip(services.names, reports, strict=True)))
        minutes = services.cut(rows[MINUTE].to_numpy())
        for dataset, report, its_minutes in zip(datasets, reports, minutes, strict=True):
            verdict = judge(report, its_minutes, self.settings.max_gap_steps, self.settings.min_fit_windows)
            if verdict:
                result.verdicts[dataset.service] = verdict
            else:
                result.datasets[dataset.service] = dataset
        return result

    @property
    def scalers(self) -> "dict[str, MinMaxScaler]":
        """The scalings as scikit-learn's `MinMaxScaler`, one for each service."""
        return {service: scaling.as_scaler() for service, scaling in self.scalings.items()}

    def inverse_transform(self, service: str, scaled_targets: NDArray[np.floating[Any]]) -> Floats:
        """Turn a service's scaled targets, (n, targets), into seconds, req/s and cores."""
        features = np.zeros((len(scaled_targets), len(FEATURES)))
        features[:, 1:] = scaled_targets
        return self.scalings[service].inverse_transform(features)[:, 1:]


def _fit_scalings(rows: pd.DataFrame, services: ServiceRows, values: CleanValues) -> Scaling:
    """The scaling of every service's features, from its training rows."""
    features = np.column_stack([rows[USER_COUNT], values.clipped])
    features[(rows[PART] == Part.TEST).to_numpy()] = np.nan
    return Scaling(services.smallest(features), services.largest(features))


def _gather(
    rows: pd.DataFrame,
    services: ServiceRows,
    values: CleanValues,
    scalings: Scaling,
    windows: list[dict[Part, Windows]],
) -> list[ServiceDataset]:
    """Put together what there is of each service."""
    return [
        ServiceDataset(
            service=service,
            scaling=scaling,
            fit=parts[Part.FIT],
            validation=parts[Part.VALIDATION],
            test=parts[Part.TEST],
            train_means=means,
            digest=digest,
        )
        for service, scaling, parts, means, digest in zip(
            services.names,
            scalings.split(),
            windows,
            _means_by_user_count(rows, services, values.measured),
            _digests(rows, services),
            strict=True,
        )
    ]


def _means_by_user_count(
    rows: pd.DataFrame, services: ServiceRows, measured: Floats
) -> Iterator[dict[float, Floats]]:
    """For each service the means of its training rows at each user count: (targets,) each."""
    training = (rows[PART] != Part.TEST).to_numpy()
    levels = rows[LEVEL].to_numpy()  # numbered by service, then by user count; each has a training row
    means = pd.DataFrame(measured[training]).groupby(levels[training]).mean().to_numpy()
    first_rows = np.unique(levels, return_index=True)[1]
    user_counts = rows[USER_COUNT].to_numpy()[first_rows].tolist()
    cuts = np.searchsorted(services.numbers[first_rows], np.arange(len(services.names) + 1))
    for start, end in pairwise(cuts.tolist()):
        yield dict(zip(user_counts[start:end], means[start:end], strict=True))


def _digests(rows: pd.DataFrame, services: ServiceRows) -> Iterator[str]:
    """For each service the SHA-256, as hex, of its aggregated rows: times, user counts and targets."""
    times = rows[MINUTE].to_numpy(dtype="<i8")
    values = np.ascontiguousarray(rows[[USER_COUNT, *TARGETS]].to_numpy(dtype="<f8", na_value=np.nan))
    for own_times, own_values in zip(services.cut(times), services.cut(values), strict=True):
        yield hashlib.sha256(own_times.tobytes() + own_values.tobytes()).hexdigest()


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
