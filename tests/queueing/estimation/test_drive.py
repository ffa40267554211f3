"""A load generator that does not reach its users."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from kpp.queueing.estimation.drive import tell_drive
from kpp.queueing.estimation.estimation import estimate
from kpp.schema import RESPONSE_TIME, TIMESTAMP, USER_COUNT
from tests.queueing.closed_systems import THREE_TIERS, Chain

THINK_SECONDS = 2.0
CHAIN = Chain(THREE_TIERS, THINK_SECONDS)
MOST = 40  # users that the generator runs


def driven(user_counts: Sequence[int]) -> pd.DataFrame:
    """A campaign whose generator runs `MOST` users, however many it is told."""
    tables = []
    for number, users in enumerate(user_counts):
        rows = CHAIN.measure([min(users, MOST)]).assign(**{USER_COUNT: float(users)})
        tables.append(rows.assign(**{TIMESTAMP: rows[TIMESTAMP] + 3600.0 * number}))
    return pd.concat(tables, ignore_index=True)


def test_the_users_at_work_are_told_and_nothing_else_is_spoilt() -> None:
    found = estimate(driven([10, 20, 30, 40, 60, 80, 120]), CHAIN.calls())

    assert found.levels.user_count[found.drive.behind].tolist() == [60.0, 80.0, 120.0]
    assert found.users_at_work == pytest.approx([10, 20, 30, 40, 40, 40, 40], rel=0.05)
    assert found.think_time.value == pytest.approx(THINK_SECONDS, rel=0.02)
    at = found.levels.services.index("app")
    assert found.cpu.demand[at] == pytest.approx(0.008, rel=0.05)
    assert found.parameters.fall.rate.value == 0  # a load that is not there makes nothing lighter
    (note,) = tell_drive(found.levels, found.drive)
    assert note.startswith("from 60 users on throughput lags")


def test_a_saturated_service_is_no_matter_of_the_generator() -> None:
    found = estimate(CHAIN.measure([20, 60, 100, 200, 300, 400]), CHAIN.calls())

    assert not found.drive.behind.any()
    assert found.drive.most() == (np.inf, 0.0)
    assert tell_drive(found.levels, found.drive) == ()


def test_without_response_times_what_stands_still_is_believed() -> None:
    """Whatever holds it back, the throughput does not grow."""
    frame = CHAIN.measure([20, 60, 100, 200, 300, 400]).assign(**{RESPONSE_TIME: np.nan})

    found = estimate(frame, CHAIN.calls())

    assert found.drive.behind[-3:].all()
    assert found.drive.most()[0] == pytest.approx(1 / 0.012, rel=0.05)
