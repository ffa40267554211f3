"""From a file to its rows, typed and checked, some at a time."""

from collections.abc import Iterator

import pandas as pd

from kpp.table.csv_rows import read_csv
from kpp.table.folders import TableFile
from kpp.table.parquet import read_parquet
from kpp.table.raw import opened
from kpp.table.values import ValueReader


class FileReader:
    """Reads one file of measurements, Parquet by its suffix, else CSV.

    Attributes:
        share_read: of the file so far: 0 to 1.
        notes: what was ignored, left out or converted; whole when all rows are read.
    """

    def __init__(self, file: TableFile) -> None:
        self._file = file
        self.share_read = 0.0
        self.notes: list[str] = []

    def rows(self) -> Iterator[pd.DataFrame]:
        """The known columns and `LINE`, as `kpp.schema.Table` has them; parts of the file, at least one.

        Raises:
            InputError: the file cannot be opened, is empty, or is no such file; in the end, a line or a cell
                cannot be.
        """
        path, values = self._file.path, ValueReader(self._file.path)
        with opened(path) as stream:
            read = read_parquet if self._file.is_parquet else read_csv
            for rows in read(path, stream, self._file.service, self.notes):
                self.share_read = rows.share_read
                yield values.read(rows)
        self.notes += values.finish()
