"""How the cluster's time moves: as fast as clients ask for it, or in proportion to real time."""

import logging
import threading
from types import TracebackType
from typing import Protocol, Self

from kpp.clock import Clock, SystemClock
from kpp.simulator.cluster import Simulation

logger = logging.getLogger(__name__)

_TICK_SECONDS = 0.05  # of real time, between two moves of a paced cluster
_LATE_SECONDS = 2.0  # of real time; more is worth a warning


class Pace(Protocol):
    """Moves a cluster, from `__enter__` to `__exit__`; is a `Clock`, too, that shows the cluster's time."""

    speed: float | None  # simulated seconds per real second; None: as fast as asked for

    def __enter__(self) -> Self:
        """Begin to move."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""

    def now(self) -> float:
        """The cluster's time, Unix seconds."""

    def sleep(self, seconds: float) -> None:
        """Return when so much time has passed in the cluster."""


class VirtualPace:
    """Time stands still until someone sleeps; then it flies."""

    speed: float | None = None

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def __enter__(self) -> Self:
        """Begin: nothing moves yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop: nothing moves."""

    def now(self) -> float:
        """The cluster's time, Unix seconds."""
        return self._simulation.now

    def sleep(self, seconds: float) -> None:
        """Move the cluster on; not at all when `seconds` are not positive."""
        with self._simulation.lock:  # two who sleep at once do not share their time
            self._simulation.advance_to(self._simulation.now + max(seconds, 0.0))


class RealPace:
    """A thread moves the cluster `speed` times as fast as real time.

    At speed 1 the cluster's time is that of `clock`; at another one it goes on from where the cluster stands.
    """

    def __init__(self, simulation: Simulation, speed: float = 1.0, clock: Clock | None = None) -> None:
        self.speed: float | None = speed
        self._rate = speed
        self._simulation = simulation
        self._clock = clock or SystemClock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cluster's time", daemon=True)

    def __enter__(self) -> Self:
        """Bring the cluster up to the present, and start the thread."""
        if self._rate == 1:
            self._simulation.advance_to(self._clock.now())
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the thread."""
        self._stopping.set()
        self._thread.join()

    def now(self) -> float:
        """The cluster's time, Unix seconds."""
        return self._simulation.now

    def sleep(self, seconds: float) -> None:
        """Wait until so much time has passed in the cluster, or it has stopped."""
        until = self.now() + seconds
        while (left_seconds := until - self.now()) > 0:
            if self._stopping.wait(max(left_seconds / self._rate, _TICK_SECONDS / 2)):
                return

    def _run(self) -> None:
        real_start = self._clock.now()
        start = real_start if self._rate == 1 else self._simulation.now

        def due() -> float:
            return start + (self._clock.now() - real_start) * self._rate

        has_warned = False
        while not self._stopping.wait(_TICK_SECONDS):
            self._simulation.advance_to(due())
            late_seconds = (due() - self._simulation.now) / self._rate
            if late_seconds > _LATE_SECONDS and not has_warned:
                has_warned = True
                logger.warning("The cluster is %.0f s late: this load needs a lower speed.", late_seconds)
