"""Parquet: a file's columns, all of them or those of some services alone."""

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
from numpy.typing import NDArray

from kpp.errors import InputError
from kpp.table.columns import SERVICE
from kpp.table.faults import check_header
from kpp.table.raw import KNOWN_COLUMNS, RawFile, ignored_columns, opened, refuse_empty, with_service


def read_parquet(path: Path, stream: BinaryIO, service: str | None, only: Collection[str] | None) -> RawFile:
    """Read a Parquet file; see `kpp.table.files.read_file`."""
    refuse_empty(path, path.stat().st_size == 0)
    with _opened_parquet(path, stream) as file:
        names = list(file.schema_arrow.names)
        check_header(path, names if service is None or SERVICE in names else [*names, SERVICE])
        known = [name for name in KNOWN_COLUMNS if name in names]
        if only is None:
            columns = file.read(columns=known)
            lines = np.arange(1, len(columns) + 1)
        else:
            columns, lines = _read_only(file, known, only)
    return RawFile(path, with_service(columns, service), lines, ignored_columns(path, names))


def count_rows(path: Path) -> "Counter[str]":
    """The services of a Parquet file, "" for none, and how many rows each has; reads nothing else.

    Returns:
        Nothing where the services are not text, which `read_file` and what follows it tell.

    Raises:
        InputError: as `read_file`.
    """
    counts: Counter[str] = Counter()
    with opened(path) as stream, _opened_parquet(path, stream) as file:
        check_header(path, file.schema_arrow.names)
        if not is_text(file.schema_arrow.field(SERVICE).type):
            return counts
        for batch in file.iter_batches(columns=[SERVICE]):
            found = pc.value_counts(trim_names(batch[SERVICE]))
            counts.update({each["values"]: each["counts"] for each in found.to_pylist()})
    return counts


def is_text(kind: Any) -> bool:
    """Whether a column of this type of pyarrow holds text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def trim_names(column: Any) -> Any:
    """Names of services without blanks around them, "" where there is none."""
    return pc.utf8_trim_whitespace(pc.fill_null(column, ""))


def _read_only(file: Any, known: list[str], only: Collection[str]) -> tuple[Any, NDArray[np.int64]]:
    """The rows of some services, batch by batch, and which rows they are, from 1."""
    kept, lines, first = [], [], 1
    for batch in file.iter_batches(columns=known):
        services = trim_names(batch[SERVICE])
        wanted = pc.is_in(services, pa.array(sorted(only), services.type))
        kept.append(batch.filter(wanted))
        lines.append(first + np.flatnonzero(wanted.to_numpy(zero_copy_only=False)))
        first += len(batch)
    return pa.Table.from_batches(kept), np.concatenate(lines)


@contextmanager
def _opened_parquet(path: Path, stream: BinaryIO) -> Iterator[Any]:
    try:
        yield pyarrow.parquet.ParquetFile(stream)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"no Parquet file: {reason}", where=str(path), mend="write it again") from error
