"""The campaign's two tables: measurements and calls, under one stem, in batches that survive a crash."""

import contextlib
import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from kpp.collector.batch_file import BatchFile, Mark
from kpp.collector.measurement import Measurement
from kpp.files import make_directory
from kpp.schema import CALLEE, CALLER, CALLS, OPTIONAL_COLUMNS, REQUIRED_COLUMNS, USER_COUNT

if TYPE_CHECKING:  # loading it takes the Kubernetes client with it
    from kpp.collector.prometheus.signals import Call

MEASUREMENT_COLUMNS = (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS)
CALL_COLUMNS = (CALLER, CALLEE, CALLS, USER_COUNT)
RESULTS, CALLS_OF = "performance_results_", "performance_calls_"  # before the stem


@dataclass(frozen=True)
class TableMarks:
    """A place in each of the campaign's tables."""

    measurements: Mark
    calls: Mark


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
        make_output_directory(directory)
        self._measurements, self._calls = _open_next_free(directory, started_at)

    @classmethod
    def open_again(cls, directory: Path, stem: str, marks: TableMarks | None) -> Self:
        """Go on with the files of this stem, or make those that are missing and had no row.

        Args:
            directory: where they are.
            stem: what their names share.
            marks: what is to be kept of each; None keeps no row.

        Raises:
            InputError: a file is not what was written.
        """
        writer = cls.__new__(cls)
        writer._measurements = BatchFile.open_again(
            directory / f"{RESULTS}{stem}.csv", MEASUREMENT_COLUMNS, marks.measurements if marks else None
        )
        try:
            writer._calls = BatchFile.open_again(
                directory / f"{CALLS_OF}{stem}.csv", CALL_COLUMNS, marks.calls if marks else None
            )
        except BaseException:
            writer._measurements.close()
            raise
        return writer

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
        return self.path.stem.removeprefix(RESULTS)

    @property
    def marks(self) -> TableMarks:
        """How far both files are written."""
        return TableMarks(self._measurements.mark, self._calls.mark)

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


def make_output_directory(directory: Path) -> None:
    """Make the folder of the campaign's files.

    Raises:
        ConfigError: it cannot be made.
    """
    make_directory(directory, "name a folder that you may write to with KPP_OUTPUT_DIRECTORY")


def stems(started_at: float) -> Iterator[str]:
    """`YYYYMMDD-HHMMSS` of an instant in UTC, then of the seconds after it."""
    for second in itertools.count(math.floor(started_at)):
        yield datetime.fromtimestamp(second, tz=UTC).strftime("%Y%m%d-%H%M%S")


def _open_next_free(directory: Path, started_at: float) -> tuple[BatchFile, BatchFile]:
    for stem in stems(started_at):
        with contextlib.suppress(FileExistsError):
            return _open_pair(directory, stem)
    raise AssertionError("seconds never end")


def _open_pair(directory: Path, stem: str) -> tuple[BatchFile, BatchFile]:
    """Make both files or none."""
    measurements = BatchFile(directory / f"{RESULTS}{stem}.csv", MEASUREMENT_COLUMNS)
    try:
        return measurements, BatchFile(directory / f"{CALLS_OF}{stem}.csv", CALL_COLUMNS)
    except BaseException:
        measurements.discard()
        raise
