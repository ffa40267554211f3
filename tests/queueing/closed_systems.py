"""Campaigns of closed systems with known parameters, solved exactly: the truth for estimates."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from kpp.queueing.networks import Station, exact_mva
from kpp.schema import (
    CALLEE,
    CALLER,
    CALLS,
    CPU_LIMIT,
    CPU_USAGE,
    REPLICAS,
    RESPONSE_TIME,
    SERVICE,
    SIDECAR_CPU_USAGE,
    SOURCE,
    THROUGHPUT,
    TIMESTAMP,
    USER_COUNT,
)

STARTED_AT = 1_700_000_040.0
ENVOY_CUTS_SECONDS = 0.0005  # of a response time of some milliseconds, on average


@dataclass(frozen=True)
class Tier:
    """A service of a chain: it calls the next one `calls` times per request.

    The station of all replicas together has `replicas` servers; a request keeps one for `service_seconds`, of
    which `demand_seconds` are CPU time.
    """

    name: str
    service_seconds: float
    demand_seconds: float
    background_cores: float = 0.01
    replicas: int = 1
    calls: float = 1.0
    limit_cores: float | None = None


@dataclass(frozen=True)
class Chain:
    """A web tier that calls an application tier that calls a database, or fewer, or more."""

    tiers: tuple[Tier, ...]
    think_time_seconds: float = 1.0
    noise: float = 0.02
    minutes: int = 6
    seed: int = 0
    throughput_factor: float = 1.0
    cpu_factor: float = 1.0
    source: str = "test.csv"

    def visits(self) -> list[float]:
        """Per request to the first tier."""
        ratios = [1.0]
        for tier in self.tiers[:-1]:
            ratios.append(ratios[-1] * tier.calls)
        return ratios

    def calls(self) -> pd.DataFrame:
        """The calls table."""
        pairs = zip(self.tiers, self.tiers[1:], strict=False)
        rows = [(tier.name, callee.name, tier.calls) for tier, callee in pairs]
        return pd.DataFrame(rows, columns=[CALLER, CALLEE, CALLS])

    def measure(self, user_counts: Sequence[int]) -> pd.DataFrame:
        """A campaign's rows, each value times a lognormal factor with mean 1."""
        rng = np.random.default_rng(self.seed)
        rows = []
        for number, users in enumerate(user_counts):
            exact = self.solve(users)
            for minute in range(self.minutes):
                at = STARTED_AT + 60.0 * (number * (self.minutes + 3) + minute)
                factors = np.exp(self.noise * rng.standard_normal((len(self.tiers), 3)) - self.noise**2 / 2)
                for tier, values, factor in zip(self.tiers, exact, factors, strict=True):
                    limit = np.nan if tier.limit_cores is None else tier.limit_cores
                    measured = values * factor * (1.0, self.throughput_factor, self.cpu_factor)
                    rows.append((at, tier.name, float(users), *measured, float(tier.replicas), limit))
        columns = [TIMESTAMP, SERVICE, USER_COUNT, RESPONSE_TIME, THROUGHPUT, CPU_USAGE, REPLICAS, CPU_LIMIT]
        frame = pd.DataFrame(rows, columns=columns)
        frame[SIDECAR_CPU_USAGE], frame[SOURCE] = 0.001, self.source
        return frame

    def solve(self, users: int) -> list[tuple[float, float, float]]:
        """Response time as Envoy tells it, throughput and CPU of each tier, without noise."""
        visits = self.visits()
        stations = [
            Station(ratio * tier.service_seconds, tier.replicas)
            for ratio, tier in zip(visits, self.tiers, strict=True)
        ]
        solution = exact_mva(stations, users, self.think_time_seconds)
        response_time = 0.0
        found: list[tuple[float, float, float]] = []
        for tier, ratio, residence in reversed(
            list(zip(self.tiers, visits, solution.residence_seconds, strict=True))
        ):
            response_time = residence / ratio + tier.calls * response_time * bool(found)
            throughput = ratio * solution.throughput_rps
            cpu = tier.background_cores * tier.replicas + tier.demand_seconds * throughput
            found.append((response_time - ENVOY_CUTS_SECONDS, throughput, cpu))
        return found[::-1]


THREE_TIERS = (
    Tier("web", 0.004, 0.003, background_cores=0.02, limit_cores=1.0),
    Tier("app", 0.010, 0.008, background_cores=0.01, limit_cores=1.0, calls=2.0),
    Tier("database", 0.006, 0.004, background_cores=0.03, limit_cores=1.0),
)
