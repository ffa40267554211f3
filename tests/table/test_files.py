"""Cells and line numbers, against the standard library's csv module."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kpp.schema import REQUIRED_COLUMNS
from kpp.table.files import read_file

CELLS = st.text(alphabet='ab,"; 1.é', max_size=6)
LINES = st.none() | st.lists(CELLS, min_size=7, max_size=7)  # None: an empty line


@settings(max_examples=100, deadline=None)
@given(lines=st.lists(LINES, min_size=1, max_size=30), line_end=st.sampled_from(["\n", "\r\n", "\r"]))
def test_cells_and_lines_are_those_of_the_csv_module(
    tmp_path_factory: pytest.TempPathFactory, lines: list[list[str] | None], line_end: str
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=line_end)
    writer.writerow([*REQUIRED_COLUMNS, "Note"])
    for line in lines:
        text.write(line_end) if line is None else writer.writerow(line)
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_bytes(text.getvalue().encode())

    file = read_file(path)
    expected = [(number, line[:6]) for number, line in enumerate(lines, start=2) if line is not None]
    assert file.lines.tolist() == [number for number, _ in expected]
    cells = [list(row.values()) for row in file.columns.select(list(REQUIRED_COLUMNS)).to_pylist()]
    assert cells == [row for _, row in expected]


def test_lines_are_right_in_a_file_of_many_blocks(tmp_path: Path) -> None:
    """The parser reads blocks of one megabyte; a blank line, and one of spaces, every now and then."""
    path = tmp_path / "a.csv"
    with path.open("w") as stream:
        stream.write(",".join(REQUIRED_COLUMNS) + "\n")
        for number in range(2, 60_002):
            blank = {0: "\n", 1: "  \n"}.get(number % 1000)
            stream.write(blank or f"{number},a,1,1.00000000000,2.0000000000000,3.0000000000000\n")
    file = read_file(path)
    assert path.stat().st_size > 2_000_000
    assert file.columns["Timestamp"].to_pylist() == [str(line) for line in file.lines]
    assert len(file.lines) == 60_000 - 120
