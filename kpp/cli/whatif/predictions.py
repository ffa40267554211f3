"""How predictions are shown on screen: a block for each situation, a line for each service."""

import math
from collections.abc import Hashable, Iterable, Sequence
from textwrap import wrap
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kpp.cli.whatif.files import MOST_NAMES
from kpp.predictor.display import UNITS, format_number
from kpp.schema import REPLICAS, SERVICE, USER_COUNT
from kpp.whatif.calibrated import lower_of, upper_of
from kpp.whatif.model import EXTRAPOLATING, IN_RANGE, REASON, SITUATION, THINK_TIME, UNSUPPORTED, VERDICT
from kpp.whatif.scenario import complete

MOST_ROWS = 300  # on screen; more are for files
LEAST_WIDTH = 80  # columns for a table, so that no number is cut, however narrow the terminal is
LEAST_NAME = 20  # columns for a service, however narrow the terminal is
SIGNS = {IN_RANGE: " ", EXTRAPOLATING: "~", UNSUPPORTED: "?"}
STYLES = {IN_RANGE: "green", EXTRAPOLATING: "yellow", UNSUPPORTED: "red"}


def show_predictions(
    model: str, predictions: pd.DataFrame, coverage: float, replicas_used: "pd.Series[float] | None" = None
) -> None:
    """Print the predictions, with their intervals, verdicts and reasons; within 80 columns.

    Args:
        model: that predicted.
        predictions: as of `CalibratedModel.predict`.
        coverage: of the intervals.
        replicas_used: of each row, to tell those that were not asked for.
    """
    console = Console(highlight=False)
    whole = Console(highlight=False, width=max(console.width, LEAST_WIDTH))
    console.print(
        f"Predicted by {model}; in brackets what {100 * coverage:g} % of the minutes are to lie in."
    )
    shown = predictions.head(MOST_ROWS)
    situations = complete(shown)[SITUATION].to_numpy()
    for _, rows in shown.groupby(situations, sort=False):
        console.print()
        console.print(title_of(rows), style="bold")
        whole.print(_table(rows, console.width))
        for line in _reasons(rows, console.width):
            console.print(line)
        if replicas_used is not None:
            for text in _tell_replicas(rows, replicas_used.loc[rows.index], console.width):
                console.print(text, style="dim")
    left = len(predictions) - len(shown)
    if left:
        console.print(f"\n… and {left} rows more: write all with --output FILE, or print them with --json")


def as_records(frame: pd.DataFrame) -> list[dict[Hashable, Any]]:
    """A dictionary per row, None for what is not known or not finite: JSON has neither."""
    known = frame.notna() & ~frame.isin([math.inf, -math.inf])
    records: list[dict[Hashable, Any]] = frame.astype(object).where(known, None).to_dict(orient="records")
    return records


def title_of(rows: pd.DataFrame) -> str:
    """A situation in a few words: the users, and their pause where that was asked for."""
    first = rows.iloc[0]
    pause = first.get(THINK_TIME)
    has_pause = pause is not None and not math.isnan(pause)
    return f"{first[USER_COUNT]:g} users" + (f", pausing {pause:g} s per request" if has_pause else "")


def _table(rows: pd.DataFrame, width: int) -> Table:
    """Numbers are never cut; names are, in the middle, where the terminal is too narrow."""
    columns = [
        [_value(row, target, unit.per_own_unit) for _, row in rows.iterrows()]
        for target, unit in UNITS.items()
    ]
    heads = [f"{unit.title.replace(' usage', '')}, {unit.name}" for unit in UNITS.values()]
    sizes = [
        max(len(head), *(len(cell) for cell in cells)) for head, cells in zip(heads, columns, strict=True)
    ]
    left = max(width - 2 - sum(size + 1 for size in sizes), LEAST_NAME)
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("", no_wrap=True, min_width=1)
    table.add_column("service", no_wrap=True)
    for head, size in zip(heads, sizes, strict=True):
        table.add_column(head, justify="right", no_wrap=True, min_width=size)
    for (_, row), *cells in zip(rows.iterrows(), *columns, strict=True):
        sign = Text(SIGNS[row[VERDICT]], style=STYLES[row[VERDICT]])
        table.add_row(sign, cut_middle(_name(row), left - 1), *cells)
    return table


