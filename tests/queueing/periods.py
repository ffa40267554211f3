"""A container under a CPU limit, simulated request by request: the truth for the formulas of crowds."""

from dataclasses import dataclass

import numpy as np

PERIOD_SECONDS = 0.1


@dataclass(frozen=True)
class Crowded:
    """Requests come in a crowd once in a period, and share a processor until its quota is used up.

    Attributes:
        size: mean of the crowd, which is Poisson.
        work_seconds: mean CPU time of a request, lognormal with a coefficient of variation of 0.5.
        takes_seconds: time in which the crowd comes, evenly.
        quota_seconds: CPU time of a period.
        servers: requests that are served at full speed at once.
    """

    size: float
    work_seconds: float
    takes_seconds: float
    quota_seconds: float
    servers: int

    def measure(self, periods: int, seed: int) -> tuple[float, float]:
        """The mean seconds that a request is there, and those of them that it is stopped.

        Crowds come at ten places in the period of the quota, one after the other for long.
        """
        found = [self._run(periods, seed + place, (place + 0.5) / 10) for place in range(10)]
        present, stopped, served = np.sum(found, axis=0)
        return present / served, stopped / served

    def _run(self, periods: int, seed: int, place: float) -> tuple[float, float, int]:
        rng = np.random.default_rng(seed)
        sigma = np.sqrt(np.log(1.25))
        jobs = np.empty(0)
        now, left, present, stopped, served = 0.0, self.quota_seconds, 0.0, 0.0, 0
        refill = place * PERIOD_SECONDS
        for number in range(periods):
            count = rng.poisson(self.size)
            comes = number * PERIOD_SECONDS + np.sort(rng.random(count)) * self.takes_seconds
            events = [*comes, (number + 1) * PERIOD_SECONDS]
            while events:
                until = min(events[0], refill)
                present += len(jobs) * (until - now)
                # the area above counts all as waiting to the event; what ends before is taken off
                jobs, left, early, held, done = self._serve(jobs, until - now, left)
                present, stopped, served, now = present - early, stopped + held, served + done, until
                if until == refill:
                    left, refill = self.quota_seconds, refill + PERIOD_SECONDS
                elif len(events) > 1:
                    work = self.work_seconds * np.exp(sigma * rng.standard_normal() - sigma**2 / 2)
                    jobs, events = np.append(jobs, work), events[1:]
                else:
                    events = []
        return present, stopped, served

    def _serve(
        self, jobs: np.ndarray, seconds: float, left: float
    ) -> tuple[np.ndarray, float, float, float, int]:
        """Share the processor; the rest of jobs and quota, and what ended early, was stopped, was done."""
        early, done = 0.0, 0
        while len(jobs) and seconds > 0 and left > 1e-12:
            cores = min(len(jobs), self.servers)
            step = min(jobs.min() * len(jobs) / cores, seconds, left / cores)
            jobs, left, seconds = jobs - step * cores / len(jobs), left - step * cores, seconds - step
            ended = int((jobs <= 1e-12).sum())
            early, done = early + ended * seconds, done + ended
            jobs = jobs[jobs > 1e-12]
        return jobs, left, early, len(jobs) * seconds if left <= 1e-12 else 0.0, done
