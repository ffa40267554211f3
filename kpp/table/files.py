"""From a file to its columns, each row with its line number; a CSV file's cells are still text."""

import csv
import io
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from kpp.errors import InputError
from kpp.table.columns import SERVICE
from kpp.table.faults import PARQUET_SUFFIXES, also, check_header, place, shorten
from kpp.table.parquet import read_parquet
from kpp.table.raw import KNOWN_COLUMNS, RawFile, ignored_columns, opened, refuse_empty, with_service

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class FaultyRow(NamedTuple):
    """A row that has not as many cells as the header."""

    ordinal: int  # from 0, among the lines after the header that are not empty
    surplus: int  # cells more than the header, negative if fewer
    text: str


def read_file(path: Path, service: str | None = None, only: Collection[str] | None = None) -> RawFile:
    """Read a table of measurements, Parquet by its suffix, else CSV.

    Args:
        path: of the file.
        service: whose rows they are, where the file does not say.
        only: of a Parquet file, the services whose rows are kept; the others are never in memory together.

    Raises:
        InputError: it cannot be opened, is empty, is no such file, or has no valid header.
    """
    with opened(path) as stream:
        if path.suffix.lower() in PARQUET_SUFFIXES:
            return read_parquet(path, stream, service, only)
        return _parse_csv(path, stream.read(), service)


def _parse_csv(path: Path, data: bytes, service: str | None) -> RawFile:
    refuse_empty(path, not data.strip())
    text = _as_utf8_lines(path, data)
    stripped = text.lstrip(b"\n")
    header, _, body = stripped.partition(b"\n")
    body_starts_at_line = len(text) - len(stripped) + 2  # each byte before the header was an empty line
    names = _parse_header(path, header.decode(), service)

    numbered = enumerate(io.BytesIO(body), start=body_starts_at_line)
    lines = np.array([number for number, line in numbered if line != b"\n"], dtype=np.int64)
    body, torn = _refuse_open_quotes(path, body, body_starts_at_line)
    columns, faulty_rows = _parse_rows(path, names, body)
    torn |= _refuse_wrong_lengths(path, lines, faulty_rows)

    notes = [f"{path}, {place(path, lines[-1:])}: torn last line left out"] if torn else []
    if body and not torn and not body.endswith(b"\n"):
        fear = "its last value is cut short if the campaign was killed there"
        notes.append(f"{path}, {place(path, lines[-1:])}: kept, though without a line break: {fear}")
    left_out = {row.ordinal for row in faulty_rows} | ({len(lines) - 1} if torn else set())
    kept = np.delete(lines, sorted(left_out))
    return RawFile(path, with_service(columns, service), kept, (*ignored_columns(path, names), *notes))


def _parse_header(path: Path, line: str, service: str | None) -> list[str]:
    try:
        names = [name.strip() for name in next(csv.reader([line]))]
    except csv.Error as error:
        what = f"no CSV table: {error}"
        raise InputError(what, where=f"{path}, line 1", mend="name a table of measurements") from error
    check_header(path, names if service is None or SERVICE in names else [*names, SERVICE])
    return names


def _as_utf8_lines(path: Path, data: bytes) -> bytes:
    """The text without a byte order mark, every line ended by a line feed alone."""
    data = data.removeprefix(BYTE_ORDER_MARK)
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        held = f"the byte 0x{data[error.start]:02x} is not UTF-8"
        raise InputError(held, where=f"{path}, line {line}", mend="save the file as CSV in UTF-8") from None
    return data


def _refuse_open_quotes(path: Path, body: bytes, first_line: int) -> tuple[bytes, bool]:
    """Refuse a quote that its own line does not close: it would swallow the lines after it.

    Returns:
        The body, without its last line if that is where the quote is: it was torn; and whether it was.
    """
    if b'"' not in body:
        return body, False
    every_line = body.rstrip(b"\n").split(b"\n")
    opened = [number for number, line in enumerate(every_line) if line.count(b'"') % 2]
    if opened == [len(every_line) - 1]:
        return b"".join(line + b"\n" for line in every_line[:-1]), True
    if opened:
        where = f"{path}, {place(path, [first_line + opened[0]])}"
        raise InputError("a quote is opened and not closed", where=where, mend="close it in the same line")
    return body, False


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
            # with threads, rows have no numbers
            read_options=pyarrow.csv.ReadOptions(column_names=names, use_threads=False),
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


def _refuse_wrong_lengths(path: Path, lines: NDArray[np.int64], faulty_rows: list[FaultyRow]) -> bool:
    """Refuse rows with too many or too few cells, but for a torn last one; tell whether there is one."""
    faulty = [row for row in faulty_rows if row.text.strip()]
    if not faulty:
        return False
    first, *others = faulty
    if not others and first.ordinal == len(lines) - 1 and first.surplus < 0:
        return True
    comparison = f"{abs(first.surplus)} {'more' if first.surplus > 0 else 'fewer'} fields than the header"
    what = f"{comparison}: {shorten(first.text)}{also(path, lines[[row.ordinal for row in others]])}"
    where = f"{path}, {place(path, lines[[first.ordinal]])}"
    raise InputError(what, where=where, mend="mend or remove the line")
