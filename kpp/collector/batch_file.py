"""A CSV file that grows by whole batches: what is on disk is valid at any instant."""

import contextlib
import csv
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kpp.errors import ConfigError

Row = Sequence[object]


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
        try:
            self.write([columns])
            self._header_end = self._end
            _sync_directory(path.parent)
        except BaseException:
            self.discard()
            raise

    def write(self, rows: Iterable[Row]) -> None:
        """Append rows: all of them, or none. None is an empty cell.

        Raises:
            ConfigError: they could not be written.
        """
        content = _as_csv(rows)
        try:
            with _explained(self.path):
                unwritten = memoryview(content)
                while unwritten:  # one write takes it all, unless the disk is about to be full
                    unwritten = unwritten[self._file.write(unwritten) :]
                os.fsync(self._file.fileno())
            self._end += len(content)
        except BaseException:
            self._cut_back()
            raise

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

    def _cut_back(self) -> None:
        with _explained(self.path):
            self._file.truncate(self._end)
            self._file.seek(self._end)
            os.fsync(self._file.fileno())


def _as_csv(rows: Iterable[Row]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _sync_directory(directory: Path) -> None:
    """Let the file's name survive a power cut as well; not every platform and file system offers it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


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
