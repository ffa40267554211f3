"""The campaign's two tables: measurements and calls, under one stem, in batches that survive a crash."""

import contextlib
import itertools
import math
from collections.abc import Iterable
from dataclasses import astuple
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from kpp.collector.batch_file import BatchFile
from kpp.collector.measurement import Measurement
from kpp.errors import ConfigError
from kpp.schema import CALLEE, CALLER, CALLS, OPTIONAL_COLUMNS, REQUIRED_COLUMNS, USER_COUNT

if TYPE_CHECKING:  # loading it takes the Kubernetes client with it
    from kpp.collector.signals import Call

MEASUREMENT_COLUMNS = (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS)
CALL_COLUMNS = (CALLER, CALLEE, CALLS, USER_COUNT)


class CsvWriter:
    """Writes `performance_results_YYYYMMDD-HHMMSS.csv` and its `performance_calls_YYYYMMDD-HHMMSS.csv`.

    A context manager. Both files are there, with their headers, from the start: so the stem is theirs.

    Raises:
        ConfigError: by every method, when a file cannot be made or written. A full disk counts as a wrong
            configuration because that is where it is mended: KPP_OUTPUT_DIRECTORY names a place without room
            or rights, while neither input data nor the cluster nor kpp are at fault.
    """

    def __init__(self, directory: Path, started_at: float) -> None:
        """Make the files.

        Args:
            directory: where; it is made if need be.
            started_at: Unix seconds. They name the files, in UTC; if a name is taken, the next free second
                does, so that no file is ever overwritten.
        """
        _make_directory(directory)
        self._measurements, self._calls = _open_next_free(directory, math.floor(started_at))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def path(self) -> Path:
        """The file of measurements."""
        return self._measurements.path

    @property
    def calls_path(self) -> Path:
        """The file of calls."""
        return self._calls.path

    @property
    def stem(self) -> str:
        """What the names of the two files share, `YYYYMMDD-HHMMSS`."""
        return self.path.stem.removeprefix("performance_results_")

    def write_batch(self, rows: Iterable[Measurement]) -> None:
        """Append one tick's measurements: all, or, when that fails, none. They are on disk on return."""
        self._measurements.write(astuple(row) for row in rows)

    def write_calls(self, calls: "Iterable[Call]", user_count: int) -> None:
        """Append one experiment's calls: all, or, when that fails, none. They are on disk on return."""
        self._calls.write((call.caller, call.callee, call.calls, user_count) for call in calls)

    def close(self) -> None:
        """Close both files; one without a row is removed, since no command could use it."""
        for file in (self._measurements, self._calls):
            if file.has_rows:
                file.close()
            else:
                file.discard()


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"is no folder and cannot be made one: {error.strerror}",
            where=str(directory),
            mend="name a folder that you may write to with KPP_OUTPUT_DIRECTORY",
        ) from error


def _open_next_free(directory: Path, started_at: int) -> tuple[BatchFile, BatchFile]:
    for second in itertools.count(started_at):
        stem = datetime.fromtimestamp(second, tz=UTC).strftime("%Y%m%d-%H%M%S")
        with contextlib.suppress(FileExistsError):
            return _open_pair(directory, stem)
    raise AssertionError("seconds never end")


def _open_pair(directory: Path, stem: str) -> tuple[BatchFile, BatchFile]:
    """Make both files or none."""
    measurements = BatchFile(directory / f"performance_results_{stem}.csv", MEASUREMENT_COLUMNS)
    try:
        return measurements, BatchFile(directory / f"performance_calls_{stem}.csv", CALL_COLUMNS)
    except BaseException:
        measurements.discard()
        raise
