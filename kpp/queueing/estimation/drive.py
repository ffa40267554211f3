"""How many users the load generator really drives: where it falls behind, throughput just stands still.

Beyond some number of users a generator has no CPU left, or its connections are used up. Throughput then stops
to grow although nobody waits for an answer: N / X - R, the pause, grows with N. Taken for the think time, it
would spoil that; taken for an offered load, demand would seem to fall with it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kpp.queueing.estimation.levels import Levels
from kpp.queueing.estimation.robust import MAD_TO_SIGMA, Estimate, robust_location
from kpp.queueing.estimation.visits import pauses_by_level

Floats = NDArray[np.float64]

LEAST_USER_COUNTS = 3  # to tell a pause that grows
TOLERANCE = 0.05  # of the users, that may be missing
SCATTER = 3.0  # standard deviations, that may be chance
LIGHT = 0.5  # of the levels, the lower ones by user count, at which all users are taken to be at work


@dataclass(frozen=True)
class Drive:
    """What the load generator drives; all (levels,) but `usual_pause` and `scatter`.

    Attributes:
        usual_pause: seconds, at the lower half of the levels; NaN with too few user counts to tell.
        pauses: seconds, N / X - R; NaN where not measured.
        at_work: share of the users, around 1; NaN likewise.
        scatter: of that share, one standard deviation.
        behind: whether so many are missing that it is no chance, at this and all higher levels.
        rps: requests per second at the entry service.
        seconds: response time there.
    """

    usual_pause: Estimate
    pauses: Floats
    at_work: Floats
    scatter: float
    behind: NDArray[np.bool_]
    rps: Floats
    seconds: Floats

    def users_at_work(self, user_count: Floats) -> Floats:
        """(levels,) so many users the measured throughput is of."""
        return np.asarray(user_count * np.where(self.behind, self.at_work, 1.0), dtype=np.float64)

    def most(self) -> tuple[float, float]:
        """The most requests per second that were driven, and their response time; infinite if all were."""
        if not self.behind.any():
            return float("inf"), 0.0
        most = int(np.argmax(np.where(self.behind, self.rps, 0.0)))
        return float(self.rps[most]), float(self.seconds[most])


def find_drive(levels: Levels, entry: int) -> Drive:
    """Compare the pause at each level with that of the lower half."""
    pauses, rps = pauses_by_level(levels, entry), levels.throughput[:, entry]
    known = np.flatnonzero(np.isfinite(pauses))
    unknown, nowhere = np.full(len(levels), np.nan), np.zeros(len(levels), dtype=np.bool_)
    seconds = np.nan_to_num(levels.response_time[:, entry])
    if len(np.unique(levels.user_count[known])) < LEAST_USER_COUNTS:
        return Drive(Estimate(np.nan, np.nan), pauses, unknown, 0.0, nowhere, rps, seconds)
    cycles = levels.user_count / np.where(rps > 0, rps, np.nan)
    light = known[: max(2, int(LIGHT * len(known)))]
    usual = robust_location(pauses[light], levels.minutes[light])
    at_work = 1 - (pauses - usual.value) / cycles
    apart = np.abs(pauses[light] - usual.value)
    scatter = MAD_TO_SIGMA * float(np.median(apart)) / float(np.median(cycles[light]))
    missing = known[at_work[known] < 1 - max(TOLERANCE, SCATTER * scatter)]
    slowed = np.ptp((cycles - pauses)[known]) > np.ptp(pauses[known])  # rather a matter of response times
    behind = nowhere.copy()
    if not slowed:
        present = np.setdiff1d(known, missing)
        behind[missing[missing > present.max(initial=-1)]] = True
    return Drive(usual, pauses, at_work, scatter, behind, rps, seconds)


def tell_drive(levels: Levels, drive: Drive) -> tuple[str, ...]:
    """What models make of a load that falls behind, in words; nothing where none does."""
    if not drive.behind.any():
        return ()
    return (
        f"from {levels.user_count[drive.behind][0]:g} users on throughput lags although response times do "
        "not grow: the load generator falls behind, or something that is not measured; no more than "
        f"{drive.most()[0]:.3g} req/s are foreseen, whatever the services could do",
    )
