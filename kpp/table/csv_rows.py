"""CSV: a file's rows, block by block, every cell still text and each row with the number of its line."""

import csv
import io
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from kpp.errors import InputError
from kpp.table.columns import SERVICE
from kpp.table.faults import Fault, check_header, place, shorten
from kpp.table.line_blocks import LineBlock, cut_into_blocks
from kpp.table.raw import KNOWN_COLUMNS, RawRows, ignored_columns, nothing_in, with_service

BLOCK_BYTES = 64_000_000  # of a file at once; in rows and columns they take some five times as much
# what pyarrow takes for one line: quotes count only where a cell begins with one
_CELL = rb'(?:"(?:[^"]|"")*+"[^,]*|[^",][^,]*|)'
_CLOSED_LINE = re.compile(rb"%b(?:,%b)*" % (_CELL, _CELL))


class FaultyRow(NamedTuple):
    """A row that has not as many cells as the header."""

    ordinal: int  # from 0, among the block's lines that are not empty
    surplus: int  # cells more than the header, negative if fewer
    text: str


def read_csv(path: Path, stream: BinaryIO, service: str | None, notes: list[str]) -> Iterator[RawRows]:
    """Read a CSV file; in the end `notes` has what was ignored and left out.

    However the file is cut, rows, notes and errors are the same: what lines have wrong is told in the end, an
    open quote before a wrong number of cells.

    Raises:
        InputError: the file is empty, no CSV file of measurements, or has a line that cannot be one of it.
    """
    size = path.stat().st_size
    blocks = cut_into_blocks(stream, BLOCK_BYTES)
    header, first = _split_header(path, blocks)
    names = _parse_header(path, header, service)
    notes += ignored_columns(path, names)
    rows = _RowReader(path, names, notes)
    for block in chain([first], blocks):
        for columns, lines in rows.read(block):
            share_read = min(1.0, block.bytes_read / max(size, 1))
            yield RawRows(with_service(columns, service), lines, share_read)
    rows.refuse_faults()


def _split_header(path: Path, blocks: Iterator[LineBlock]) -> tuple[bytes, LineBlock]:
    """The header, which is the first line that is not empty, and what follows it in its block."""
    for block in blocks:
        text = block.text.lstrip(b"\n")
        if text:
            header, _, body = text.partition(b"\n")
            if not (header + body).strip() and not any(each.text.strip() for each in blocks):
                break
            line = block.first_line + len(block.text) - len(text)  # each byte before was an empty line
            _refuse_other_encodings(path, LineBlock(header, line, is_last=False, bytes_read=0))
            return header, LineBlock(body, line + 1, block.is_last, block.bytes_read)
    raise nothing_in(path)


def _parse_header(path: Path, line: bytes, service: str | None) -> list[str]:
    try:
        names = [name.strip() for name in next(csv.reader([line.decode()]))]
    except csv.Error as error:
        what = f"no CSV table: {error}"
        raise InputError(what, where=f"{path}, line 1", mend="name a table of measurements") from error
    check_header(path, names if service is None or SERVICE in names else [*names, SERVICE])
    return names


def _refuse_other_encodings(path: Path, block: LineBlock) -> None:
    try:
        block.text.decode()
    except UnicodeDecodeError as error:
        line = block.first_line + block.text.count(b"\n", 0, error.start)
        held = f"the byte 0x{block.text[error.start]:02x} is not UTF-8"
        raise InputError(held, where=f"{path}, line {line}", mend="save the file as CSV in UTF-8") from None


