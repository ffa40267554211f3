"""How the parts of predictions are shown on screen: for each situation what is shared, then tables."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from kpp.cli.whatif.predictions import MOST_ROWS, cut_middle, title_of
from kpp.schema import SERVICE
from kpp.whatif.model import SITUATION
from kpp.whatif.scenario import complete

NEXT_TO_NOTHING = 0.0005  # of what is shown: 0.5 microseconds, half a thousandth of a millicore
LEAST_WIDTH = 60  # columns for a table, so that it has two parts at least, however narrow the terminal is
MOST_NAME = 22  # columns for a service
UNITS = {"(s)": ("ms", 1e3), "(cores)": ("millicores", 1e3)}  # as in the predictions, which need few digits
NAMES = ("CPU", "Envoy")  # written so
SECTIONS = ("CPU usage", "visits")  # each begins a table: times, CPU, capacity
PAUSE = "Think Time (s)"  # stays in seconds, as it is asked for


def show_explanation(predictions: pd.DataFrame, parts: pd.DataFrame) -> None:
    """Print what makes up each prediction: what all services of a situation share, then each service.

    Args:
        predictions: as they were shown.
        parts: a row for each of these, with the same index; a column for each part.
    """
    console = Console(highlight=False)
    whole = Console(highlight=False, width=max(console.width, LEAST_WIDTH))
    shown = predictions.head(MOST_ROWS)
    situations = complete(shown)[SITUATION].to_numpy()
    told = _in_units_of_tables(parts)
    for rows in pd.Series(range(len(shown))).groupby(situations, sort=False).indices.values():
        own = told.iloc[rows]
        console.print(f"\nWhat makes up the predictions at {title_of(shown.iloc[rows])}", style="bold")
        shared = [name for name in own if len(rows) > 1 and own[name].eq(own[name].iloc[0]).all()]
        for name in shared:
            if own[name].iloc[0]:
                title = str(name)
                console.print(f"{title[:1].upper()}{title[1:]}: {own[name].iloc[0]}", soft_wrap=True)
        own = own.drop(columns=shared)
        own = own[[name for name in own if own[name].ne("").any()]]
        services = [cut_middle(str(service), MOST_NAME) for service in shown[SERVICE].iloc[rows]]
        for columns in _cut_to_width(own, whole.width - max(len(name) for name in services) - 1):
            whole.print()
            whole.print(_table(services, own[columns]))


def _in_units_of_tables(parts: pd.DataFrame) -> pd.DataFrame:
    """The parts as texts, in the units of the predictions above them, which the names tell."""
    columns = {}
    for name in parts:
        start, _, end = str(name).rpartition(" ")
        unit, factor = ("s", 1.0) if name == PAUSE else UNITS.get(end, ("", 1.0))
        title = f"{start}, {unit}" if unit else str(name).replace(" (", ", ").rstrip(")")
        title = " ".join(word if word.strip(",") in NAMES else word.lower() for word in title.split(" "))
        columns[title] = parts[name].map(lambda value, by=factor: _cell(value, by))
    return pd.DataFrame(columns, index=parts.index)


def _cut_to_width(parts: pd.DataFrame, width: int) -> Iterator[list[str]]:
    """The names of the parts that fit beside each other, group by group."""
    group: list[str] = []
    left = width
    for name in parts:
        size = _size(parts, str(name)) + 1
        if group and (size > left or str(name).startswith(SECTIONS)):
            yield group
            group, left = [], width
        group.append(str(name))
        left -= size
    if group:
        yield group


def _size(parts: pd.DataFrame, name: str) -> int:
    """Columns that a part needs: no cell and no word of its name is broken."""
    return max(len(text) for text in [*parts[name], *name.split()])


def _table(services: Sequence[str], parts: pd.DataFrame) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("service", no_wrap=True, vertical="bottom")
    for name in parts:
        size = _size(parts, str(name))
        table.add_column(str(name), justify="right", vertical="bottom", min_width=size, max_width=size)
    for service, (_, row) in zip(services, parts.iterrows(), strict=True):
        table.add_row(service, *row)
    return table


def _cell(value: Any, factor: float) -> str:
    """Three digits, without an exponent where that is short.

    >>> _cell(0.00932, 1e3), _cell(-0.0006, 1e3), _cell(1.53, 1e3), _cell(7e-10, 1e3), _cell(None, 1.0)
    ('9.32', '-0.60', '1530', '0', '')
    """
    if not isinstance(value, float):
        return "" if value is None else str(value)
    if math.isnan(value):
        return ""
    scaled = factor * value
    if abs(scaled) < NEXT_TO_NOTHING:
        return "0"
    if abs(scaled) >= 1e6:
        return f"{scaled:.2g}"
    if scaled == round(scaled):
        return f"{scaled:.0f}"
    decimals = min(max(2 - math.floor(math.log10(abs(scaled))), 0), 2 if abs(scaled) >= 0.1 else 3)
    return f"{scaled:.{decimals}f}"
