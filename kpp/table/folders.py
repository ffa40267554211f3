"""From paths to the files of a table: a folder stands for all tables in it, those by service among them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, groupby
from pathlib import Path
from typing import TypeVar

from kpp.errors import InputError
from kpp.table.columns import SERVICE
from kpp.table.faults import PARQUET_SUFFIXES
from kpp.table.row_counts import count_parquet, estimate_csv

T = TypeVar("T")

SUFFIXES = (".csv", *PARQUET_SUFFIXES)
# beginnings of names: what a campaign writes beside its measurements, and what writers leave behind
_NOT_MEASUREMENTS = ("performance_calls_", "performance_quality_", ".", "_")
_IMPORTED_CALLS = "_calls"  # what `kpp import --output NAME.csv` writes beside them is NAME_calls.csv
MOST_ROWS = 2_000_000  # in memory at once: some two gigabytes while they are prepared


@dataclass(frozen=True)
class TableFile:
    """One file of a table.

    Attributes:
        path: of the file.
        service: whose rows all of them are, where the file lies in a folder `Service=NAME`.
    """

    path: Path
    service: str | None = None

    @cached_property
    def row_count(self) -> int:
        """Rows that it has, of CSV an estimate; 0 if it cannot be read, which reading tells."""
        return count_parquet(self.path) if self.is_parquet else estimate_csv(self.path)

    @property
    def is_parquet(self) -> bool:
        """By its name; else it is CSV."""
        return self.path.suffix.lower() in PARQUET_SUFFIXES


def list_files(paths: Sequence[Path]) -> list[TableFile]:
    """The files that the paths stand for, each once, in order.

    Raises:
        InputError: there are no paths, or a folder holds none.
    """
    if not paths:
        raise InputError("no table of measurements was named", mend="name at least one CSV file")
    found: list[TableFile] = []
    for path in paths:
        found += _list_folder(path) if is_folder(path) else [TableFile(path)]
    return list({file.path.resolve(): file for file in reversed(found)}.values())[::-1]


def fit_in_memory(files: Sequence[TableFile]) -> bool:
    """Whether all rows of the files fit in memory together."""
    return count_rows(files) <= MOST_ROWS


def count_rows(files: Sequence[TableFile]) -> int:
    """Rows of all files, of CSV an estimate."""
    return sum(file.row_count for file in files)


def is_folder(path: Path) -> bool:
    """Whether it is one; a path that cannot even be asked about is none, and reading tells why."""
    try:
        return path.is_dir()
    except OSError:
        return False


def may_hold_measurements(path: Path) -> bool:
    """Whether a table in a folder is one of measurements, by its name.

    >>> [may_hold_measurements(Path(name)) for name in ("tuesday.csv", "tuesday_calls.csv", "_SUCCESS.csv")]
    [True, False, False]
    """
    return not path.name.startswith(_NOT_MEASUREMENTS) and not path.stem.endswith(_IMPORTED_CALLS)


def group_by_service(files: Sequence[TableFile]) -> list[list[TableFile]] | None:
    """Files in folders `Service=NAME`, in groups that fit in memory, all of a service in one; unread.

    Returns:
        None where a file may hold rows of several services.
    """
    if any(file.service is None for file in files):
        return None
    by_service = [list(own) for _, own in groupby(sorted(files, key=_service_of), key=_service_of)]
    counts = [count_rows(own) for own in by_service]
    return [list(chain.from_iterable(group)) for group in _pack(by_service, counts, MOST_ROWS)]


def _pack(items: Sequence[T], sizes: Sequence[float], most: float) -> Iterator[list[T]]:
    """Neighbors together, as many as do not exceed the size; one that does stands alone.

    >>> [*_pack("abcde", [1, 2, 3, 9, 1], 4)]
    [['a', 'b'], ['c'], ['d'], ['e']]
    """
    group: list[T] = []
    filled = 0.0
    for item, size in zip(items, sizes, strict=True):
        if group and filled + size > most:
            yield group
            group, filled = [], 0.0
        group.append(item)
        filled += size
    if group:
        yield group


def _service_of(file: TableFile) -> str:
    return file.service or ""


def _list_folder(folder: Path) -> list[TableFile]:
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and may_hold_measurements(path) and path.is_file()
    )
    if not found:
        mend = f"name the files, or a folder with {', '.join(SUFFIXES)} files"
        raise InputError("holds no table of measurements", where=str(folder), mend=mend)
    return [TableFile(path, _find_service(path.relative_to(folder.parent))) for path in found]


def _find_service(path: Path) -> str | None:
    """The service that a folder above the file names.

    >>> _find_service(Path("rows/Service=cart/part-0.parquet")), _find_service(Path("rows/a.csv"))
    ('cart', None)
    """
    for folder in path.parts[:-1]:
        name, _, service = folder.partition("=")
        if service and name.lower() == SERVICE.lower():
            return service
    return None
