"""Rows of many services, kept on disk until the turn of their group comes."""

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from kpp.errors import ConfigError
from kpp.table.columns import SERVICE

NUMBER = "number"  # of a row's service, in place of its name
ROW_BYTES = 52  # a timestamp, a user count, three targets and the line, and 4 bytes for the service
GIGABYTE = 1e9


class Piece(NamedTuple):
    """Rows of one group and one file, in the temporary file."""

    source: int
    schema: pa.Schema
    offset: int
    length: int


@contextmanager
def opened_spill(group_count: int, row_count: int) -> "Iterator[Spill]":
    """A spill of at most so many groups, for about so many rows, while the block runs.

    Its file has no name: the system removes it with the process, whatever ends that.

    Raises:
        ConfigError: the disk has no room for them.
    """
    least_bytes = row_count * ROW_BYTES
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if free < least_bytes:
        raise _no_room(f"{least_bytes / GIGABYTE:.1f} GB are needed, {free / GIGABYTE:.1f} are free")
    # a full disk may show only when the last bytes are written, on closing
    with _telling_of_the_disk(), tempfile.TemporaryFile(prefix="kpp-") as file:
        yield Spill(file, group_count)


class Spill:
    """Sorts rows by service into groups, all rows of a service in one, on disk.

    A service belongs to the group that has the fewest rows when it first comes; rows without a service belong
    to the first group.
    """

    def __init__(self, file: IO[bytes], group_count: int) -> None:
        """Begin with an empty file."""
        self._file = file
        self._pieces: list[list[Piece]] = [[] for _ in range(group_count)]
        self._rows = np.zeros(group_count, dtype=np.int64)
        self._names: list[str] = []
        self._numbers: dict[str, int] = {}
        self._groups = np.zeros(0, dtype=np.int64)  # by number of the service

    def add(self, source: int, rows: pd.DataFrame) -> None:
        """Take further rows of a file.

        Raises:
            ConfigError: the disk is full, or refuses.
        """
        numbers = self._number(rows[SERVICE])
        groups = self._groups[numbers]
        order = np.argsort(groups, kind="stable")
        columns = {name: rows[name].to_numpy()[order] for name in rows.columns if name != SERVICE}
        batch = pa.record_batch({**columns, NUMBER: numbers[order].astype(np.int32)})
        ends = np.cumsum(np.bincount(groups, minlength=len(self._pieces))).tolist()
        with _telling_of_the_disk():
            for group, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
                if end > start:
                    self._write(group, source, batch.slice(start, end - start))

    @property
    def groups(self) -> list[int]:
        """Those that have rows."""
        return [int(group) for group in np.flatnonzero(self._rows)]

    def read(self, group: int) -> list[tuple[int, pd.DataFrame]]:
        """A group's rows in their order, in parts: the number of a file, and rows of it.

        Raises:
            ConfigError: the disk refuses.
        """
        with _telling_of_the_disk():
            return [(piece.source, self._read(piece)) for piece in self._pieces[group]]

    def _number(self, services: "pd.Series[str]") -> NDArray[np.int64]:
        """The number of each row's service; those that are new get one, and a group."""
        codes, names = pd.factorize(services)
        counts = np.bincount(codes, minlength=len(names))
        for name, count in zip(names, counts.tolist(), strict=True):
            if name not in self._numbers:
                self._numbers[name] = len(self._names)
                self._names.append(name)
                group = int(self._rows.argmin()) if name else 0
                self._groups = np.append(self._groups, group)
            self._rows[self._groups[self._numbers[name]]] += count
        return np.array([self._numbers[name] for name in names], dtype=np.int64)[codes]

    def _write(self, group: int, source: int, batch: pa.RecordBatch) -> None:
        content = batch.serialize()
        self._pieces[group].append(Piece(source, batch.schema, self._file.tell(), len(content)))
        self._file.write(content)

    def _read(self, piece: Piece) -> pd.DataFrame:
        self._file.seek(piece.offset)
        batch = pa.ipc.read_record_batch(pa.py_buffer(self._file.read(piece.length)), piece.schema)
        columns = {name: batch[name].to_numpy() for name in batch.schema.names}
        services = pd.Series(self._names, dtype="str").take(columns.pop(NUMBER))
        return pd.DataFrame({**columns, SERVICE: services.array})


@contextmanager
def _telling_of_the_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = "the disk is full" if error.errno == errno.ENOSPC else str(error.strerror)
        raise _no_room(reason) from error


def _no_room(reason: str) -> ConfigError:
    what = f"no room for the rows that do not fit in memory: {reason}"
    mend = "set TMPDIR to a folder on a larger disk"
    return ConfigError(what, where=tempfile.gettempdir(), mend=mend)
