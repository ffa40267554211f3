"""From the files that a command names to a campaign for the what-if models."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kpp.whatif.model import Campaign

RESULTS, CALLS = "performance_results_", "performance_calls_"


def read_campaign(
    tables: Sequence[Path], calls: Path | None, cpu_limits: Path | None
) -> "tuple[Campaign, tuple[str, ...]]":
    """Read tables, calls and limits. Without `calls`, what `kpp collect` wrote beside the tables is taken.

    Returns:
        The campaign, and notes on what reading did.

    Raises:
        InputError: a file cannot be used.
    """
    from kpp.schema import read_measurements
    from kpp.whatif.campaign import make_campaign, read_calls, read_cpu_limits

    table = read_measurements(tables)
    files = [calls] if calls is not None else find_calls(tables)
    campaign = make_campaign(
        table,
        read_calls(files) if files else None,
        read_cpu_limits(cpu_limits) if cpu_limits is not None else {},
    )
    found = [f"Calls are read from {file}" for file in files if calls is None]
    return campaign, (*table.notes, *found)


def find_calls(tables: Sequence[Path]) -> list[Path]:
    """The calls that `kpp collect` wrote beside its tables, under the same stem."""
    beside = [table.with_name(table.name.replace(RESULTS, CALLS, 1)) for table in tables]
    return [path for path, table in zip(beside, tables, strict=True) if path != table and path.is_file()]
