"""Whether the load that was asked for was there: by the law of the closed loop, and by ready replicas.

N users who each wait R for an answer and then pause for Z make X requests a second: N = X (R + Z), which is
Little's law for users instead of requests. Z is not known, but it is the users' own and so the same at every
load: the lightest experiment tells it, where the load generator has the least to do.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

TOLERANCE = 0.05  # of the users: less, and other things than the load generator explain it
NOISE = (
    3.0  # standard deviations; requests are taken to come like a Poisson process, the noisiest they may be
)


@dataclass(frozen=True)
class OfferedLoad:
    """One experiment at the entry service, in the mean."""

    user_count: int
    throughput_rps: float | None
    response_time_seconds: float | None
    measured_seconds: float  # in which there was a throughput

    @property
    def think_time_seconds(self) -> float | None:
        """The pause per request that follows if all users were there.

        >>> OfferedLoad(50, 10.0, 1.0, 60.0).think_time_seconds
        4.0
        """
        if not self.throughput_rps or self.response_time_seconds is None:
            return None
        return self.user_count / self.throughput_rps - self.response_time_seconds

    @property
    def request_count(self) -> float:
        """The requests that were counted."""
        return (self.throughput_rps or 0.0) * self.measured_seconds


@dataclass(frozen=True)
class AchievedLoad:
    """The users who were there."""

    share: float  # of those asked for; above 1 if the pauses are shorter than in the lightest experiment
    tolerance: float  # what chance and measuring leave open

    @property
    def is_as_asked(self) -> bool:
        """Whether the users were there, as far as can be told."""
        return abs(self.share - 1) <= self.tolerance


def lightest(loads: Iterable[OfferedLoad]) -> OfferedLoad | None:
    """The load with the fewest users of which the pause is known."""
    known = [load for load in loads if load.think_time_seconds is not None]
    return min(known, key=lambda load: load.user_count, default=None)


def find_achieved(load: OfferedLoad, reference: OfferedLoad | None) -> AchievedLoad | None:
    """Compare the users who were there with those asked for; None is not known.

    Args:
        load: the experiment's.
        reference: a load at which all users were at work.

    >>> reference = OfferedLoad(10, 2.0, 1.0, 600.0)  # so they pause for 4 s
    >>> find_achieved(OfferedLoad(100, 10.0, 1.0, 600.0), reference).share
    0.5
    """
    pause = reference.think_time_seconds if reference is not None else None
    if reference is None or pause is None or not load.throughput_rps or load.response_time_seconds is None:
        return None
    share = load.throughput_rps * (load.response_time_seconds + pause) / load.user_count
    noise = math.sqrt(1 / load.request_count + 1 / reference.request_count)
    return AchievedLoad(share, max(TOLERANCE, NOISE * noise))


def ready_share(counts: Sequence[tuple[int, int]]) -> float | None:
    """Ready replicas of the load generator in those wanted, over all looks at it.

    >>> ready_share([(1, 1), (0, 1)])
    0.5
    """
    wanted = sum(each for _, each in counts)
    return sum(ready for ready, _ in counts) / wanted if wanted else None
