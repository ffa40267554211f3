"""From files to one valid table: what cannot be used, or was read before, is left out and told."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from kpp.errors import InputError
from kpp.table.columns import (
    LINE,
    REASON,
    SERVICE,
    SOURCE,
    STEP_SECONDS,
    TARGETS,
    TIMESTAMP,
    USER_COUNT,
    Table,
)
from kpp.table.faults import place
from kpp.table.files import read_file
from kpp.table.folders import TableFile, is_folder, list_files, split_by_service
from kpp.table.values import type_columns

MINUTE = "minute"


def read_table(paths: Sequence[Path]) -> Table:
    """Read files as one table; see `kpp.schema.read_measurements`."""
    files = list_files(paths)
    notes = ["a file was named twice and read once"] if len(files) < len(paths) else []
    return _read_files(files, notes)


def read_table_groups(paths: Sequence[Path]) -> Iterator[Table]:
    """Read files group by group of services; see `kpp.schema.read_measurement_groups`."""
    for files in split_by_service(list_files(paths)):
        if all(file.only is None for file in files) and not any(is_folder(path) for path in paths):
            yield read_table(paths)
        else:
            yield _read_files(files, [])


def _read_files(files: Sequence[TableFile], notes: list[str]) -> Table:
    frames = []
    for each in files:
        file = read_file(each.path, each.service, each.only)
        frame, converted = type_columns(file)
        frames.append(frame)
        notes += [*file.notes, *converted]
    rows = pd.concat(frames, ignore_index=True)
    once = [each.path for each in files]
    rows[SOURCE] = pd.Categorical(rows[SOURCE], categories=[str(path) for path in once])

    rows, left_out = _leave_out_unusable(rows)
    if rows.empty:
        mend = "collect again, or name another file"
        raise InputError("no usable row", where=", ".join(map(str, once)), mend=mend)
    _refuse_contradictions(rows)
    rows, doubles = _drop_duplicates(rows)
    notes += describe_left_out(left_out) + describe_left_out(doubles)
    return Table(rows.reset_index(drop=True), left_out, tuple(notes))


def nearest_minute(timestamps: "pd.Series[float]") -> "pd.Series[int]":
    """Round Unix seconds to whole minutes, as Unix seconds; half a minute counts as the next.

    >>> nearest_minute(pd.Series([29.0, 30.0, 91.0])).tolist()
    [0, 60, 120]
    """
    steps = (timestamps / STEP_SECONDS + 0.5) // 1
    return (steps * STEP_SECONDS).astype("int64")


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


def _refuse_contradictions(rows: pd.DataFrame) -> None:
    """Refuse files that name different user counts for one minute of a service.

    Within one file that is a change of the load. Two files that share a user count for the minute agree.
    """
    if len(rows[SOURCE].cat.categories) == 1:
        return
    seen = rows.assign(**{MINUTE: nearest_minute(rows[TIMESTAMP])})
    seen = seen.drop_duplicates([SERVICE, MINUTE, USER_COUNT, SOURCE])
    minutes = [SERVICE, MINUTE]
    files = seen.groupby(minutes)[SOURCE].transform("nunique")
    seen["sharing"] = seen.groupby([*minutes, USER_COUNT])[SOURCE].transform("nunique")
    contradicting = seen[seen.groupby(minutes)["sharing"].transform("max") < files]
    if contradicting.empty:
        return
    first = contradicting.iloc[0]
    rivals = contradicting[
        (contradicting[SERVICE] == first[SERVICE])
        & (contradicting[MINUTE] == first[MINUTE])
        & (contradicting[SOURCE] != first[SOURCE])
        & (contradicting[USER_COUNT] != first[USER_COUNT])
    ]
    second = rivals.iloc[0]
    here, there = (f"{row[SOURCE]}, {place(Path(row[SOURCE]), [row[LINE]])}" for row in (first, second))
    others = len(contradicting.drop_duplicates(minutes)) - 1
    more = f" (and so in {others} more minutes)" if others else ""
    counts = f"{first[USER_COUNT]:g} users, but in the same minute {second[USER_COUNT]:g} in {there}"
    mend = "the files are of different campaigns or clusters: name only one of them"
    raise InputError(f"{first[SERVICE]} has {counts}{more}", where=here, mend=mend)


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
