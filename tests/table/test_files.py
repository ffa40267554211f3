"""Cells and line numbers, against the standard library's csv module; files in blocks, against whole ones."""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kpp.errors import InputError
from kpp.schema import LINE, REQUIRED_COLUMNS, TIMESTAMP
from kpp.table import csv_rows
from kpp.table.csv_rows import read_csv
from kpp.table.files import FileReader
from kpp.table.folders import TableFile
from tests.table.texts import HEADER, NEXT_ROW, ROW, with_cell

CELLS = st.text(alphabet='ab,"; 1.é', max_size=6)
LINES = st.none() | st.lists(CELLS, min_size=7, max_size=7)  # None: an empty line
BLOCK_BYTES = st.sampled_from([1, 7, 64, 200, 64_000_000])


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that every example writes anew."""
    return tmp_path_factory.mktemp("files") / "a.csv"


@contextmanager
def blocks_of(size: int) -> Iterator[None]:
    """Files are cut into such blocks, while it lasts."""
    with mock.patch.object(csv_rows, "BLOCK_BYTES", size):
        yield


@settings(max_examples=100, deadline=None)
@given(
    lines=st.lists(LINES, min_size=1, max_size=30),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    block_bytes=BLOCK_BYTES,
)
def test_cells_and_lines_are_those_of_the_csv_module(
    lines: list[list[str] | None], line_end: str, block_bytes: int, path: Path
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=line_end)
    writer.writerow([*REQUIRED_COLUMNS, "Note"])
    for line in lines:
        text.write(line_end) if line is None else writer.writerow(line)
    path.write_bytes(text.getvalue().encode())

    with blocks_of(block_bytes), path.open("rb") as stream:
        blocks = [*read_csv(path, stream, None, [])]

    expected = [(number, line[:6]) for number, line in enumerate(lines, start=2) if line is not None]
    assert [number for block in blocks for number in block.lines] == [number for number, _ in expected]
    columns = list(REQUIRED_COLUMNS)
    cells = [list(row.values()) for block in blocks for row in block.columns.select(columns).to_pylist()]
    assert cells == [row for _, row in expected]
    assert blocks[-1].share_read == 1


def test_lines_are_right_in_a_file_of_many_blocks(path: Path) -> None:
    """A blank line, and one of spaces, every now and then; a share that grows to the whole."""
    with path.open("w") as stream:
        stream.write(",".join(REQUIRED_COLUMNS) + "\n")
        for number in range(2, 60_002):
            blank = {0: "\n", 1: "  \n"}.get(number % 1000)
            stream.write(blank or f"{number},a,1,1.00000000000,2.0000000000000,3.0000000000000\n")
    reader = FileReader(TableFile(path))
    shares = []
    with blocks_of(500_000):
        frames = []
        for rows in reader.rows():
            frames.append(rows)
            shares.append(reader.share_read)
    together = pd.concat(frames)
    assert len(frames) > 5
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert together[TIMESTAMP].tolist() == together[LINE].tolist()
    assert len(together) == 60_000 - 120


ODD_CELLS = ["", "x", "-1", "inf", "0.5", '"1', '"1"', 'a","b', "1e300", "é"]
ODD_LINES = st.sampled_from(
    [
        *(with_cell(column, cell) + "," for column in REQUIRED_COLUMNS for cell in ODD_CELLS),
        *(f"{ROW},note", f"{ROW},1,2", "1,2", "  ", "", "\0\0", ROW.replace("040,", "040000,") + ","),
        f'{ROW},"a "" quote"',
        f'{ROW},5" disk',
    ]
)
GOOD_LINES = st.sampled_from([f"{ROW},", f"{NEXT_ROW},note", "", f'{NEXT_ROW},"a, b"'])
ENDS = st.sampled_from(["\n", "\r\n", "\r"])
TAILS = st.sampled_from(["", "17000001", '1700000160,"carts', f"{ROW},", f"{ROW}", "\n\n", "  ", "\xff"])


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """Files that are good but for a few lines, or one byte, or a torn end."""
    lines = draw(st.lists(GOOD_LINES, max_size=12))
    for line in draw(st.lists(ODD_LINES, max_size=2)):
        lines.insert(draw(st.integers(0, len(lines))), line)
    header = draw(st.sampled_from([f"{HEADER},Note", f"\n\n{HEADER},Note", HEADER, "a,b", "", "  "]))
    mark = draw(st.sampled_from(["", "\ufeff"]))
    text = mark + "".join(line + draw(ENDS) for line in (header, *lines)) + draw(TAILS)
    return text.encode("latin-1" if "\xff" in text and not mark else "utf-8")


def read_in_blocks(path: Path, size: int) -> tuple[str, list[str], pd.DataFrame]:
    """The error, notes and rows of a file."""
    reader = FileReader(TableFile(path))
    frames: list[pd.DataFrame] = []
    error = ""
    with blocks_of(size):
        try:
            frames += reader.rows()
        except InputError as caught:
            error = str(caught)
    return error, reader.notes, pd.DataFrame() if error else pd.concat(frames, ignore_index=True)


@settings(max_examples=200, deadline=None)
@given(text=texts() | st.binary(max_size=200), block_bytes=st.integers(1, 120))
def test_a_file_in_blocks_reads_as_in_one(text: bytes, block_bytes: int, path: Path) -> None:
    """The same rows, lines and notes, or the same error."""
    path.write_bytes(text)

    whole_error, whole_notes, whole = read_in_blocks(path, 1_000_000)
    error, notes, rows = read_in_blocks(path, block_bytes)

    assert error == whole_error
    assert error or notes == whole_notes
    pd.testing.assert_frame_equal(rows, whole, check_exact=True)


QUOTED = st.text(alphabet='a,"', max_size=12)


@settings(max_examples=100, deadline=None)
@given(notes=st.lists(QUOTED, min_size=1, max_size=6))
def test_no_line_swallows_the_next_one(notes: list[str], path: Path) -> None:
    """Whatever quotes a line has, the row after it is a row, or the file is refused."""
    path.write_text("\n".join([f"{HEADER},Note", *(f"{ROW},{note}" for note in notes), f"{ROW},end", ""]))

    error, _, rows = read_in_blocks(path, 1_000_000)

    if not error:
        assert rows[LINE].tolist() == list(range(2, len(notes) + 3))
        assert set(rows[TIMESTAMP]) == {1700000040.0}
        assert not rows.isna().any(axis=None)
