"""Random tables of measurements, and an independent account of how they are split: row by row, no arrays."""

import math

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from kpp.schema import SERVICE, TARGETS, TIMESTAMP, USER_COUNT
from tests.measurements import STARTED_AT

COLUMNS = list(TARGETS)
MAX_GAP_STEPS = 3


EXPERIMENTS = st.lists(
    st.tuples(st.sampled_from([10.0, 20.0]), st.integers(1, 25), st.sampled_from([1, 3, 10])),
    min_size=1,
    max_size=4,
)


@st.composite
def tables(draw: DrawFn) -> pd.DataFrame:
    """Measurements of one or two services, each minute once, in no order.

    Experiments of up to 25 rows, at user counts that return; gaps short and long, missing cells, outliers.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    usual_step = draw(st.sampled_from([0.0, 0.8, 0.95]))
    rows = []
    for service in draw(st.sampled_from(["a", "ab"])):
        minute = 0
        for user_count, samples, pause in draw(EXPERIMENTS):
            steps = np.where(rng.random(samples) < usual_step, 1, rng.choice([2, 4, 5, 7], samples))
            steps[0] = pause
            rows += [(service, minute + passed, user_count) for passed in steps.cumsum().tolist()]
            minute = rows[-1][1]
    frame = pd.DataFrame(rows, columns=[SERVICE, TIMESTAMP, USER_COUNT])
    frame[TIMESTAMP] = STARTED_AT + 60 * frame[TIMESTAMP] + rng.uniform(-29, 29, len(frame))
    values = rng.lognormal(0, draw(st.sampled_from([0.1, 3.0])), (len(frame), 3))
    empty = rng.random(values.shape) < draw(st.sampled_from([0.0, 0.1, 0.4]))
    empty[empty.all(axis=1), 0] = False  # reading leaves out rows without any target
    frame[COLUMNS] = np.where(empty, np.nan, values)
    return frame.iloc[rng.permutation(len(frame))].reset_index(drop=True)


def minute_of(timestamp: float) -> int:
    """The number of the nearest minute."""
    return math.floor(timestamp / 60 + 0.5)


def walk(frame: pd.DataFrame, service: str) -> dict[int, tuple[str, int]]:
    """Minute -> its part, and the first minute of its segment; each minute of a service is there once."""
    own = frame[frame[SERVICE] == service]
    rows = sorted((minute_of(at), users) for at, users in zip(own[TIMESTAMP], own[USER_COUNT], strict=True))
    parts: dict[int, str] = {}
    for user_count in {users for _, users in rows}:
        level = [minute for minute, users in rows if users == user_count]
        training = max(1, len(level) * 4 // 5)
        fitting = max(1, training * 4 // 5)
        names = ["fit"] * fitting + ["validation"] * (training - fitting) + ["test"] * (len(level) - training)
        parts |= dict(zip(level, names, strict=True))

    found: dict[int, tuple[str, int]] = {}
    before = (-math.inf, -1.0)
    for minute, users in rows:
        gap = minute - before[0] - 1
        same_segment = users == before[1] and gap <= MAX_GAP_STEPS and parts[int(before[0])] == parts[minute]
        found[minute] = (parts[minute], found[int(before[0])][1] if same_segment else minute)
        before = (minute, users)
    return found
