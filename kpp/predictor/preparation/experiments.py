"""From measurements to experiments, and from experiments to the rows that fit, validate and test."""

from enum import IntEnum

import numpy as np
import pandas as pd

from kpp.schema import SERVICE, STEP_SECONDS, TARGETS, TIMESTAMP, USER_COUNT
from kpp.table.minutes import MINUTE, nearest_minute

LEVEL = "Level"  # number of a service's user count
EXPERIMENT = "Experiment"  # number of an experiment of a service
PART = "Part"
ROUNDING = 1e-9  # so that 80 % of 10 rows are 8, whatever the machine's 0.8 is


class Part(IntEnum):
    """What a row is used for, in the order of time."""

    FIT = 0
    VALIDATION = 1
    TEST = 2


def aggregate_minutes(frame: pd.DataFrame) -> pd.DataFrame:
    """Aggregate by (minute, service): the mean of what was measured.

    The order of the rows makes no difference, not in a single bit. A minute in which the load changed gives a
    row for each user count.

    Returns:
        Columns `SERVICE`, `MINUTE` (Unix seconds), `USER_COUNT` and `TARGETS`, by service and time.
    """
    columns = [SERVICE, TIMESTAMP, USER_COUNT, *TARGETS]
    rows = frame[columns].sort_values(columns)  # a sum rounds by the order of its terms
    rows[MINUTE] = nearest_minute(rows[TIMESTAMP])
    groups = rows.groupby([SERVICE, MINUTE, USER_COUNT], sort=False)
    means = groups[[TIMESTAMP, *TARGETS]].mean().reset_index()
    in_time = means.sort_values([SERVICE, MINUTE, TIMESTAMP, USER_COUNT], ignore_index=True)
    return in_time.drop(columns=TIMESTAMP)


def number_experiments(rows: pd.DataFrame, max_gap_steps: int) -> pd.DataFrame:
    """Add `EXPERIMENT`: a run of one user count of a service, gaps of `max_gap_steps` included."""
    previous = rows.shift()
    begins = (
        (rows[SERVICE] != previous[SERVICE])
        | (rows[USER_COUNT] != previous[USER_COUNT])
        | (rows[MINUTE] - previous[MINUTE] > (max_gap_steps + 1) * STEP_SECONDS)
    )
    return rows.assign(**{EXPERIMENT: begins.cumsum()})


def assign_parts(rows: pd.DataFrame, train_share: float) -> pd.DataFrame:
    """Add `LEVEL` and `PART`: of each user count, the first `train_share` of the rows in time train.

    The last of these, in the same proportion, validate. Which part a row is in follows from services, times
    and user counts alone, never from what was measured. Each level has at least one row to fit.
    """
    levels = rows.groupby([SERVICE, USER_COUNT])
    position, count = levels.cumcount(), levels[MINUTE].transform("size")
    train_count = np.floor(count * train_share + ROUNDING).clip(lower=1)
    fit_count = np.floor(train_count * train_share + ROUNDING).clip(lower=1)
    part = np.select([position < fit_count, position < train_count], [Part.FIT, Part.VALIDATION], Part.TEST)
    return rows.assign(**{LEVEL: levels.ngroup().to_numpy(), PART: part})
