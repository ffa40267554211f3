"""The load at each instant: from a metric, a file of intervals, else the entry service's request rate."""

import csv
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kpp.collector.history.instants import Floats, Grid, parse_instant, tell_instant
from kpp.collector.history.ranges import Answered
from kpp.errors import ConfigError, InputError, QueryError
from kpp.schema import USER_COUNT

START, END = "start", "end"
MOST_USERS = 10_000_000


@dataclass(frozen=True)
class Interval:
    """A time in which so many users were at work."""

    start: float  # Unix seconds
    end: float
    user_count: int


def read_users(answered: Answered, query: str) -> Floats:
    """The user count over the grid, from the answer to a person's query; NaN where there is none.

    Raises:
        ConfigError: the query gives no value, or several at once.
    """
    if not answered.series:
        raise ConfigError(
            f"the query for the users has no value in this range: {query}",
            mend="paste it into Prometheus and mend it, or name another with --users-query",
        )
    if len(answered.series) > 1:
        raise ConfigError(
            f"the query for the users gives {len(answered.series)} series: {query}",
            mend="put sum(...) or max(...) around it, so that it gives one",
        )
    (values,) = answered.series.values()
    return np.rint(values)


def refused_query(error: QueryError, query: str) -> ConfigError:
    """A person's query that Prometheus objects to."""
    mend = "paste it into Prometheus and mend it, or name another with --users-query"
    return ConfigError(f"{error.what}: {query}", where=error.where, mend=mend)


def users_of_intervals(intervals: Sequence[Interval], grid: Grid, window_seconds: int) -> Floats:
    """The user count over the grid; NaN where the window of an instant does not lie in one interval whole."""
    users = np.full(grid.count, np.nan)
    instants = grid.instants
    for each in intervals:
        users[(instants - window_seconds >= each.start) & (instants <= each.end)] = each.user_count
    return users


def users_of_rate(throughput_rps: Floats) -> Floats:
    """The entry service's requests per second as the load, whole as a user count is, at least 1 if any."""
    rounded = np.rint(throughput_rps)
    return np.where((throughput_rps > 0) & (rounded < 1), 1.0, rounded)


def read_intervals(path: Path, now: float) -> list[Interval]:
    """Read `start,end,User Count`: a line per interval, instants as `parse_instant` takes them.

    Raises:
        InputError: the file cannot be used, or intervals overlap; with the line.
    """
    intervals = []
    for line, row in _read_rows(path):
        try:
            intervals.append(_read_interval(row, now))
        except (ConfigError, ValueError) as error:
            what = error.what if isinstance(error, ConfigError) else str(error)
            raise InputError(what, where=f"{path}, line {line}", mend=f"write {_EXAMPLE}") from None
    if not intervals:
        raise InputError("there is no interval", where=str(path), mend=f"write {_EXAMPLE}")
    intervals.sort(key=lambda each: each.start)
    for before, after in itertools.pairwise(intervals):
        if after.start < before.end:
            what = f"two intervals overlap: at {tell_instant(after.start)} the one before has not ended"
            raise InputError(what, where=str(path), mend="let each interval end before the next begins")
    return intervals


_EXAMPLE = f"{START},{END},{USER_COUNT} as in 2026-11-25T08:00:00Z,2026-11-25T08:20:00Z,100"


def _read_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restkey="", restval="")
            missing = [name for name in (START, END, USER_COUNT) if name not in (reader.fieldnames or ())]
            if missing:
                what = f"the column {', '.join(missing)} is missing"
                raise InputError(what, where=str(path), mend=f"write {_EXAMPLE}")
            return [(reader.line_num, row) for row in reader]
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        raise InputError(what, where=str(path), mend="name a file with --users-file") from None
    except (UnicodeError, csv.Error):
        raise InputError("is no CSV in UTF-8", where=str(path), mend=f"write {_EXAMPLE}") from None


def _read_interval(row: dict[str, str], now: float) -> Interval:
    count = row[USER_COUNT].strip()
    if (
        not (count.isascii() and count.isdecimal())
        or not 0 < len(count) < 9
        or not 0 < int(count) <= MOST_USERS
    ):
        raise ValueError(f"{USER_COUNT} is {row[USER_COUNT]!r}")
    start, end = (parse_instant(row[name], now).at for name in (START, END))
    if end <= start:
        raise ValueError("the interval ends before it begins")
    return Interval(start, end, int(count))
