"""The journal of a campaign: what it is about to do and what it has done, line by line, each on disk at once.

A line is a JSON object with `event` and `at` (Unix seconds). The first is `campaign`: settings, experiments
and queries; then `found`: the cluster as it was, before anything is changed. `journal_record.py` reads
it. A machine that goes down while a line is written leaves a part of it, which counts as not written.
"""

import contextlib
import dataclasses
import fcntl
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from uuid import uuid4

from kpp import __version__
from kpp.clock import Clock
from kpp.collector.campaign.manifest import describe_queries, describe_settings
from kpp.collector.campaign.plan import Experiment, Phase, Plan
from kpp.collector.cluster.state import Restored
from kpp.collector.config import Config
from kpp.collector.csv_writer import CALLS_OF, RESULTS, TableMarks, make_output_directory, stems
from kpp.errors import ConfigError
from kpp.files import sync_directory

logger = logging.getLogger(__name__)

JOURNAL, SUFFIX = "performance_journal_", ".jsonl"  # around the stem
FORMAT_VERSION = 1


class Journal:
    """A journal that is being written. A context manager; only one process can have it open.

    Raises:
        ConfigError: by every method, when the file cannot be written.
    """

    def __init__(self, path: Path, file: IO[bytes], clock: Clock) -> None:
        """Take over an open file; `create` and `open_again` give one."""
        self.path = path
        self._file = file
        self._clock = clock
        self._is_new = True

    @classmethod
    def create(cls, directory: Path, clock: Clock) -> Self:
        """Make the journal of a new campaign, under a stem that is free for its tables too."""
        make_output_directory(directory)
        for stem in stems(clock.now()):
            path = directory / f"{JOURNAL}{stem}{SUFFIX}"
            if any(os.path.lexists(directory / f"{prefix}{stem}.csv") for prefix in (RESULTS, CALLS_OF)):
                continue
            try:
                file = path.open("xb", buffering=0)
            except FileExistsError:
                continue
            except OSError as error:
                raise _cannot_be_written(path, error) from error
            _lock(path, file)
            sync_directory(directory)
            return cls(path, file, clock)
        raise AssertionError("seconds never end")

    @classmethod
    def open_again(cls, path: Path, clock: Clock) -> Self:
        """Go on with a journal; a last line that is not whole is cut off.

        Raises:
            ConfigError: the campaign is still running; or the file cannot be written.
        """
        try:
            file = path.open("r+b", buffering=0)
        except OSError as error:
            raise _cannot_be_written(path, error) from error
        _lock(path, file)
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)
        journal = cls(path, file, clock)
        journal._is_new = False
        return journal

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the file; a new campaign that never touched the cluster leaves none."""
        if self._is_new:
            self.path.unlink(missing_ok=True)
        self._file.close()

    @property
    def stem(self) -> str:
        """What the names of the campaign's files share, `YYYYMMDD-HHMMSS`."""
        return stem_of(self.path)

    def begin(self, config: Config, plan: Plan) -> str:
        """Record what is going to be done; returns the campaign's own id."""
        campaign_id = str(uuid4())
        self.write(
            "campaign",
            format_version=FORMAT_VERSION,
            campaign_id=campaign_id,
            kpp_version=__version__,
            settings=describe_settings(config),
            experiments=[dataclasses.asdict(experiment) for experiment in plan.experiments],
            queries=describe_queries(config),
        )
        return campaign_id

    def found(self, cluster: Mapping[str, Any]) -> None:
        """Record the cluster as it is, before it is changed."""
        self.write("found", **cluster)
        self._is_new = False

    def resumed(self) -> None:
        """Record that another process goes on."""
        self.write("resumed", kpp_version=__version__, process=os.getpid())

    def entered(self, experiment: Experiment, phase: Phase) -> None:
        """Record the start of a phase, which is the end of the one before."""
        self.write("phase", experiment=experiment.number, phase=phase)

    def completed(self, experiment: Experiment, marks: TableMarks, row_count: int, **details: Any) -> None:
        """Record that all rows of an experiment are on disk, and where the tables end."""
        self.write(
            "completed",
            experiment=experiment.number,
            user_count=experiment.user_count,
            row_count=row_count,
            tables=dataclasses.asdict(marks),
            **details,
        )

    def judged(self, number: int, quality: Mapping[str, Any]) -> None:
        """Record how far an experiment can be trusted, which is about to be completed or was ended."""
        self.write("judged", experiment=number, quality=quality)

    def restored(self, restored: Restored) -> None:
        """Record that the cluster is as it was found, what had to be changed for that, and what is gone."""
        self.write("restored", changes=list(restored.changes), gone=list(restored.gone))

    def ended(self, outcome: str, error: str | None = None) -> None:
        """Record how this process ended: `completed`, `interrupted` or `failed`."""
        self.write("ended", outcome=outcome, error=error)

    def write(self, event: str, **content: Any) -> None:
        """Append a line; it is on disk on return. One that is broken off leaves no part of it."""
        line = json.dumps({"event": event, "at": self._clock.now(), **content}, default=str) + "\n"
        end = self._file.seek(0, os.SEEK_END)
        try:
            unwritten = memoryview(line.encode())
            while unwritten:
                unwritten = unwritten[self._file.write(unwritten) :]
            os.fsync(self._file.fileno())
        except BaseException as error:
            with contextlib.suppress(OSError):
                self._file.truncate(end)
            if isinstance(error, OSError):
                raise _cannot_be_written(self.path, error) from error
            raise


def stem_of(path: Path) -> str:
    """The stem in the name of a journal.

    >>> stem_of(Path("dataset/performance_journal_20260301-235959.jsonl"))
    '20260301-235959'
    """
    return path.stem.removeprefix(JOURNAL)


def _lock(path: Path, file: IO[bytes]) -> None:
    """The lock goes with the process, however it ends."""
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise ConfigError(
            "its campaign is still running",
            where=str(path),
            mend="wait for its end, or stop it with Ctrl-C: it restores the cluster itself",
        ) from None
    except OSError as error:  # some network file systems have no locks
        logger.warning("%s cannot be locked (%s): do not resume it while it runs", path, error.strerror)


def _cannot_be_written(path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"cannot be written: {error.strerror or error}",
        where=str(path),
        mend="make room and check the rights there, or name another place with KPP_OUTPUT_DIRECTORY",
    )
