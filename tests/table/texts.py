"""Tables as text, for tests of reading."""

from kpp.schema import REQUIRED_COLUMNS

HEADER = ",".join(REQUIRED_COLUMNS)
ROW = "1700000040,cartservice,10,0.002,20.5,0.04"
NEXT_ROW = "1700000100,cartservice,10,0.003,20.7,0.05"


def lines(*rows: str, header: str = HEADER, end: str = "\n") -> str:
    """A whole file."""
    return "".join(row + end for row in (header, *rows))


def with_cell(column: str, cell: str) -> str:
    """`ROW` with another cell in one of its columns."""
    return ",".join({**dict(zip(REQUIRED_COLUMNS, ROW.split(","), strict=True)), column: cell}.values())


def quoted(row: str) -> str:
    """Every cell in quotes."""
    return ",".join(f'"{cell}"' for cell in row.split(","))
