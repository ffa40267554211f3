"""From files to one valid table: what cannot be used, or was read before, is left out and told."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd

from kpp.errors import InputError
from kpp.table import folders
from kpp.table.columns import (
    LINE,
    REASON,
    SERVICE,
    SOURCE,
    TARGETS,
    TIMESTAMP,
    USER_COUNT,
    Table,
)
from kpp.table.contradictions import find_contradictions, refuse_contradictions
from kpp.table.faults import place
from kpp.table.files import FileReader
from kpp.table.folders import TableFile, count_rows, fit_in_memory, group_by_service, list_files
from kpp.table.raw import KNOWN_COLUMNS
from kpp.table.spill import opened_spill

SORTING_SHARE = 0.8  # of the time, where several files are compared afterwards

OnProgress: TypeAlias = Callable[[float], None]  # called with the share of the files that was read
Part: TypeAlias = tuple[int, pd.DataFrame]  # the number of a file, and rows of it


def _tell_nobody(_share: float) -> None:
    pass


def read_table(paths: Sequence[Path]) -> Table:
    """Read files as one table; see `kpp.schema.read_measurements`."""
    files, notes = _list_files(paths)
    table = _read_files(files, notes)
    refuse_nothing(files, is_any_usable=not table.frame.empty)
    return table


def read_table_groups(paths: Sequence[Path], on_progress: OnProgress = _tell_nobody) -> Iterator[Table]:
    """Read files group by group of services; see `kpp.schema.read_measurement_groups`."""
    files, notes = _list_files(paths)
    by_service = group_by_service(files)
    if fit_in_memory(files):
        groups = iter([_read_files(files, notes)])
    elif by_service is not None:
        groups = _read_folders(by_service, notes)
    else:
        groups = _read_sorted(files, notes, on_progress)
    is_any_usable = False
    for table in groups:
        is_any_usable |= not table.frame.empty
        yield table
    refuse_nothing(files, is_any_usable)


def _list_files(paths: Sequence[Path]) -> tuple[list[TableFile], list[str]]:
    files = list_files(paths)
    return files, ["a file was named twice and read once"] if len(files) < len(paths) else []


def read_rows(files: Sequence[TableFile], notes: list[str], on_progress: OnProgress) -> Iterator[Part]:
    """Read all rows of files, some at a time; `notes` gets what is told of each file."""
    total = max(count_rows(files), 1)
    done = 0
    for number, file in enumerate(files):
        reader = FileReader(file)
        for rows in reader.rows():
            yield number, rows
            on_progress(min(1.0, (done + file.row_count * reader.share_read) / total))
        done += file.row_count
        notes += reader.notes


def _read_files(files: Sequence[TableFile], notes: list[str]) -> Table:
    """Read all rows of files into memory."""
    parts = [*read_rows(files, notes, _tell_nobody)]
    return make_table(files, parts, notes)


def _read_folders(by_service: Sequence[Sequence[TableFile]], notes: list[str]) -> Iterator[Table]:
    """Read group by group what is sorted into folders already."""
    for number, own in enumerate(by_service, start=1):
        yield replace(_read_files(own, notes), group=(number, len(by_service)))
        notes = []


def _read_sorted(files: Sequence[TableFile], notes: list[str], on_progress: OnProgress) -> Iterator[Table]:
    """Read all files once and sort their rows by service onto the disk; then group by group from there.

    Several files are compared before the first group, so that what cannot be used is told before it is.
    """
    total = count_rows(files)
    sorting = 1.0 if len(files) == 1 else SORTING_SHARE
    with opened_spill(-(-total // folders.MOST_ROWS), total) as spill:
        for number, rows in read_rows(files, notes, lambda share: on_progress(share * sorting)):
            spill.add(number, rows)
        if len(files) > 1:
            found = []
            for done, group in enumerate(spill.groups, start=1):
                usable, _ = _leave_out_unusable(_join(files, spill.read(group)))
                found.append(find_contradictions(usable))
                on_progress(sorting + (1 - sorting) * done / len(spill.groups))
            refuse_contradictions(found)
        for number, group in enumerate(spill.groups, start=1):
            table = make_table(files, spill.read(group), notes)
            yield replace(table, group=(number, len(spill.groups)))
            notes = []


def make_table(files: Sequence[TableFile], parts: Sequence[Part], notes: Sequence[str]) -> Table:
    """Put rows together, without those that cannot be used or are there twice."""
    usable, left_out = _leave_out_unusable(_join(files, parts))
    refuse_contradictions([find_contradictions(usable)])
    usable, doubles = _drop_duplicates(usable)
    told = [*notes, *describe_left_out(left_out), *describe_left_out(doubles)]
    return Table(usable.reset_index(drop=True), left_out, tuple(told))


def _join(files: Sequence[TableFile], parts: Sequence[Part]) -> pd.DataFrame:
    """All rows, with the columns of `kpp.schema.Table`."""
    rows = pd.concat([rows for _, rows in parts], ignore_index=True)
    lengths = [len(part) for _, part in parts]
    sources = np.repeat(np.array([number for number, _ in parts]), lengths)
    paths = pd.Index([str(file.path) for file in files])
    rows[SOURCE] = pd.Categorical.from_codes(sources, paths)
    known = [column for column in KNOWN_COLUMNS if column in rows]
    return rows[[*known, SOURCE, LINE]]


def refuse_nothing(files: Sequence[TableFile], is_any_usable: bool) -> None:
    """Refuse files without any usable row."""
    if not is_any_usable:
        where = ", ".join(str(file.path) for file in files)
        raise InputError("no usable row", where=where, mend="collect again, or name another file")


def _leave_out_unusable(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split off the rows that cannot be used, with the reason."""
    reasons = {
        "no timestamp": rows[TIMESTAMP].isna(),
        "no service": rows[SERVICE] == "",
        "no user count": rows[USER_COUNT].isna(),
        "none of the targets measured": rows[list(TARGETS)].isna().all(axis=1),
    }
    masks = [mask.to_numpy(dtype=bool) for mask in reasons.values()]
    reason = np.select(masks, list(reasons), default="")
    unusable = reason != ""
    left_out = rows.loc[unusable, [SERVICE, SOURCE, LINE]].assign(**{REASON: reason[unusable]})
    return rows[~unusable], left_out.reset_index(drop=True)


def _drop_duplicates(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Let identical rows count once, in one file or across files; also gives those that were dropped."""
    values = [column for column in rows.columns if column not in (SOURCE, LINE)]
    candidates = rows[rows.duplicated([TIMESTAMP, SERVICE], keep=False)]
    double = candidates[candidates.duplicated(values)]
    dropped = double[[SERVICE, SOURCE, LINE]].assign(**{REASON: "the same as an earlier row"})
    return rows.drop(index=double.index), dropped


def describe_left_out(left_out: pd.DataFrame) -> list[str]:
    """One line for each file and reason, with the lines' numbers."""
    notes = []
    for (source, reason), rows in left_out.groupby([SOURCE, REASON], observed=True):
        count = f"{len(rows)} row{'s' if len(rows) > 1 else ''}"
        notes.append(f"{source}: {count} left out, {reason}: {place(Path(str(source)), rows[LINE])}")
    return notes
