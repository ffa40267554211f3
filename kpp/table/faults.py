"""The wording of what is wrong with a table: one line with the file, the line, the column and the mend."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import groupby
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from kpp.errors import InputError
from kpp.table.columns import OPTIONAL_COLUMNS, REQUIRED_COLUMNS

PARQUET_SUFFIXES = (".parquet", ".pq")
MOST_RANGES = 5  # so many ranges of lines are spelled out
MOST_LINES = 10_000  # with one fault are kept; a large file may have it in every line
MOST_CHARACTERS = 40  # of a cell's text


@dataclass
class Fault:
    """The lines of a file that have one fault, in their order; all are counted, the first are kept.

    Attributes:
        held: what the first of them holds.
        lines: the first `MOST_LINES`.
        count: of all.
    """

    held: str = ""
    lines: list[int] = field(default_factory=list)
    count: int = 0

    def add(self, lines: NDArray[np.int64], held: str) -> None:
        """Further lines, of which the first holds this."""
        if not self.count:
            self.held = held
        self.lines += lines[: MOST_LINES - len(self.lines)].tolist()
        self.count += len(lines)

    def first(self, path: Path) -> str:
        """Where the first of them is."""
        return f"{path}, {place(path, self.lines[:1])}"

    def others(self, path: Path) -> str:
        """Tell in brackets where the others are; nothing if there are none."""
        others = self.lines[1:]
        return f" (also {place(path, others, self.count - len(self.lines))})" if others else ""


def shorten(text: str) -> str:
    r"""Quote a cell's text and cut it when it is long.

    >>> print(shorten("12,5"), shorten("x" * 60))
    '12,5' 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…'
    """
    return repr(text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "…")


def place(path: Path, lines: Iterable[int], more: int = 0) -> str:
    """Name lines of a CSV file, or rows of a Parquet file, and how many more there are; many are abbreviated.

    >>> place(Path("a.csv"), [7]), place(Path("a.csv"), [9, 3, 4, 5])
    ('line 7', 'lines 3 to 5, 9')
    >>> place(Path("a.parquet"), range(1, 40, 3))
    'rows 1, 4, 7, 10, 13 and 8 more'
    """
    numbers = sorted(int(line) for line in lines)
    word = "row" if path.suffix.lower() in PARQUET_SUFFIXES else "line"
    ranges = [
        [number for _, number in members]
        for _, members in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    ]
    spelled = [
        str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}" for found in ranges[:MOST_RANGES]
    ]
    unspelled = sum(len(found) for found in ranges[MOST_RANGES:]) + more
    uncounted = f" and {unspelled} more" if unspelled else ""
    return f"{word}{'s' if len(numbers) + more > 1 else ''} {', '.join(spelled)}{uncounted}"


def check_header(path: Path, names: Sequence[str]) -> None:
    """Refuse a header that lacks a column or has one twice.

    Raises:
        InputError: with the columns in question; also of a file without one, or with other separators.
    """
    missing = [column for column in REQUIRED_COLUMNS if column not in names]
    if len(missing) == len(REQUIRED_COLUMNS):
        _refuse_header(path, names)
    if missing:
        found = [
            f"is {near[0]!r} meant?" for name in missing if (near := get_close_matches(name, names, 1, 0.8))
        ]
        hint = f" ({found[0]})" if found else ""
        what = f"missing column{'s' if len(missing) > 1 else ''} {', '.join(map(repr, missing))}{hint}"
        raise InputError(what, where=str(path), mend=f"the header needs {', '.join(REQUIRED_COLUMNS)}")
    twice = [column for column in (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS) if names.count(column) > 1]
    if twice:
        raise InputError(
            f"the column {twice[0]!r} is there twice", where=str(path), mend="remove one of the two"
        )


def _refuse_header(path: Path, names: Sequence[str]) -> NoReturn:
    """No known column at all: say which of the likely reasons it is."""
    header = ",".join(REQUIRED_COLUMNS)
    first = shorten(",".join(names))
    separators = [mark for mark in (";", "\t") if mark in "".join(names)]
    if separators:
        what = f"the header {first} is not separated by commas"
        raise InputError(what, where=str(path), mend=f"write the file with ',' instead of {separators[0]!r}")
    if any(name[:1].isdigit() for name in names):
        what = f"no header: the first line is {first}"
        raise InputError(what, where=str(path), mend=f"put this line first: {header}")
    what = f"no table of measurements: the first line is {first}"
    raise InputError(what, where=str(path), mend=f"name a file with the header {header}")
