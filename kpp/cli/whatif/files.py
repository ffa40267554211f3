"""From the files that a command names to a campaign for the what-if models."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from kpp.cli.whatif.progress import progress_bar

if TYPE_CHECKING:
    from kpp.schema import Table
    from kpp.whatif.model import Campaign

RESULTS, CALLS = "performance_results_", "performance_calls_"
MOST_NAMES = 12  # in a note: a list of all services of a large application is read by nobody


def read_campaign(
    tables: Sequence[Path], calls: Path | None, cpu_limits: Path | None
) -> "tuple[Campaign, tuple[str, ...]]":
    """Read tables, calls and limits. Without `calls`, what lies beside the tables is taken.

    Of tables that do not fit in memory, fewer minutes are taken, under a progress bar.

    Returns:
        The campaign, and notes on what reading did.

    Raises:
        InputError: a file cannot be used.
    """
    from kpp.schema import CALLEE, CALLER, SERVICE
    from kpp.whatif.campaign import make_campaign, read_calls, read_cpu_limits

    table = _read_tables(tables)
    files = [calls] if calls is not None else find_calls(tables)
    called = read_calls(files) if files else None
    limits = read_cpu_limits(cpu_limits) if cpu_limits is not None else {}
    campaign = make_campaign(table, called, limits)
    notes = [f"Calls are read from {file}" for file in files if calls is None]
    measured = campaign.measurements[SERVICE].unique().tolist()
    notes += _strangers(cpu_limits, list(limits), measured)
    if called is not None and calls is not None:  # found by itself it has the services without metrics too
        notes += _strangers(calls, [*called[CALLER], *called[CALLEE]], measured)
    return campaign, (*table.notes, *notes)


def _read_tables(tables: Sequence[Path]) -> "Table":
    from kpp.schema import read_measurements, read_thinned_measurements
    from kpp.table.folders import fit_in_memory, list_files

    if fit_in_memory(list_files(tables)):
        return read_measurements(tables)
    with progress_bar("reading a part of large tables") as show:
        return read_thinned_measurements(tables, lambda share: show(share, "reading a part of large tables"))


def _strangers(file: Path | None, named: Sequence[str], measured: Sequence[str]) -> list[str]:
    """Services of a file that were not measured: a name may be mistyped."""
    notes = []
    for name in dict.fromkeys(named):
        if name not in measured:
            near = get_close_matches(name, measured, 1, 0.6)
            meant = f"; is {near[0]!r} meant?" if near else ""
            notes.append(f"{file}: {name!r} was not measured, so it is left out{meant}")
    return notes


def find_calls(tables: Sequence[Path]) -> list[Path]:
    """The calls that `kpp collect` or `kpp import` wrote beside these tables, also those in a folder."""
    from kpp.table.folders import list_files

    found = (_calls_of(file.path) for file in list_files(tables))
    return [path for path in found if path.is_file()]


def _calls_of(table: Path) -> Path:
    """Where they are, if there are some.

    >>> _calls_of(Path("performance_results_1.csv")).name, _calls_of(Path("tuesday.csv")).name
    ('performance_calls_1.csv', 'tuesday_calls.csv')
    """
    if table.name.startswith(RESULTS):
        return table.with_name(table.name.replace(RESULTS, CALLS, 1))
    return table.with_name(f"{table.stem}_calls.csv")


def show_notes(notes: Iterable[str]) -> None:
    """Print each note once, on stderr, with long lists of services cut."""
    for note in dict.fromkeys(notes):
        typer.echo(shorten_names(note), err=True)


def shorten_names(note: str) -> str:
    """Cut the list of names before a note's colon.

    >>> shorten_names(", ".join(f"s{number}" for number in range(1000)) + ": no CPU limit is known")
    's0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11 and 988 more: no CPU limit is known'
    """
    names, colon, text = note.partition(": ")
    listed = names.split(", ")
    if not colon or len(listed) <= MOST_NAMES or any(" " in name for name in listed):
        return note
    return f"{', '.join(listed[:MOST_NAMES])} and {len(listed) - MOST_NAMES} more: {text}"
