"""Campaigns of systems whose laws are known exactly, for tests: X = N / (Z + R), CPU = b r + d X."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from kpp.schema import (
    CPU_REQUEST,
    CPU_USAGE,
    REPLICAS,
    RESPONSE_TIME,
    SERVICE,
    SOURCE,
    THROUGHPUT,
    TIMESTAMP,
    USER_COUNT,
)
from kpp.whatif.model import Campaign

STARTED_AT = 1_700_000_040.0


@dataclass(frozen=True)
class Service:
    """One service far from saturation."""

    response_time_seconds: float
    visit_ratio: float
    demand_seconds: float
    background_cores: float = 0.01
    replicas: int = 1


SHOP: Mapping[str, Service] = {
    "frontend": Service(0.020, 1.0, 0.004, replicas=2),
    "cart": Service(0.003, 0.5, 0.002),
    "catalog": Service(0.005, 3.0, 0.001),
}
THINK_TIME_SECONDS = 2.0


def make_rows(
    user_counts: Sequence[float],
    minutes: int = 12,
    services: Mapping[str, Service] = SHOP,
    noise: float = 0.03,
    seed: int = 0,
) -> pd.DataFrame:
    """Measured rows: each value times a lognormal factor with that standard deviation."""
    rng = np.random.default_rng(seed)
    entry = next(iter(services.values()))
    rows = []
    for number, users in enumerate(user_counts):
        rps = users / (THINK_TIME_SECONDS + entry.response_time_seconds)
        for minute in range(minutes):
            at = STARTED_AT + 60.0 * (number * (minutes + 5) + minute)
            for name, service in services.items():
                throughput = rps * service.visit_ratio
                cpu = service.background_cores * service.replicas + service.demand_seconds * throughput
                values = np.array([service.response_time_seconds, throughput, cpu])
                values = values * np.exp(rng.normal(0.0, noise, 3)) if noise else values
                rows.append((at, name, float(users), *values, float(service.replicas), 0.2))
    columns = [
        TIMESTAMP,
        SERVICE,
        USER_COUNT,
        RESPONSE_TIME,
        THROUGHPUT,
        CPU_USAGE,
        REPLICAS,
        CPU_REQUEST,
    ]
    return pd.DataFrame(rows, columns=columns).assign(**{SOURCE: "test.csv"})


def make_system(
    user_counts: Sequence[float] = (20, 40, 60, 80, 100),
    minutes: int = 12,
    services: Mapping[str, Service] = SHOP,
    noise: float = 0.03,
    seed: int = 0,
) -> Campaign:
    """A campaign of these rows."""
    rows = make_rows(user_counts, minutes, services, noise, seed)
    return Campaign(rows.sort_values([SERVICE, TIMESTAMP], ignore_index=True))
