"""How the parts of predictions are shown on screen: a table for each situation, a line for each service."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from kpp.cli.predictions import MOST_ROWS, cut_middle, title_of
from kpp.schema import SERVICE
from kpp.whatif.model import SITUATION
from kpp.whatif.scenario import complete

NEXT_TO_NOTHING = 1e-9  # seconds, cores or whatever a part is in
LEAST_WIDTH = 60  # columns for a table, so that it has two parts at least, however narrow the terminal is
MOST_NAME = 28  # columns for a service


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
    for rows in pd.Series(range(len(shown))).groupby(situations, sort=False).indices.values():
        own = parts.iloc[rows].map(_cell)
        console.print(f"\nWhat makes up the predictions at {title_of(shown.iloc[rows])}", style="bold")
        shared = [name for name in own if len(rows) > 1 and own[name].eq(own[name].iloc[0]).all()]
        for name in shared:
            if own[name].iloc[0]:
                console.print(f"{name}: {own[name].iloc[0]}", soft_wrap=True)
        own = own.drop(columns=shared)
        own = own[[name for name in own if own[name].ne("").any()]]
        services = [cut_middle(str(service), MOST_NAME) for service in shown[SERVICE].iloc[rows]]
        for columns in _cut_to_width(own, whole.width - max(len(name) for name in services) - 1):
            whole.print()
            whole.print(_table(services, own[columns]))


def _cut_to_width(parts: pd.DataFrame, width: int) -> Iterator[list[str]]:
    """The names of the parts that fit beside each other, group by group."""
    group: list[str] = []
    left = width
    for name in parts:
        size = _size(parts, str(name)) + 1
        if group and size > left:
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
        table.add_column(str(name), justify="right", min_width=size, max_width=size)
    for service, (_, row) in zip(services, parts.iterrows(), strict=True):
        table.add_row(service, *row)
    return table


def _cell(value: Any) -> str:
    if not isinstance(value, float):
        return "" if value is None else str(value)
    if math.isnan(value):
        return ""
    return f"{value:.3g}" if abs(value) >= NEXT_TO_NOTHING else "0"
