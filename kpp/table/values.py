"""From a file's cells to numbers and names, each one that can be."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from kpp.errors import InputError
from kpp.table.columns import (
    LINE,
    SERVICE,
    SOURCE,
    THROTTLED,
    TIMESTAMP,
    USER_COUNT,
    is_dns_label,
)
from kpp.table.faults import Cells
from kpp.table.parquet import is_text, trim_names
from kpp.table.raw import RawFile

MISSING = ("", "NaN", "nan", "NA", "N/A", "null", "NULL", "None")
LARGEST_SECONDS = 1e11  # the year 5138; a larger timestamp is in milliseconds
LARGEST_VALUE = 1e12  # nothing measured comes near
LARGEST_SHARE = 1.1  # both rates of a measured share are extrapolated: their quotient may exceed 1 a little
NUMBER_MEND = "write a plain number such as 0.25, or leave the cell empty"
VALUE_MEND = "correct the cell, or leave it empty if it was not measured"


def type_columns(file: RawFile) -> tuple[pd.DataFrame, list[str]]:
    """A file's known columns, `SOURCE` and `LINE`, as `kpp.schema.Table` has them; and notes on conversions.

    Raises:
        InputError: a cell holds a value that cannot be.
    """
    columns: dict[str, Any] = {}
    for column in file.columns.column_names:
        if column == SERVICE:
            columns[column] = _services(file)
            continue
        columns[column] = _numbers(file, column)
        _check_range(file, column, columns[column])
    columns[TIMESTAMP], notes = _to_seconds(file, columns[TIMESTAMP])
    return pd.DataFrame({**columns, SOURCE: str(file.path), LINE: file.lines}), notes


def _check_range(file: RawFile, column: str, values: NDArray[np.float64]) -> None:
    _refuse_where(file, column, values < 0, "which is negative", VALUE_MEND)
    _refuse_where(file, column, np.isinf(values), "which is infinite", VALUE_MEND)
    if column != TIMESTAMP:
        _refuse_where(file, column, values > LARGEST_VALUE, "which is too large to be measured", VALUE_MEND)
    if column == USER_COUNT:
        fault, mend = "which is no whole number", "write how many users there were"
        _refuse_where(file, column, values % 1 > 0, fault, mend)
    if column == THROTTLED:
        fault, mend = "which is more than the whole", "write shares as 0.25, not as 25 %"
        _refuse_where(file, column, values > LARGEST_SHARE, fault, mend)


def _numbers(file: RawFile, column: str) -> NDArray[np.float64]:
    """A column as float64, missing as NaN."""
    values = file.columns[column]
    if is_text(values.type):
        text = pc.utf8_trim_whitespace(values)
        values = pc.if_else(pc.is_in(text, value_set=pa.array(MISSING)), None, text)
        if not _parses(values):
            distinct = pc.unique(values)
            faulty = pa.array([text for text in distinct if not _parses(text)], distinct.type)
            _refuse_where(
                file, column, pc.is_in(values, faulty).to_numpy(), "which is no number", NUMBER_MEND
            )
    try:
        numbers = values.cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        what = f"{column} is of the type {values.type}"
        mend = "write numbers; a timestamp is in Unix seconds"
        raise InputError(what, where=str(file.path), mend=mend) from None
    return np.asarray(numbers.to_numpy()) + 0.0  # + 0.0 turns -0 into 0


def _parses(text: Any) -> bool:
    """Whether a text, or every text of a column, is a number or missing."""
    try:
        text.cast(pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def _services(file: RawFile) -> "pd.Series[str]":
    column = file.columns[SERVICE]
    if not is_text(column.type):
        raise InputError(
            f"{SERVICE} is of the type {column.type}", where=str(file.path), mend="write names as text"
        )
    services = trim_names(column)
    faulty = [name for name in pc.unique(services).to_pylist() if name and not is_dns_label(name)]
    if faulty:
        where = pc.is_in(services, pa.array(faulty, services.type)).to_numpy()
        mend = "a service's name has lower-case letters, digits and '-' inside, at most 63 characters"
        _refuse_where(file, SERVICE, where, "which is no name of a service (DNS-1123 label)", mend)
    return pd.Series(services.to_pandas())


def _to_seconds(file: RawFile, timestamps: NDArray[np.float64]) -> tuple[NDArray[np.float64], list[str]]:
    """Timestamps in seconds, whether the file has seconds or milliseconds."""
    milliseconds = timestamps > LARGEST_SECONDS
    if not milliseconds.any():
        return timestamps, []
    if (timestamps <= LARGEST_SECONDS).any():
        fault = "which is in milliseconds, while other lines are in seconds"
        _refuse_where(file, TIMESTAMP, milliseconds, fault, "write all in Unix seconds")
    seconds = timestamps / 1000
    fault = "which is neither in seconds nor in milliseconds"
    _refuse_where(file, TIMESTAMP, seconds > LARGEST_SECONDS, fault, "write Unix seconds")
    return seconds, [f"{file.path}: timestamps in milliseconds, converted to seconds"]


def _refuse_where(file: RawFile, column: str, faulty: NDArray[np.bool_], fault: str, mend: str) -> None:
    rows = np.flatnonzero(faulty)
    if rows.size:
        held = str(file.columns[column][int(rows[0])].as_py())
        Cells(file.path, column, file.lines[rows], held).refuse(fault, mend)
