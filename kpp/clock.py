"""Time as a part that can be exchanged: the system's clock, and one that a test turns by hand."""

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time and waits. Whatever waits in kpp waits through a clock that it was handed."""

    def now(self) -> float:
        """Unix time in seconds, UTC."""

    def sleep(self, seconds: float) -> None:
        """Return after `seconds`; at once when they are not positive."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Unix time in seconds, UTC."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Return after `seconds`; at once when they are not positive."""
        if seconds > 0:
            time.sleep(seconds)


class ManualClock:
    """A clock that moves only when told to: `sleep` returns at once and turns it.

    >>> clock = ManualClock(started_at=100.0)
    >>> clock.sleep(60)
    >>> clock.now()
    160.0
    """

    def __init__(self, started_at: float = 0.0) -> None:
        self._now = started_at

    def now(self) -> float:
        """Unix time in seconds, UTC."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Turn the clock on by `seconds`; not at all when they are not positive."""
        self._now += max(seconds, 0.0)
