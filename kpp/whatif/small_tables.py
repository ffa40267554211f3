"""Reads the small CSV files that a person writes by hand: scenarios, calls, CPU limits."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import pandas as pd

from kpp.errors import InputError
from kpp.schema import LINE

LARGEST_VALUE = 1e9  # neither users nor cores come near


@dataclass(frozen=True)
class Allowed:
    """Which numbers a column may hold; each may be empty unless `required`."""

    least: float = 0.0
    above_least: bool = False  # greater than the least, not equal to it
    whole: bool = False
    required: bool = False

    def describe(self) -> str:
        """In words, for messages."""
        kind = "whole number" if self.whole else "number"
        return f"a {kind} {'above' if self.above_least else 'of at least'} {self.least:g}"

    def holds(self, value: float) -> bool:
        """Whether it is one of them."""
        large_enough = value > self.least if self.above_least else value >= self.least
        return large_enough and value <= LARGEST_VALUE and (not self.whole or value % 1 == 0)


def read_small_table(
    path: Path, names: Sequence[str], numbers: Mapping[str, Allowed], required: Sequence[str]
) -> pd.DataFrame:
    """Read a CSV file with a header.

    Args:
        path: the file.
        names: columns of text that no row may leave empty.
        numbers: columns of numbers, float64 in the result; an empty cell is NaN.
        required: columns that the header must have; other columns are kept as text.

    Returns:
        The columns in the file's order, and `LINE`. At least one row.

    Raises:
        InputError: the file, the line, the column and the mend.
    """
    header, rows = _read_cells(path)
    _check_header(path, header, required)
    frame = pd.DataFrame([cells for _, cells in rows], columns=header, dtype=object)
    lines = [line for line, _ in rows]
    for column in [name for name in names if name in header]:
        for line, text in zip(lines, frame[column], strict=True):
            if not text:
                mend = "write the name of a service"
                raise InputError(f"{column} is empty", where=f"{path}, line {line}", mend=mend)
    for column in [name for name in header if name in numbers]:
        values = [
            _number(path, line, column, text, numbers[column])
            for line, text in zip(lines, frame[column], strict=True)
        ]
        frame[column] = pd.Series(values, dtype="float64")
    return frame.assign(**{LINE: lines})


def _read_cells(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header, and each row with its line; empty lines are left out."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError("no such file", where=str(path), mend="check the path") from None
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        raise InputError(what, where=str(path), mend="name a CSV file") from error
    except UnicodeDecodeError:
        raise InputError("is not UTF-8", where=str(path), mend="save the file as CSV in UTF-8") from None
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        found = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as error:
        where = f"{path}, line {reader.line_num}"
        raise InputError(f"is no CSV: {error}", where=where, mend="mend the line") from error
    rows = [(line, cells) for line, cells in found if any(cells)]
    if len(rows) < 2:
        what = "the file has a header and no row" if rows else "the file is empty"
        raise InputError(what, where=str(path), mend="write a row for each service")
    header = rows[0][1]
    for line, cells in rows[1:]:
        if len(cells) != len(header):
            what = f"{len(cells)} fields under a header of {len(header)}"
            raise InputError(what, where=f"{path}, line {line}", mend="mend the line")
    return header, rows[1:]


def _check_header(path: Path, header: list[str], required: Sequence[str]) -> None:
    for column in required:
        if column not in header:
            near = get_close_matches(column, header, 1, 0.6)
            hint = f" (is {near[0]!r} meant?)" if near else ""
            mend = f"the header needs {', '.join(required)}"
            raise InputError(f"missing column {column!r}{hint}", where=str(path), mend=mend)
    twice = [column for column in header if header.count(column) > 1]
    if twice:
        what = f"the column {twice[0]!r} is there twice"
        raise InputError(what, where=str(path), mend="remove one of the two")


def _number(path: Path, line: int, column: str, text: str, allowed: Allowed) -> float:
    if not text and not allowed.required:
        return float("nan")
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not allowed.holds(value):
        what = f"{column} is {text!r}"
        raise InputError(what, where=f"{path}, line {line}", mend=f"write {allowed.describe()}")
    return value
