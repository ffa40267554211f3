"""A CSV file that grows by whole batches: what is on disk is valid at any instant."""

import csv
import hashlib
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from kpp.errors import ConfigError, InputError
from kpp.files import sync_directory

Row = Sequence[object]


@dataclass(frozen=True)
class Mark:
    """A place in a file up to which its content is known."""

    size_bytes: int
    sha256: str  # of everything before it


class BatchFile:
    """A new CSV file with a header; a batch of rows is written as one and is on disk when `write` returns.

    Whatever breaks a batch off (a full disk, Ctrl-C), the file is cut back to the end of the batch before.
    Only a machine that goes down in the middle of a write may leave a part of a batch.
    """

    def __init__(self, path: Path, columns: Row) -> None:
        """Make the file.

        Raises:
            FileExistsError: there is one of this name; it is left as it is.
            ConfigError: it cannot be made.
        """
        self.path = path
        with _explained(path):
            self._file = path.open("xb", buffering=0)
        self._end = 0  # of the last whole batch, in bytes
        self._digest = hashlib.sha256()
        try:
            self.write([columns])
            self._header_end = self._end
            sync_directory(path.parent)
        except BaseException:
            self.discard()
            raise

    @classmethod
    def open_again(cls, path: Path, columns: Row, mark: Mark | None) -> Self:
        """Go on with a file, from `mark`: what was written after it is cut off. None keeps the header only.

        A file that is missing and has no row before the mark is made anew.

        Raises:
            InputError: what it holds before the mark is not what was written.
            ConfigError: it cannot be opened, cut or made.
        """
        header = _as_csv([columns])
        end = len(header) if mark is None else mark.size_bytes
        if not path.exists() and end <= len(header):
            return cls(path, columns)
        with _explained(path):
            content = path.read_bytes()
        if mark is None:
            end = min(end, len(content))  # a machine that went down may have left a part of the header
        digest = hashlib.sha256(content[:end])
        expected = hashlib.sha256(header[:end]).hexdigest() if mark is None else mark.sha256
        if digest.hexdigest() != expected or len(content) < end:
            raise InputError(
                "was changed since the campaign wrote it",
                where=str(path),
                mend="put the file back as it was, or start a new campaign",
            )
        file = cls.__new__(cls)
        with _explained(path):
            file._file = path.open("r+b", buffering=0)
        file.path, file._end, file._digest, file._header_end = path, end, digest, len(header)
        file._cut_back()
        if end < len(header):
            file._write(header[end:])
        return file

    def write(self, rows: Iterable[Row]) -> None:
        """Append rows: all of them, or none. None is an empty cell.

        Raises:
            ConfigError: they could not be written.
        """
        self._write(_as_csv(rows))

    @property
    def mark(self) -> Mark:
        """The end of the last whole batch."""
        return Mark(self._end, self._digest.hexdigest())

    @property
    def has_rows(self) -> bool:
        """Whether there is more than the header."""
        return self._end > self._header_end

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def discard(self) -> None:
        """Close the file and remove it."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _write(self, content: bytes) -> None:
        try:
            with _explained(self.path):
                unwritten = memoryview(content)
                while unwritten:  # one write takes it all, unless the disk is about to be full
                    unwritten = unwritten[self._file.write(unwritten) :]
                os.fsync(self._file.fileno())
            self._end += len(content)
            self._digest.update(content)
        except BaseException:
            self._cut_back()
            raise

    def _cut_back(self) -> None:
        with _explained(self.path):
            self._file.truncate(self._end)
            self._file.seek(self._end)
            os.fsync(self._file.fileno())


def _as_csv(rows: Iterable[Row]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Translate the system's errors. The place is at fault, so it is an error of the configuration."""
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        raise ConfigError(
            f"cannot be written: {error.strerror or error}",
            where=str(path),
            mend="make room and check the rights there, or name another place with KPP_OUTPUT_DIRECTORY",
        ) from error
