"""The table of measurements: the names of its columns, their order and units, and reading it from files."""

from collections.abc import Sequence
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
    "read_measurements",
]


def read_measurements(paths: Sequence[Path]) -> Table:
    """Read tables of measurements, CSV or (by the suffix `.parquet`) Parquet, as one.

    Timestamps in milliseconds become seconds, identical rows count once, rows that cannot be used are left
    out; `Table.notes` tells. docs/data.md says what is accepted and what is refused.

    Raises:
        InputError: a file cannot be read, lacks a column, holds an impossible value, or contradicts another.
    """
    from kpp.table.reading import read_table  # late: pandas takes longer to load than `kpp --help` may

    return read_table(paths)
