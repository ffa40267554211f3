"""A part of tables that do not fit in memory, for what looks at all services: every load, fewer minutes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kpp.table import folders
from kpp.table.columns import TIMESTAMP, USER_COUNT, Table
from kpp.table.folders import TableFile, count_rows, fit_in_memory, list_files
from kpp.table.minutes import MINUTE, nearest_minute
from kpp.table.reading import OnProgress, Part, make_table, read_rows, read_table, refuse_nothing


def read_thinned_table(paths: Sequence[Path], on_progress: OnProgress) -> Table:
    """Read files as one table; see `kpp.schema.read_thinned_measurements`."""
    files = list_files(paths)
    if fit_in_memory(files):
        return read_table(paths)
    loads = _list_loads(files, lambda share: on_progress(share / 2))
    kept = choose_minutes(loads, round(len(loads) * folders.MOST_ROWS / count_rows(files)))
    parts, notes = _read_minutes(files, kept, lambda share: on_progress((1 + share) / 2))
    used = f"{len(kept)} of {len(loads)} minutes are used"
    notes.append(f"the tables do not fit in memory: {used}, of each user count as many as can be")
    table = make_table(files, parts, notes)
    refuse_nothing(files, is_any_usable=not table.frame.empty)
    return table


def choose_minutes(loads: pd.DataFrame, most: int) -> NDArray[np.int64]:
    """Choose so many minutes: of each user count the same number, where it has so many, evenly over time.

    Args:
        loads: `MINUTE` and `USER_COUNT`, each pair once.
        most: how many; each user count has one at least, though.

    Returns:
        Them, ascending.
    """
    in_time = loads.sort_values([USER_COUNT, MINUTE], ignore_index=True)
    minutes = in_time.groupby(USER_COUNT)[MINUTE]
    each = _share_out(np.asarray(minutes.size(), dtype=np.int64), most)
    position, count = minutes.cumcount(), minutes.transform("size")
    # `each` steps of equal length over `count` minutes: those where a step begins
    begins = (position * each) // count > ((position - 1) * each) // count
    return np.unique(in_time.loc[begins | (count <= each), MINUTE].to_numpy())


def _share_out(counts: NDArray[np.int64], most: int) -> int:
    """How many of each there may be, at least one, so that all together are not more than `most`.

    >>> _share_out(np.array([2, 10, 10]), 12), _share_out(np.array([2, 10, 10]), 100)
    (5, 10)
    """
    least, largest = 1, int(counts.max(initial=1))
    while least < largest:
        middle = (least + largest + 1) // 2
        if np.minimum(counts, middle).sum() <= most:
            least = middle
        else:
            largest = middle - 1
    return least


def _list_loads(files: Sequence[TableFile], on_progress: OnProgress) -> pd.DataFrame:
    """The user counts of all minutes: `MINUTE` and `USER_COUNT`, each pair once."""
    loads = pd.DataFrame({MINUTE: np.zeros(0, dtype=np.int64), USER_COUNT: np.zeros(0)})
    for _, rows in read_rows(files, [], on_progress):
        known = rows[[TIMESTAMP, USER_COUNT]].dropna()
        found = known.assign(**{MINUTE: nearest_minute(known[TIMESTAMP])})
        loads = pd.concat([loads, found[[MINUTE, USER_COUNT]]]).drop_duplicates()
    return loads


def _read_minutes(
    files: Sequence[TableFile], minutes: NDArray[np.int64], on_progress: OnProgress
) -> tuple[list[Part], list[str]]:
    """The rows of these minutes, and what reading told."""
    notes: list[str] = []
    parts = [
        (number, rows[rows[TIMESTAMP].notna() & nearest_minute(rows[TIMESTAMP].fillna(-1)).isin(minutes)])
        for number, rows in read_rows(files, notes, on_progress)
    ]
    return parts, notes
