"""How targets and scores are shown to people: in units that need few digits."""

import math
from dataclasses import dataclass

from kpp.schema import CPU_USAGE, RESPONSE_TIME, THROUGHPUT


@dataclass(frozen=True)
class Unit:
    """A target's name and unit for tables and plots."""

    title: str
    name: str
    per_own_unit: float


UNITS = {
    RESPONSE_TIME: Unit("Response time", "ms", 1e3),
    THROUGHPUT: Unit("Throughput", "req/s", 1.0),
    CPU_USAGE: Unit("CPU usage", "millicores", 1e3),
}


def format_number(value: float | None, most_decimals: int = 4) -> str:
    """Three significant digits without an exponent, or fewer; a dash for None.

    >>> [format_number(value) for value in (0.00012345, 5.5, 1673.3, 0.0, None)]
    ['0.0001', '5.50', '1673', '0', '-']
    """
    if value is None:
        return "-"
    if value == 0:
        return "0"
    decimals = min(max(0, 2 - math.floor(math.log10(abs(value)))), most_decimals)
    return f"{value:.{decimals}f}"


def scaled(value: float | None, factor: float) -> float | None:
    """The value in another unit, or None as it was."""
    return None if value is None else factor * value
