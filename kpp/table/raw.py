"""A file's rows as they stand there, and what reading CSV and Parquet has in common."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kpp.errors import InputError
from kpp.table.columns import OPTIONAL_COLUMNS, REQUIRED_COLUMNS, SERVICE

KNOWN_COLUMNS = (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS)


@dataclass(frozen=True)
class RawRows:
    """Some rows of a file, in its order, as they stand there.

    Attributes:
        columns: those that are known, as a pyarrow Table; of CSV, every cell as text.
        lines: (rows,) where they stand, from 1; of Parquet, the row.
        share_read: of the file, with these rows: 0 to 1.
    """

    columns: Any
    lines: NDArray[np.int64]
    share_read: float


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file to be read; what the system refuses is told as ours."""
    try:
        with path.open("rb") as stream:
            yield stream
    except FileNotFoundError:
        mend = "check the path, or collect first with `kpp collect`"
        raise InputError("no such file", where=str(path), mend=mend) from None
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror}", where=str(path), mend="check the file"
        ) from error


def nothing_in(path: Path) -> InputError:
    """The error of a file without anything in it."""
    return InputError("the file is empty", where=str(path), mend="collect again, or name another file")


def with_service(columns: Any, service: str | None) -> Any:
    """The columns with that of the services, where only the folder's name says it."""
    if service is None or SERVICE in columns.column_names:
        return columns
    return columns.append_column(SERVICE, pa.repeat(service, len(columns)))


def ignored_columns(path: Path, names: list[str]) -> list[str]:
    """A note on the columns that are not known."""
    unknown = [name or "(no name)" for name in names if name not in KNOWN_COLUMNS]
    return [f"{path}: unknown columns ignored: {', '.join(unknown)}"] if unknown else []
