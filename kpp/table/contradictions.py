"""Files that tell different things of the same minute."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from kpp.errors import InputError
from kpp.table.columns import LINE, SERVICE, SOURCE, TIMESTAMP, USER_COUNT
from kpp.table.faults import place
from kpp.table.minutes import MINUTE, nearest_minute


@dataclass(frozen=True, order=True)
class Contradiction:
    """Files that name different user counts for minutes of some services.

    Attributes:
        source: the number of the file that has the first of the rows.
        line: of that row.
        where: both in words.
        what: the row and one that contradicts it, in words.
        minutes: of how many minutes and services it is so.
    """

    source: int
    line: int
    where: str
    what: str
    minutes: int


def find_contradictions(rows: pd.DataFrame) -> Contradiction | None:
    """Find files that name different user counts for one minute of a service.

    Within one file that is a change of the load. Two files that share a user count for the minute agree.

    Args:
        rows: as `kpp.schema.Table` has them, in the order of the files.
    """
    if len(rows[SOURCE].cat.categories) == 1:
        return None
    seen = rows.assign(**{MINUTE: nearest_minute(rows[TIMESTAMP])})
    seen = seen.drop_duplicates([SERVICE, MINUTE, USER_COUNT, SOURCE])
    minutes = [SERVICE, MINUTE]
    files = seen.groupby(minutes)[SOURCE].transform("nunique")
    seen["sharing"] = seen.groupby([*minutes, USER_COUNT])[SOURCE].transform("nunique")
    contradicting = seen[seen.groupby(minutes)["sharing"].transform("max") < files]
    if contradicting.empty:
        return None
    first = contradicting.iloc[0]
    rivals = contradicting[
        (contradicting[SERVICE] == first[SERVICE])
        & (contradicting[MINUTE] == first[MINUTE])
        & (contradicting[SOURCE] != first[SOURCE])
        & (contradicting[USER_COUNT] != first[USER_COUNT])
    ]
    second = rivals.iloc[0]
    here, there = (f"{row[SOURCE]}, {place(Path(row[SOURCE]), [row[LINE]])}" for row in (first, second))
    counts = f"{first[USER_COUNT]:g} users, but in the same minute {second[USER_COUNT]:g} in {there}"
    return Contradiction(
        source=int(contradicting[SOURCE].cat.codes.iloc[0]),
        line=int(first[LINE]),
        where=here,
        what=f"{first[SERVICE]} has {counts}",
        minutes=len(contradicting.drop_duplicates(minutes)),
    )


def refuse_contradictions(found: Iterable[Contradiction | None]) -> None:
    """Refuse what was found in groups of services, if anything was.

    Raises:
        InputError: with the first row, and how many minutes there are in all.
    """
    contradictions = [each for each in found if each is not None]
    if not contradictions:
        return
    first = min(contradictions)
    others = sum(each.minutes for each in contradictions) - 1
    more = f" (and so in {others} more minutes)" if others else ""
    mend = "the files are of different campaigns or clusters: name only one of them"
    raise InputError(f"{first.what}{more}", where=first.where, mend=mend)