class _RowReader:
    """Splits lines into cells, and gathers what is wrong with lines."""

    def __init__(self, path: Path, names: list[str], notes: list[str]) -> None:
        self._path = path
        self._names = names
        self._notes = notes
        self._open_quotes = Fault()
        self._wrong_lengths = Fault()
        self._first_surplus = 0

    def read(self, block: LineBlock) -> Iterator[tuple[Any, NDArray[np.int64]]]:
        """The block's known columns as text, and the numbers of their lines; nothing after a fault."""
        _refuse_other_encodings(self._path, block)
        lines = _number_lines(block)
        body, torn = self._look_for_open_quotes(block)
        if self._open_quotes.count:
            return
        columns, faulty_rows = _parse_rows(self._path, self._names, body)
        torn |= self._look_for_wrong_lengths(block, lines, faulty_rows)
        if self._wrong_lengths.count:
            return
        if block.is_last:
            self._tell_of_last_line(block, lines[-1:], torn=torn)
        left_out = {row.ordinal for row in faulty_rows} | ({len(lines) - 1} if torn else set())
        yield columns, np.delete(lines, sorted(left_out))

    def refuse_faults(self) -> None:
        """Raise what was found in any block."""
        if self._open_quotes.count:
            where = self._open_quotes.first(self._path)
            what, mend = "a quote is opened and not closed", "close it in the same line"
            raise InputError(what, where=where, mend=mend)
        fault, surplus = self._wrong_lengths, self._first_surplus
        if fault.count:
            comparison = f"{abs(surplus)} {'more' if surplus > 0 else 'fewer'} fields than the header"
            what = f"{comparison}: {shorten(fault.held)}{fault.others(self._path)}"
            raise InputError(what, where=fault.first(self._path), mend="mend or remove the line")

    def _look_for_open_quotes(self, block: LineBlock) -> tuple[bytes, bool]:
        """Find quotes that their own lines do not close: they would swallow the lines after them.

        Returns:
            The block's text, without the file's last line if that is where the quote is: it was torn; and
            whether it was.
        """
        if b'"' not in block.text:
            return block.text, False
        every_line = block.text.rstrip(b"\n").split(b"\n")
        opened = [number for number, line in enumerate(every_line) if _leaves_quote_open(line)]
        if block.is_last and opened == [len(every_line) - 1] and not self._open_quotes.count:
            return b"".join(line + b"\n" for line in every_line[:-1]), True
        self._open_quotes.add(block.first_line + np.array(opened, dtype=np.int64), "")
        return block.text, False

    def _look_for_wrong_lengths(
        self, block: LineBlock, lines: NDArray[np.int64], faulty_rows: list[FaultyRow]
    ) -> bool:
        """Find rows with too many or too few cells, but for a torn last one; tell whether there is one."""
        faulty = [row for row in faulty_rows if row.text.strip()]
        if not faulty:
            return False
        first = faulty[0]
        is_last = block.is_last and first.ordinal == len(lines) - 1
        if is_last and first.surplus < 0 and not self._wrong_lengths.count:
            return True
        if not self._wrong_lengths.count:
            self._first_surplus = first.surplus
        self._wrong_lengths.add(lines[[row.ordinal for row in faulty]], first.text)
        return False

    def _tell_of_last_line(self, block: LineBlock, line: NDArray[np.int64], *, torn: bool) -> None:
        where = f"{self._path}, {place(self._path, line)}"
        if torn:
            self._notes.append(f"{where}: torn last line left out")
        elif block.text and not block.text.endswith(b"\n"):
            fear = "its last value is cut short if the campaign was killed there"
            self._notes.append(f"{where}: kept, though without a line break: {fear}")


def _leaves_quote_open(line: bytes) -> bool:
    r"""Whether a line has an odd number of quotes, or the parser would go on to the next one.

    >>> [_leaves_quote_open(line) for line in (b'a,"b""c"', b'a,"b', b'5" disk', b'a","b')]
    [False, True, True, True]
    """
    count = line.count(b'"')
    return count > 0 and (count % 2 == 1 or _CLOSED_LINE.fullmatch(line) is None)


def _number_lines(block: LineBlock) -> NDArray[np.int64]:
    """The numbers of the lines that are not empty."""
    ends = np.flatnonzero(np.frombuffer(block.text, dtype=np.uint8) == ord("\n"))
    if block.text and not block.text.endswith(b"\n"):
        ends = np.append(ends, len(block.text))
    starts = np.concatenate([[0], ends[:-1] + 1])[: len(ends)]
    return block.first_line + np.flatnonzero(ends > starts)


def _parse_rows(path: Path, names: list[str], body: bytes) -> tuple[Any, list[FaultyRow]]:
    """Split the lines into cells: the known columns as text, and the rows with another number of cells."""
    faulty_rows: list[FaultyRow] = []

    def leave_out(row: Any) -> str:
        faulty_rows.append(FaultyRow(row.number - 1, row.actual_columns - row.expected_columns, row.text))
        return "skip"

    known = [name for name in KNOWN_COLUMNS if name in names]
    try:
        columns = pyarrow.csv.read_csv(
            io.BytesIO(body or b"\n"),
            # with threads, rows have no numbers; in one piece, no line is too long
            read_options=pyarrow.csv.ReadOptions(
                column_names=names, use_threads=False, block_size=len(body) + 1
            ),
            parse_options=pyarrow.csv.ParseOptions(invalid_row_handler=leave_out),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=known,
                column_types=dict.fromkeys(known, pa.string()),
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowException as error:
        raise InputError(f"no CSV table: {error}", where=str(path), mend="check the file") from error
    return columns, faulty_rows
