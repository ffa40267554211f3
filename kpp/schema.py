"""The table of measurements: the names of its columns, their order and units, and reading it from files."""

from collections.abc import Iterator, Sequence
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


def read_measurement_groups(paths: Sequence[Path]) -> Iterator[Table]:
    """Read tables of measurements as `read_measurements` does, but not all at once where memory is short.

    A folder with a folder `Service=NAME` for each service, and Parquet files, are read so many services at a
    time as fit well; all else as one group.

    Raises:
        InputError: as `read_measurements`, when the group is read.
    """
    from kpp.table.reading import read_table_groups  # late, as above

    return read_table_groups(paths)
