"""From a file's cells to numbers and names, each one that can be."""

from pathlib import Path
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
    THROTTLED,
    TIMESTAMP,
    USER_COUNT,
    is_dns_label,
)
from kpp.table.faults import Fault, shorten
from kpp.table.parquet import is_text, trim_names
from kpp.table.raw import RawRows

Floats = NDArray[np.float64]

MISSING = ("", "NaN", "nan", "NA", "N/A", "null", "NULL", "None")
LARGEST_SECONDS = 1e11  # the year 5138; a larger timestamp is in milliseconds
LARGEST_VALUE = 1e12  # nothing measured comes near
LARGEST_SHARE = 1.1  # both rates of a measured share are extrapolated: their quotient may exceed 1 a little
NUMBER_MEND = "write a plain number such as 0.25, or leave the cell empty"
MIXED = "which is in milliseconds, while other lines are in seconds"  # a fault only if that is so
VALUE_MEND = "correct the cell, or leave it empty if it was not measured"


class ValueReader:
    """Makes numbers and names of a file's cells, some rows at a time; what cannot be is told in the end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._faults: dict[
            tuple[str, str], tuple[Fault, str]
        ] = {}  # in the order of the checks; with the mend
        self._any_in_seconds = False

    def read(self, rows: RawRows) -> pd.DataFrame:
        """The known columns and `LINE`, as `kpp.schema.Table` has them.

        Raises:
            InputError: a column holds neither numbers nor text.
        """
        columns: dict[str, Any] = {}
        for column in rows.columns.column_names:
            if column == SERVICE:
                columns[column] = self._services(rows)
            else:
                columns[column] = self._numbers(rows, column)
                self._check_range(rows, column, columns[column])
        columns[TIMESTAMP] = self._to_seconds(rows, columns[TIMESTAMP])
        return pd.DataFrame({**columns, LINE: rows.lines})

    def finish(self) -> list[str]:
        """Notes on conversions.

        Raises:
            InputError: a cell held a value that cannot be; of several faults, the first that is looked for.
        """
        for (column, fault), (found, mend) in self._faults.items():
            if found.count and (fault != MIXED or self._any_in_seconds):
                what = f"{column} holds {shorten(found.held)}, {fault}{found.others(self._path)}"
                raise InputError(what, where=found.first(self._path), mend=mend)
        if (TIMESTAMP, MIXED) in self._faults and self._faults[TIMESTAMP, MIXED][0].count:
            return [f"{self._path}: timestamps in milliseconds, converted to seconds"]
        return []

    def _check_range(self, rows: RawRows, column: str, values: Floats) -> None:
        self._look(rows, column, values < 0, "which is negative", VALUE_MEND)
        self._look(rows, column, np.isinf(values), "which is infinite", VALUE_MEND)
        if column != TIMESTAMP:
            too_large = "which is too large to be measured"
            self._look(rows, column, values > LARGEST_VALUE, too_large, VALUE_MEND)
        if column == USER_COUNT:
            fault, mend = "which is no whole number", "write how many users there were"
            self._look(rows, column, np.floor(values) < values, fault, mend)
        if column == THROTTLED:
            fault, mend = "which is more than the whole", "write shares as 0.25, not as 25 %"
            self._look(rows, column, values > LARGEST_SHARE, fault, mend)

    def _numbers(self, rows: RawRows, column: str) -> Floats:
        """A column as float64, missing and faulty as NaN."""
        values = rows.columns[column]
        if is_text(values.type):
            text = pc.utf8_trim_whitespace(values)
            values = pc.if_else(pc.is_in(text, value_set=pa.array(MISSING)), None, text)
            faulty = np.zeros(len(values), dtype=np.bool_)
            if not _parses(values):
                distinct = pc.unique(values)
                no_numbers = pa.array([text for text in distinct if not _parses(text)], distinct.type)
                is_faulty = pc.is_in(values, no_numbers)
                faulty, values = is_faulty.to_numpy(), pc.if_else(is_faulty, None, values)
            self._look(rows, column, faulty, "which is no number", NUMBER_MEND)
        try:
            # whole numbers beyond 2^53 are rounded, as those of a CSV file are
            numbers = values.cast(pa.float64(), safe=False)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # bytes; dates and lists: they are no numbers
            what = f"{column} is of the type {values.type}"
            mend = "write numbers; a timestamp is in Unix seconds"
            raise InputError(what, where=str(self._path), mend=mend) from None
        return np.asarray(numbers.to_numpy()) + 0.0  # + 0.0 turns -0 into 0

    def _services(self, rows: RawRows) -> "pd.Series[str]":
        column = rows.columns[SERVICE]
        if not is_text(column.type):
            what = f"{SERVICE} is of the type {column.type}"
            raise InputError(what, where=str(self._path), mend="write names as text")
        services = trim_names(column)
        faulty = [name for name in pc.unique(services).to_pylist() if name and not is_dns_label(name)]
        where = pc.is_in(services, pa.array(faulty, services.type)).to_numpy()
        fault = "which is no name of a service (DNS-1123 label)"
        mend = "a service's name has lower-case letters, digits and '-' inside, at most 63 characters"
        self._look(rows, SERVICE, where, fault, mend)
        return pd.Series(services.to_pandas())

    def _to_seconds(self, rows: RawRows, timestamps: Floats) -> Floats:
        """Timestamps in seconds, whether the file has seconds or milliseconds; not both, as the end tells."""
        milliseconds = timestamps > LARGEST_SECONDS
        self._any_in_seconds |= bool((timestamps <= LARGEST_SECONDS).any())
        self._look(rows, TIMESTAMP, milliseconds, MIXED, "write all in Unix seconds")
        seconds = np.where(milliseconds, timestamps / 1000, timestamps)
        fault = "which is neither in seconds nor in milliseconds"
        self._look(rows, TIMESTAMP, seconds > LARGEST_SECONDS, fault, "write Unix seconds")
        return seconds

    def _look(self, rows: RawRows, column: str, faulty: NDArray[np.bool_], fault: str, mend: str) -> None:
        """Remember which cells of a column have a fault."""
        found, _ = self._faults.setdefault((column, fault), (Fault(), mend))
        which = np.flatnonzero(faulty)
        if which.size:
            found.add(rows.lines[which], str(rows.columns[column][int(which[0])].as_py()))


def _parses(text: Any) -> bool:
    """Whether a text, or every text of a column, is a number or missing."""
    try:
        text.cast(pa.float64())
    except pa.ArrowInvalid:
        return False
    return True
