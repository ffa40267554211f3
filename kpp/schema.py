"""The table of measurements: the names of its columns, their order and units, and reading it from files."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from kpp.table.columns import (
    CALLEE,
    CALLER,
    CALLS,
    CPU_LIMIT,
    CPU_REQUEST,
    CPU_USAGE,
    ERROR_RATE,
    LINE,
    OPTIONAL_COLUMNS,
    REASON,
    REPLICAS,
    REQUIRED_COLUMNS,
    RESPONSE_TIME,
    RESPONSE_TIME_P95,
    SERVICE,
    SIDECAR_CPU_USAGE,
    SOURCE,
    STEP_SECONDS,
    TARGETS,
    THROTTLED,
    THROUGHPUT,
    TIMESTAMP,
    USER_COUNT,
    Table,
    is_dns_label,
)

__all__ = [
    "CALLEE",
    "CALLER",
    "CALLS",
    "CPU_LIMIT",
    "CPU_REQUEST",
    "CPU_USAGE",
    "ERROR_RATE",
    "LINE",
    "OPTIONAL_COLUMNS",
    "REASON",
    "REPLICAS",
    "REQUIRED_COLUMNS",
    "RESPONSE_TIME",
    "RESPONSE_TIME_P95",
    "SERVICE",
    "SIDECAR_CPU_USAGE",
    "SOURCE",
    "STEP_SECONDS",
    "TARGETS",
    "THROTTLED",
    "THROUGHPUT",
    "TIMESTAMP",
    "USER_COUNT",
    "Table",
    "is_dns_label",
    "read_measurement_groups",
    "read_measurements",
    "read_thinned_measurements",
]


def read_measurements(paths: Sequence[Path]) -> Table:
    """Read tables of measurements, CSV or (by the suffix `.parquet`) Parquet, as one; a folder is all in it.

    Timestamps in milliseconds become seconds, identical rows count once, rows that cannot be used are left
    out; `Table.notes` tells. docs/data.md says what is accepted and what is refused.

    Raises:
        InputError: a file cannot be read, lacks a column, holds an impossible value, or contradicts another.
    """
    from kpp.table.reading import read_table  # late: pandas takes longer to load than `kpp --help` may

    return read_table(paths)


def read_measurement_groups(
    paths: Sequence[Path], on_progress: Callable[[float], None] = lambda _share: None
) -> Iterator[Table]:
    """Read tables of measurements as `read_measurements` does, but not all at once where memory is short.

    What does not fit is read so many services at a time as do, each with all its rows: from the folders
    `Service=NAME`, where there is one for each service; else all files are read once, and their rows sorted
    by service onto the disk. The table of a group may be without a usable row.

    Args:
        paths: files, or folders of them.
        on_progress: called with the share of the files that was read, 0 to 1, while their rows are sorted.

    Raises:
        InputError: as `read_measurements`; of what is sorted, before the first group.
        ConfigError: the disk has no room.
    """
    from kpp.table.reading import read_table_groups  # late, as above

    return read_table_groups(paths, on_progress)


def read_thinned_measurements(
    paths: Sequence[Path], on_progress: Callable[[float], None] = lambda _share: None
) -> Table:
    """Read tables of measurements as `read_measurements` does, or where memory is short a part of them.

    The part has all services and user counts, but fewer minutes: of each user count as many as there can be,
    evenly over time. The files are read twice for it; `Table.notes` tells.

    Args:
        paths: files, or folders of them.
        on_progress: called with the share that is done, 0 to 1.

    Raises:
        InputError: as `read_measurements`.
    """
    from kpp.table.thinning import read_thinned_table  # late, as above

    return read_thinned_table(paths, on_progress)
