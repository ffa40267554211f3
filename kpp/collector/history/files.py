"""The files of an import: measurements, calls and a record, all written or none, none overwritten."""

import csv
import io
import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from kpp import __version__
from kpp.collector.config import Config
from kpp.collector.history.instants import Grid, tell_instant
from kpp.collector.history.ranges import Question
from kpp.collector.prometheus.signals import Call
from kpp.errors import ConfigError
from kpp.files import make_directory, write_whole
from kpp.schema import CALLEE, CALLER, CALLS

if TYPE_CHECKING:
    import pandas as pd

RESULTS = "performance_results_"
SETTINGS = (  # those of `Config` that an import heeds
    "prometheus_url",
    "namespace",
    "excluded_services",
    "load_generator",
    "entry_service",
    "rate_window_seconds",
    "cpu_rate_window_seconds",
    "profile",
)


@dataclass(frozen=True)
class ImportFiles:
    """Where an import is written."""

    measurements: Path
    calls: Path
    record: Path


def choose_files(output: Path | None, folder: Path, now: float) -> ImportFiles:
    """The names of the files, none of which exists.

    Args:
        output: the table's file, or None for `performance_results_YYYYMMDD-HHMMSS.csv`, as of a campaign.
        folder: where, if `output` is None.
        now: Unix seconds.

    Raises:
        ConfigError: a file exists, or its name does not end with `.csv`.
    """
    if output is None:
        return _next_free(folder, math.floor(now))
    if output.suffix != ".csv":
        raise ConfigError("the table is written as CSV", where=str(output), mend="let its name end with .csv")
    files = _name_files(output)
    for path in (files.measurements, files.calls, files.record):
        if path.exists():
            raise ConfigError("is there already", where=str(path), mend="name another file, or move it away")
    return files


def write_import(
    files: ImportFiles,
    config: Config,
    grid: Grid,
    load: str,
    questions: Sequence[Question],
    measurements: "pd.DataFrame",
    calls: Sequence[Call],
) -> None:
    """Write all files, or none; without calls, none of calls.

    Raises:
        ConfigError: they cannot be written.
    """
    record = {
        "kpp_version": __version__,
        "from": tell_instant(grid.start),
        "to": tell_instant(grid.end),
        "step_seconds": grid.step_seconds,
        "load": load,
        "settings": {name: getattr(config, name) for name in SETTINGS},
        "queries": {question.name: question.text for question in questions},
    }
    contents = {
        files.measurements: measurements.to_csv(index=False, lineterminator="\n").encode(),
        files.record: (json.dumps(record, indent=2, default=str) + "\n").encode(),
    }
    if calls:
        contents[files.calls] = _write_calls(calls)
    for folder in {path.parent for path in contents}:
        make_directory(folder)
    write_whole(contents)


def _write_calls(calls: Sequence[Call]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((CALLER, CALLEE, CALLS))
    writer.writerows((call.caller, call.callee, call.calls) for call in calls)
    return text.getvalue().encode()


def _next_free(folder: Path, now: int) -> ImportFiles:
    for second in itertools.count(now):
        stem = datetime.fromtimestamp(second, UTC).strftime("%Y%m%d-%H%M%S")
        files = _name_files(folder / f"{RESULTS}{stem}.csv")
        if not any(path.exists() for path in (files.measurements, files.calls, files.record)):
            return files
    raise AssertionError("seconds never end")


def _name_files(table: Path) -> ImportFiles:
    """`kpp fit` finds the calls by this name beside a table that is named as a campaign's."""
    if table.name.startswith(RESULTS):
        return ImportFiles(
            table,
            table.with_name(table.name.replace(RESULTS, "performance_calls_", 1)),
            table.with_name(table.name.replace(RESULTS, "performance_import_", 1)).with_suffix(".json"),
        )
    return ImportFiles(table, table.with_name(f"{table.stem}_calls.csv"), table.with_suffix(".json"))
