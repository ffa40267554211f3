"""When: instants as a person writes them, and the grid of instants that a table is imported on."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from kpp.errors import ConfigError

Floats = NDArray[np.float64]

UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
LARGEST_UNIX_SECONDS = 1e11  # a larger number is in milliseconds
MOST_INSTANTS = 200_000  # four and a half months of minutes
TOLERANCE_SECONDS = 0.002  # instants are sent and answered in milliseconds
_DURATION = re.compile(r"(\d+(?:s|m|h|d|w))+")
_MEND = "write 2026-11-25T08:00:00Z, Unix seconds, now, or -24h (s, m, h, d, w)"


@dataclass(frozen=True)
class Instant:
    """A moment, and whether it was told relative to the present."""

    at: float  # Unix seconds
    is_relative: bool = False


def parse_instant(text: str, now: float) -> Instant:
    """Read an instant: ISO 8601 (UTC unless it says otherwise), Unix seconds, or relative to `now`.

    >>> parse_instant("2026-11-25T08:00:00+01:00", now=0.0).at
    1795590000.0
    >>> parse_instant("-1h30m", now=10_000.0)
    Instant(at=4600.0, is_relative=True)

    Raises:
        ConfigError: it is none of these.
    """
    word = text.strip()
    if word == "now":
        return Instant(now, is_relative=True)
    past = word.removeprefix("now")
    if past.startswith("-") and _DURATION.fullmatch(past[1:]):
        return Instant(now - parse_duration(past[1:]), is_relative=True)
    try:
        seconds = float(word)
    except ValueError:
        return Instant(_parse_iso(text))
    if not 0 <= seconds < LARGEST_UNIX_SECONDS:
        raise ConfigError(f"the instant {text!r} is not in Unix seconds", mend=_MEND)
    return Instant(seconds)


def parse_duration(text: str) -> int:
    """Read a duration in seconds: `90`, `90s`, `1m30s`.

    >>> parse_duration("1h30m"), parse_duration("60")
    (5400, 60)

    Raises:
        ConfigError: it is none, or 0.
    """
    word = f"{text}s" if text.isascii() and text.isdecimal() else text
    parts = re.findall(r"(\d+)([smhdw])", word) if _DURATION.fullmatch(word) and word.isascii() else []
    seconds = sum(int(number) * UNIT_SECONDS[unit] for number, unit in parts)
    if not 0 < seconds < LARGEST_UNIX_SECONDS:
        raise ConfigError(f"the duration {text!r} cannot be read", mend="write it as 60, 60s or 1m30s")
    return seconds


def _parse_iso(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text.strip())
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        seconds = aware.timestamp()
    except (ValueError, OverflowError):
        seconds = -1.0
    if seconds < 0:
        raise ConfigError(f"the instant {text!r} cannot be read", mend=_MEND)
    return seconds


def tell_instant(at: float) -> str:
    """An instant as ISO 8601.

    >>> tell_instant(1795590000.0)
    '2026-11-25T07:00:00Z'
    """
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class Span:
    """Some instants of a grid, one beside the other: the numbers from `first` up to and without `end`."""

    first: int
    end: int

    @property
    def count(self) -> int:
        """How many instants."""
        return self.end - self.first

    def halves(self) -> tuple["Span", "Span"]:
        """Two spans for one of at least two instants."""
        middle = (self.first + self.end) // 2
        return Span(self.first, middle), Span(middle, self.end)


@dataclass(frozen=True)
class Grid:
    """The instants of a table: `start`, and every `step_seconds` after it."""

    start: float  # Unix seconds
    step_seconds: int
    count: int

    @property
    def instants(self) -> Floats:
        """All of them, in Unix seconds."""
        return self.start + self.step_seconds * np.arange(self.count, dtype=np.float64)

    @property
    def end(self) -> float:
        """The last one."""
        return self.at(self.count - 1)

    def at(self, number: int) -> float:
        """The instant of a number, Unix seconds."""
        return self.start + self.step_seconds * number

    def numbers_of(self, instants: Floats) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """The numbers of instants (Unix seconds), and which of them are the grid's own."""
        numbers = np.rint((instants - self.start) / self.step_seconds)
        is_own = (numbers >= 0) & (numbers < self.count)
        is_own &= np.abs(self.start + self.step_seconds * numbers - instants) < TOLERANCE_SECONDS
        return np.where(is_own, numbers, 0).astype(np.intp), is_own

    def spans(self, most: int) -> Iterator[Span]:
        """Cut the grid into spans of at most so many instants."""
        for first in range(0, self.count, most):
            yield Span(first, min(first + most, self.count))


def make_grid(start: Instant, end: Instant, step_seconds: int) -> Grid:
    """The instants from `start` to at most `end`. What was told relatively begins at a whole step.

    Raises:
        ConfigError: there is none, or there are too many.
    """
    first = step_seconds * math.floor(start.at / step_seconds) if start.is_relative else start.at
    count = math.floor((end.at - first) / step_seconds + 1e-6) + 1
    if count < 1:
        what = f"the range from {tell_instant(start.at)} to {tell_instant(end.at)} is empty"
        raise ConfigError(what, mend="let --from be earlier than --to")
    if count > MOST_INSTANTS:
        what = f"the range has {count:,} instants, and {MOST_INSTANTS:,} are the most"
        raise ConfigError(what, mend="import it in parts, or choose a longer --step")
    return Grid(first, step_seconds, count)
