"""Small synthetic tables of measurements for tests: plausible shapes, no claim to physics."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from kpp.schema import (
    CPU_USAGE,
    LINE,
    REASON,
    REQUIRED_COLUMNS,
    RESPONSE_TIME,
    SERVICE,
    SOURCE,
    THROUGHPUT,
    TIMESTAMP,
    USER_COUNT,
    Table,
)

STARTED_AT = 1_700_000_040.0  # a whole minute


def make_measurements(
    services: Sequence[str] = ("frontend",),
    user_counts: Sequence[float] = (10, 20, 30),
    samples: int = 21,
    pause_minutes: int = 6,
    seed: int = 0,
) -> pd.DataFrame:
    """One experiment of `samples` minutes for each user count, `pause_minutes` of nothing between two.

    Returns:
        Rows in the order in which a campaign writes them: per tick one row for each service.
    """
    rng = np.random.default_rng(seed)
    ticks = [
        (STARTED_AT + 60.0 * (number * (samples + pause_minutes) + minute), user_count)
        for number, user_count in enumerate(user_counts)
        for minute in range(samples)
    ]
    frame = pd.DataFrame(
        [(at, service, float(user_count)) for at, user_count in ticks for service in services],
        columns=[TIMESTAMP, SERVICE, USER_COUNT],
    )
    noise = rng.normal(1.0, 0.05, size=(len(frame), 3)).clip(0.5, 1.5)
    frame[RESPONSE_TIME] = (0.01 + frame[USER_COUNT] * 1e-4) * noise[:, 0]
    frame[THROUGHPUT] = frame[USER_COUNT] / 3.7 * noise[:, 1]
    frame[CPU_USAGE] = (0.01 + frame[USER_COUNT] * 2e-3) * noise[:, 2]
    return frame


def as_table(frame: pd.DataFrame) -> Table:
    """The table that reading `frame` from `test.csv` gives, without the file and without the checks."""
    rows = frame.copy()
    rows[SOURCE] = "test.csv"
    rows[LINE] = np.arange(2, len(frame) + 2)
    return Table(rows, left_out=pd.DataFrame(columns=[SERVICE, SOURCE, LINE, REASON]))


def write_measurements(frame: pd.DataFrame, path: Path) -> Path:
    """Write `frame` as CSV, the required columns first; NaN becomes an empty cell."""
    others = [column for column in frame.columns if column not in REQUIRED_COLUMNS]
    frame[[*REQUIRED_COLUMNS, *others]].to_csv(path, index=False)
    return path
