"""A campaign as arrays: one row per load that was held, one column per service."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kpp.errors import InputError
from kpp.schema import (
    CPU_LIMIT,
    CPU_REQUEST,
    CPU_USAGE,
    REPLICAS,
    RESPONSE_TIME,
    SERVICE,
    SIDECAR_CPU_USAGE,
    SOURCE,
    THROUGHPUT,
    TIMESTAMP,
    USER_COUNT,
)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LEAST_APPLICATION = 0.4  # of a pod's CPU
ABOVE = 1.1  # x the limit: so much more CPU may seem to be used, by rounding and the edges of a minute

MINUTES = "minutes"
LEVEL = "level"
TYPICAL_CPU, TYPICAL_TIME = "typical CPU", "typical response time"
OUTLIER = 5.0  # medians: a minute's response time above counts as that much
LEAST_OF_MEAN = 0.01  # response times below are rounded to 0, and no relative error can be told
_MEASURED = (RESPONSE_TIME, THROUGHPUT, CPU_USAGE, SIDECAR_CPU_USAGE)
_LAYOUT = (REPLICAS, CPU_REQUEST, CPU_LIMIT)


@dataclass(frozen=True)
class Levels:
    """What was measured at each level: a user count, the services laid out in one way, of one file.

    Attributes:
        services: their names, sorted.
        sources: (levels,) the files; empty where not told.
        user_count: (levels,) ascending.
        minutes: (levels,) how many were measured.
        response_time: (levels, services) seconds, mean of the requests, without outliers; as all below, NaN
            if not measured.
        typical_response_time: (levels, services) the value with the least mean relative error of a minute.
        throughput: (levels, services) requests per second, mean of the minutes.
        cpu: (levels, services) cores of all replicas, mean of the minutes.
        typical_cpu: (levels, services) the same, median of the minutes.
        sidecar_cpu: (levels, services) the same of the sidecars, where recorded apart.
        replicas: (levels, services) where not recorded, as many as it takes to use the CPU within the limit.
        cpu_request: (levels, services) cores of one replica.
        cpu_limit: (levels, services) cores of one replica, recorded or given by hand.
        replicas_recorded: (services,) whether any row tells.
        limit_recorded: (services,) whether any row tells, or a limit was given.
    """

    services: tuple[str, ...]
    sources: tuple[str, ...]
    user_count: Floats
    minutes: Floats
    response_time: Floats
    typical_response_time: Floats
    throughput: Floats
    cpu: Floats
    typical_cpu: Floats
    sidecar_cpu: Floats
    replicas: Floats
    cpu_request: Floats
    cpu_limit: Floats
    replicas_recorded: NDArray[np.bool_]
    limit_recorded: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.user_count)


def arrange_levels(measurements: pd.DataFrame, cpu_limits: Mapping[str, float] | None = None) -> Levels:
    """Sum up a table of measurements.

    Args:
        measurements: columns of `kpp.schema`, one row per minute and service.
        cpu_limits: service -> cores of one replica, where the table does not tell.

    Raises:
        InputError: there is no row.
    """
    if measurements.empty:
        raise InputError("no measurement to learn from", mend="name a table with rows")
    columns = [TIMESTAMP, USER_COUNT, SERVICE, SOURCE, *_MEASURED, *_LAYOUT]
    rows = measurements.reindex(columns=columns)
    rows[list(_LAYOUT)] = rows[list(_LAYOUT)].where(rows[list(_LAYOUT)] > 0)  # no pod at all serves nobody
    rows[SERVICE] = rows[SERVICE].astype(str)
    rows[SOURCE] = rows[SOURCE].astype(object).where(rows[SOURCE].notna(), "").astype(str)
    services = tuple(sorted(rows[SERVICE].unique()))
    layouts = {column: _fill(rows, column, services) for column in _LAYOUT}
    recorded = {column: layout.notna().any().to_numpy() for column, layout in layouts.items()}
    for service, limit in (cpu_limits or {}).items():
        if service in services:
            layouts[CPU_LIMIT][service] = layouts[CPU_LIMIT][service].fillna(limit)
    layouts[REPLICAS] = layouts[REPLICAS].fillna(1.0)
    minutes = layouts[REPLICAS].index
    level_of_minute = _number_levels(minutes, layouts)
    level = level_of_minute.reindex(
        pd.MultiIndex.from_frame(rows[[TIMESTAMP, USER_COUNT, SOURCE]])
    ).to_numpy()
    measured = _summarize(rows.assign(**{LEVEL: level}), services)
    firsts = np.unique(level_of_minute.to_numpy(), return_index=True)[1]
    by_level = {column: layout.to_numpy(dtype=np.float64)[firsts] for column, layout in layouts.items()}
    least = _least_replicas(measured, by_level[CPU_LIMIT])
    by_level[REPLICAS] = np.where(recorded[REPLICAS], by_level[REPLICAS], least)
    return Levels(
        services=services,
        sources=tuple(str(source) for source in minutes.get_level_values(SOURCE)[firsts]),
        user_count=minutes.get_level_values(USER_COUNT).to_numpy(dtype=np.float64)[firsts],
        minutes=np.bincount(level_of_minute.to_numpy()).astype(np.float64),
        response_time=measured[RESPONSE_TIME],
        typical_response_time=measured[TYPICAL_TIME],
        throughput=measured[THROUGHPUT],
        cpu=measured[CPU_USAGE],
        typical_cpu=measured[TYPICAL_CPU],
        sidecar_cpu=measured[SIDECAR_CPU_USAGE],
        replicas=by_level[REPLICAS],
        cpu_request=by_level[CPU_REQUEST],
        cpu_limit=by_level[CPU_LIMIT],
        replicas_recorded=recorded[REPLICAS],
        limit_recorded=~np.isnan(by_level[CPU_LIMIT]).all(axis=0),
    )


def _least_replicas(measured: Mapping[Hashable, Floats], limit: Floats) -> Floats:
    """(services,) replicas without which the measured CPU would break the limit; 1 where that tells nothing.

    Of a pod that was measured as a whole, at least `LEAST_APPLICATION` is taken to be under the limit.
    """
    apart = np.isfinite(measured[SIDECAR_CPU_USAGE]).any(axis=0)
    application = measured[CPU_USAGE] * np.where(apart, 1.0, LEAST_APPLICATION)
    used = np.nan_to_num(application / limit).max(axis=0)
    return np.asarray(np.maximum(np.ceil(used / ABOVE), 1.0), dtype=np.float64)


def _fill(rows: pd.DataFrame, column: str, services: tuple[str, ...]) -> pd.DataFrame:
    """How each service was laid out in each minute; where a minute does not tell, as in those around it."""
    table = rows.pivot_table(
        index=[TIMESTAMP, USER_COUNT, SOURCE], columns=SERVICE, values=column, aggfunc="max", dropna=False
    )
    every_minute = rows.groupby([TIMESTAMP, USER_COUNT, SOURCE]).size().index
    return table.reindex(index=every_minute, columns=list(services)).astype(np.float64).ffill().bfill()


def _number_levels(minutes: pd.Index, layouts: Mapping[str, pd.DataFrame]) -> "pd.Series[int]":
    """The level of each minute, numbered by user count, then by layout and file."""
    sources = pd.factorize(minutes.get_level_values(SOURCE))[0]
    parts = [minutes.get_level_values(USER_COUNT).to_numpy(dtype=np.float64)[:, None], sources[:, None]]
    parts += [layouts[column].fillna(0.0).to_numpy() for column in (REPLICAS, CPU_LIMIT)]
    numbers = np.unique(np.hstack(parts), axis=0, return_inverse=True)[1]
    return pd.Series(numbers.ravel(), index=minutes)


def _summarize(rows: pd.DataFrame, services: tuple[str, ...]) -> dict[Hashable, Floats]:
    """Each measured column as (levels, services)."""
    groups = rows.groupby([LEVEL, SERVICE])
    summary = groups[[THROUGHPUT, CPU_USAGE, SIDECAR_CPU_USAGE]].mean()
    summary[RESPONSE_TIME] = _mean_without_outliers(rows)
    summary[TYPICAL_CPU] = groups[CPU_USAGE].median()
    summary[TYPICAL_TIME] = _least_relative_error(rows)
    return {column: _by_service(values, services) for column, values in summary.items()}


def _by_service(values: "pd.Series[float]", services: tuple[str, ...]) -> Floats:
    """A series by level and service as (levels, services)."""
    every = pd.MultiIndex.from_product([values.index.unique(LEVEL), services])
    cells = np.asarray(values.reindex(every), dtype=np.float64)
    return cells.reshape(-1, len(services))


def _mean_without_outliers(rows: pd.DataFrame) -> "pd.Series[float]":
    """The mean response time of the requests of each level and service.

    One request of seconds can be most of a minute's mean: minutes above `OUTLIER` medians count as that much.
    """
    keys = [rows[LEVEL], rows[SERVICE]]
    middle = rows.groupby([LEVEL, SERVICE])[RESPONSE_TIME].transform("median")
    mean = rows.groupby([LEVEL, SERVICE])[RESPONSE_TIME].transform("mean")
    most = OUTLIER * middle.where(middle > 0, mean)
    times = rows[RESPONSE_TIME].clip(upper=most)
    requests = rows[THROUGHPUT].fillna(0.0).clip(lower=1e-9).where(times.notna())
    sums = (times * requests).groupby(keys).sum(min_count=1)
    return sums / requests.groupby(keys).sum(min_count=1)


def _least_relative_error(rows: pd.DataFrame) -> "pd.Series[float]":
    """The response time of each level and service that errs least relative to the minutes, on average.

    It is their median with the weights 1 / response time.
    """
    means = rows.groupby([LEVEL, SERVICE])[RESPONSE_TIME].transform("mean")
    times = rows[rows[RESPONSE_TIME] > LEAST_OF_MEAN * means].sort_values([LEVEL, SERVICE, RESPONSE_TIME])
    keys = [times[LEVEL], times[SERVICE]]
    weights = 1 / times[RESPONSE_TIME]
    enough = weights.groupby(keys).cumsum() >= weights.groupby(keys).transform("sum") / 2
    return times[enough].groupby([LEVEL, SERVICE])[RESPONSE_TIME].first()
