"""Parquet: a file's rows, batch by batch."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from kpp.errors import InputError
from kpp.table.columns import SERVICE
from kpp.table.faults import check_header
from kpp.table.raw import KNOWN_COLUMNS, RawRows, ignored_columns, nothing_in, with_service

BATCH_ROWS = 1_000_000  # at once


def read_parquet(path: Path, stream: BinaryIO, service: str | None, notes: list[str]) -> Iterator[RawRows]:
    """Read a Parquet file; in the end `notes` has what was ignored.

    Raises:
        InputError: the file is empty, no Parquet file, or has no valid header.
    """
    if path.stat().st_size == 0:
        raise nothing_in(path)
    with _opened_parquet(path, stream) as file:
        names = list(file.schema_arrow.names)
        check_header(path, names if service is None or SERVICE in names else [*names, SERVICE])
        notes += ignored_columns(path, names)
        known = [name for name in KNOWN_COLUMNS if name in names]
        count = file.metadata.num_rows
        if not count:
            nothing = file.schema_arrow.empty_table().select(known)
            yield RawRows(with_service(nothing, service), np.zeros(0, dtype=np.int64), share_read=1.0)
        done = 0
        for batch in file.iter_batches(BATCH_ROWS, columns=known):
            columns = with_service(pa.Table.from_batches([batch]), service)
            lines = np.arange(done + 1, done + len(batch) + 1)
            done += len(batch)
            yield RawRows(columns, lines, done / count)


def is_text(kind: Any) -> bool:
    """Whether a column of this type of pyarrow holds text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def trim_names(column: Any) -> Any:
    """Names of services without blanks around them, "" where there is none."""
    return pc.utf8_trim_whitespace(pc.fill_null(column, ""))


@contextmanager
def _opened_parquet(path: Path, stream: BinaryIO) -> Iterator[Any]:
    try:
        yield pyarrow.parquet.ParquetFile(stream)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"no Parquet file: {reason}", where=str(path), mend="write it again") from error
