"""From tables to a campaign: minutes aggregated, loads summed up; and the files of calls and CPU limits."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from kpp.errors import InputError
from kpp.schema import (
    CALLEE,
    CALLER,
    CALLS,
    CPU_LIMIT,
    CPU_REQUEST,
    CPU_USAGE,
    LINE,
    OPTIONAL_COLUMNS,
    REPLICAS,
    SERVICE,
    SOURCE,
    STEP_SECONDS,
    TARGETS,
    THROUGHPUT,
    TIMESTAMP,
    USER_COUNT,
    Table,
)
from kpp.whatif.model import Campaign
from kpp.whatif.small_tables import Allowed, read_small_table

logger = logging.getLogger(__name__)

FEATURES = (USER_COUNT, REPLICAS, CPU_REQUEST, CPU_LIMIT)  # what a load is to a learned model
MINUTES = "Minutes"  # of a level: how many


def make_campaign(
    table: Table, calls: pd.DataFrame | None = None, cpu_limits: Mapping[str, float] | None = None
) -> Campaign:
    """Aggregate a table by (minute, service, user count): the mean of what was measured.

    Requests and limits of 0 count as not known. Where no replica is ready, those of the minutes around count.
    Nobody serves requests without CPU: a 0 among other values is a counter that was not read, and counts as
    missing.
    """
    scale = [column for column in (CPU_REQUEST, CPU_LIMIT) if column in table.frame]
    frame = table.frame.assign(
        **{column: table.frame[column].where(table.frame[column] > 0) for column in scale}
    )
    optional = [column for column in OPTIONAL_COLUMNS if column in frame and frame[column].notna().any()]
    keys = [SERVICE, TIMESTAMP, USER_COUNT]
    rows = frame.assign(**{TIMESTAMP: (frame[TIMESTAMP] / STEP_SECONDS + 0.5) // 1 * STEP_SECONDS})
    groups = rows.groupby(keys, sort=True, observed=True)
    aggregated = groups[[*TARGETS, *optional]].mean()
    aggregated[SOURCE] = groups[SOURCE].first().astype(str)
    measurements = aggregated.reset_index()
    measurements[CPU_USAGE] = _cpu_that_was_read(measurements)
    if REPLICAS in optional:
        measurements[REPLICAS] = _replicas_that_serve(measurements)
    return Campaign(measurements, calls, dict(cpu_limits or {}))


def _cpu_that_was_read(measurements: pd.DataFrame) -> "pd.Series[float]":
    cpu, services = measurements[CPU_USAGE], measurements[SERVICE]
    usual = cpu.groupby(services).transform("median")
    unread = (cpu == 0) & (measurements[THROUGHPUT] > 0) & (usual > 0)
    if unread.any():
        names = ", ".join(services[unread].unique())
        what = "%d minutes with requests have a CPU usage of 0, which counts as missing: %s"
        logger.warning(what, unread.sum(), names)
    return cpu.mask(unread)


def _replicas_that_serve(measurements: pd.DataFrame) -> "pd.Series[float]":
    """Replicas, and where none is ready those of the minutes before: it missed a probe, and serves again."""
    replicas = measurements[REPLICAS]
    ready = replicas.where(replicas > 0)
    around = ready.groupby(measurements[SERVICE]).transform(lambda own: own.ffill().bfill())
    return ready.fillna(around.where(replicas == 0))


def levels_of(campaign: Campaign) -> pd.DataFrame:
    """Each service's measured loads: medians, which stand firm against outliers.

    Returns:
        A row per service and distinct `FEATURES`: `SERVICE`, all `FEATURES` (NaN where not known), `TARGETS`,
        and `MINUTES`. By service and user count, index 0, 1, …
    """
    rows = campaign.measurements.reindex(columns=[SERVICE, *FEATURES, *TARGETS])
    if campaign.cpu_limits:
        rows[CPU_LIMIT] = rows[CPU_LIMIT].fillna(rows[SERVICE].map(campaign.cpu_limits))
    groups = rows.groupby([SERVICE, *FEATURES], dropna=False, sort=True)
    levels = groups[list(TARGETS)].median()
    levels[MINUTES] = groups.size()
    return levels.reset_index()


def read_calls(paths: Sequence[Path]) -> pd.DataFrame:
    """Read calls tables, as `kpp collect` writes them or as written by hand; pairs that return are averaged.

    Returns:
        `CALLER`, `CALLEE`, `CALLS`, one row per pair.

    Raises:
        InputError: a file cannot be used, or a service calls itself.
    """
    required = [CALLER, CALLEE, CALLS]
    frames = []
    for path in paths:
        frame = read_small_table(path, [CALLER, CALLEE], {CALLS: Allowed(required=True)}, required)
        own = frame[frame[CALLER] == frame[CALLEE]]
        if not own.empty:
            where = f"{path}, line {own.iloc[0][LINE]}"
            raise InputError(f"{own.iloc[0][CALLER]} calls itself", where=where, mend="remove the line")
        frames.append(frame[required])
    frame = pd.concat(frames)
    return frame.groupby([CALLER, CALLEE], sort=False)[[CALLS]].mean().reset_index()


def read_cpu_limits(path: Path) -> dict[str, float]:
    """Read `Service,CPU Limit`, in cores of one replica.

    Raises:
        InputError: the file cannot be used, or names a service twice.
    """
    numbers = {CPU_LIMIT: Allowed(above_least=True, required=True)}
    frame = read_small_table(path, [SERVICE], numbers, required=[SERVICE, CPU_LIMIT])
    doubles = frame[frame.duplicated(SERVICE)]
    if not doubles.empty:
        what = f"{doubles.iloc[0][SERVICE]} is there twice"
        where = f"{path}, line {doubles.iloc[0][LINE]}"
        raise InputError(what, where=where, mend="remove one of the two")
    return {
        str(service): float(limit) for service, limit in zip(frame[SERVICE], frame[CPU_LIMIT], strict=True)
    }