def cut_middle(name: str, length: int) -> str:
    """The name, or its ends, which tell more than its middle.

    >>> cut_middle("frontend", 20), cut_middle("a-service-with-a-long-name-0001 x2", 20)
    ('frontend', 'a-service-…e-0001 x2')
    """
    if len(name) <= length:
        return name
    end = (length - 1) // 2
    return f"{name[: length - 1 - end]}…{name[-end:]}"


def _name(row: "pd.Series[Any]") -> str:
    replicas = row.get(REPLICAS)
    known = replicas is not None and not math.isnan(replicas)
    return f"{row[SERVICE]} x{replicas:g}" if known else str(row[SERVICE])


def _value(row: "pd.Series[Any]", target: str, factor: float) -> Text:
    if math.isnan(row[target]):
        return Text("-")
    bounds = (row[lower_of(target)], row[upper_of(target)])
    lower, upper = ("?" if math.isnan(bound) else shorten(bound * factor) for bound in bounds)
    return Text.assemble(shorten(row[target] * factor), (f" ({lower}-{upper})", "dim"))


def shorten(value: float) -> str:
    """Three digits, and two decimals at most; thousands as k from five digits on.

    >>> [shorten(value) for value in (0.00412, 0.412, 41.23, 412.3, 4123.0, 41230.0, 4.1e9)]
    ['0', '0.41', '41.2', '412', '4123', '41k', '4e9']
    """
    if value < 0.005:
        return "0"
    if value < 1:
        return f"{value:.2f}"
    if value >= 1e6:
        return f"{value:.0e}".replace("e+0", "e").replace("e+", "e")
    return f"{value / 1000:.0f}k" if value >= 9999.5 else format_number(value)


def _reasons(rows: pd.DataFrame, width: int) -> Iterable[Text]:
    """Each verdict and reason once, with the services that it holds for."""
    everyone = rows[SERVICE].tolist()
    groups = rows.groupby([VERDICT, REASON], sort=False)[SERVICE].agg(list).reset_index()
    for verdict, reason, services in zip(groups[VERDICT], groups[REASON], groups[SERVICE], strict=True):
        start = f"{SIGNS[verdict]} {verdict}"
        text = f"{start}, {_whose(services, everyone)}: {reason}"
        lines = wrap(text, width, subsequent_indent="  ", break_on_hyphens=False)
        first = Text(lines[0], style="dim")
        first.stylize(f"not dim {STYLES[verdict]}", 0, len(start))
        yield first
        yield from (Text(line, style="dim") for line in lines[1:])


def _tell_replicas(rows: pd.DataFrame, used: "pd.Series[float]", width: int) -> Iterable[str]:
    """The replicas that were not asked for, but counted; nothing where none are known."""
    taken = used[rows[REPLICAS].isna()] if REPLICAS in rows else used
    counts: dict[str, list[str]] = {}
    for service, count in zip(rows[SERVICE].loc[taken.index], taken, strict=True):
        if not math.isnan(count):
            counts.setdefault(f"{count:g}", []).append(service)
    if not counts:
        return []
    several = sorted(counts.items(), key=lambda each: len(each[1]))
    told = [f"{count} of {_list(services)}" for count, services in several[:-1]]
    most, those = several[-1]
    last = f"{most} of each" if not told else f"{most} of {those[0] if len(those) == 1 else 'each other'}"
    text = f"  replicas, where not asked for, as at the nearest measured load: {', '.join([*told, last])}"
    return wrap(text, width, subsequent_indent="  ", break_on_hyphens=False)


def _whose(services: Sequence[str], everyone: Sequence[str]) -> str:
    """The services, in few words.

    >>> _whose(["a", "b", "c"], ["a", "b", "c", "d"]), _whose(["a"], ["a", "b", "c"])
    ('all but d', 'a')
    """
    chosen = set(services)
    others = [service for service in everyone if service not in chosen]
    if not others:
        return "all" if len(everyone) > 1 else everyone[0]
    return f"all but {_list(others)}" if len(others) < len(services) else _list(services)


def _list(services: Sequence[str]) -> str:
    more = f" and {len(services) - MOST_NAMES} more" if len(services) > MOST_NAMES else ""
    return ", ".join(services[:MOST_NAMES]) + more
