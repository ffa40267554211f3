"""Bounds that laws tie, checked by the laws themselves."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpp.schema import CPU_LIMIT, CPU_USAGE, REPLICAS, RESPONSE_TIME, SERVICE, THROUGHPUT, USER_COUNT
from kpp.whatif.calibrated import CalibratedModel, lower_of, upper_of
from kpp.whatif.intervals.agreement import Bounds, Laws, agree
from kpp.whatif.model import Campaign
from kpp.whatif.models.hybrid import Hybrid
from kpp.whatif.scenario import make_scenario
from tests.queueing.closed_systems import Chain, Tier

PAUSE = 2.0
TIERS = (
    Tier("web", 0.004, 0.004, limit_cores=0.5),
    Tier("shop", 0.010, 0.010, limit_cores=0.6),
)
ENTRY = "web"


def laws_of(rows: int, limit: float = np.inf, share: float = 1.0) -> Laws:
    """The first row is the entry service, the others are called by it; all are one situation."""
    return Laws(
        situation=np.zeros(rows, dtype=np.intp),
        entry_service=ENTRY,
        is_entry=np.arange(rows) == 0,
        think_time_seconds=np.full(rows, PAUSE),
        unloaded_seconds=0.01,
        visits=np.ones(rows),
        cpu_limit_cores=np.full(rows, limit),
        limited_share=np.full(rows, share),
        capacities_known=True,
        capacity_spread=np.zeros((rows, 3)),
        users_at_knee=np.full(rows, np.inf),
        unwaited_seconds=np.zeros(rows),
        largest_fall=0.0,
    )


def around(points: np.ndarray, down: float, up: float) -> Bounds:
    """Bounds at factors, without noise."""
    return Bounds(points * down, points * up, np.zeros_like(points), np.zeros(len(points)))


@given(
    users=st.floats(1, 1000),
    time=st.floats(0.001, 10),
    down=st.floats(0.05, 1),
    up=st.floats(1, 20),
    beyond=st.booleans(),
)
def test_no_response_time_is_longer_than_the_least_throughput_lets_it_be(
    users: float, time: float, down: float, up: float, beyond: bool
) -> None:
    points = np.array([[time, users / (PAUSE + time), 0.1]])

    found = agree(around(points, down, up), points, laws_of(1), np.array([users]), np.array([beyond]))

    assert (found.lower <= points * (1 + 1e-9)).all()
    assert (found.upper >= points * (1 - 1e-9)).all()
    if beyond or time > 0.02:
        longest, shortest = found.upper[0, 0], found.lower[0, 0]
        slowest = (PAUSE + time) / down - PAUSE
        assert longest <= slowest * (1 + 1e-9)
        if time > 0.02:  # it waits for its turn: throughput may be less by as much as it may be more
            assert longest >= min((PAUSE + time) * up - PAUSE, slowest) * (1 - 1e-9)
        assert found.upper[0, 1] <= users / (PAUSE + shortest) * (1 + 1e-9)
    else:
        np.testing.assert_allclose(found.upper, points * up)


def test_room_for_a_knee_is_room_for_the_response_time_behind_it() -> None:
    points = np.array([[0.01, 100 / 2.01, 0.1]])
    bounds = Bounds(points / 4, points * 1.5, np.zeros_like(points), np.log([3.0]))

    found = agree(bounds, points, laws_of(1), np.array([100.0]), np.ones(1, bool))

    assert found.upper[0, 0] == pytest.approx(3 * 2.01 - PAUSE)


def test_a_callee_takes_no_longer_than_who_waits_for_it() -> None:
    points = np.array([[0.1, 100 / 2.1, 0.1], [0.05, 100 / 2.1, 0.1]])
    bounds = Bounds(points / 2, points * np.array([[1.0], [1e6]]), np.zeros_like(points), np.zeros(2))

    found = agree(bounds, points, laws_of(2), np.full(2, 100.0), np.ones(2, bool))

    assert found.upper[1, 0] == found.upper[0, 0]


@pytest.mark.parametrize(("share", "most"), [(1.0, 0.5), (0.6, 0.5 + 0.4 * 2.0)])
def test_only_the_sidecar_passes_the_limit(share: float, most: float) -> None:
    points = np.array([[0.1, 100 / 2.1, 0.4]])
    bounds = Bounds(points / 2, np.array([[0.2, 60.0, 2.0]]), np.zeros_like(points), np.zeros(1))

    found = agree(bounds, points, laws_of(1, 0.5, share), np.array([100.0]), np.zeros(1, bool))

    assert found.upper[0, 2] == pytest.approx(most)


def test_predictions_of_the_hybrid_agree_far_beyond_the_data() -> None:
    chain = Chain(TIERS, PAUSE, minutes=8, noise=0.02)
    rows = chain.measure([10, 20, 30, 40, 50, 60])
    model = CalibratedModel.fit(Hybrid, Campaign(rows, chain.calls()))
    users = [150, 400]
    scenario = make_scenario([tier.name for tier in TIERS], users, {}, float("nan"))

    found = model.predict(scenario)

    entry = found[found[SERVICE] == ENTRY]
    slowest = entry[USER_COUNT] / entry[lower_of(THROUGHPUT)] - PAUSE
    assert (entry[upper_of(RESPONSE_TIME)] <= 1.2 * slowest).all()  # but for the scatter of minutes
    assert entry[upper_of(RESPONSE_TIME)].iloc[-1] > PAUSE  # far beyond, it waits for its turn
    layout = rows.groupby(SERVICE)[[REPLICAS, CPU_LIMIT]].first().prod(axis=1)
    assert (found[upper_of(CPU_USAGE)] <= found[SERVICE].map(layout) * (1 + 1e-9)).all()


def test_a_bottleneck_is_as_unsure_as_who_waits_for_it_and_the_others_are_not() -> None:
    """The entry service waits for the second row, whose capacity's error moves both alike."""
    points = np.array([[1.0, 100 / 3.0, 0.1], [0.9, 100 / 3.0, 0.1], [0.01, 100 / 3.0, 0.1]])
    moves = np.array([[0.2, 0.1, 0.0], [0.2, 0.1, 0.0], [0.0, 0.1, 0.0]])
    factors = np.array([[1.1, 1.2, 1.1]])
    bounds = Bounds(points / factors, points * factors, np.zeros_like(points), np.zeros(3))
    laws = replace(laws_of(3), capacity_spread=moves)

    found = agree(bounds, points, laws, np.full(3, 100.0), np.zeros(3, bool))

    assert found.upper[0, 0] == pytest.approx(1.2 * 3.0 - PAUSE)  # as throughput may be less by as much
    np.testing.assert_allclose(found.upper[:, 0] / points[:, 0], [1.6, 1.6, 1.1])
    np.testing.assert_allclose(found.lower[:, 0] / points[:, 0], [1 / 1.1] * 3)


def test_the_least_response_time_goes_as_far_below_as_the_coverage_asks() -> None:
    """Half the work at one standard deviation: a normal distribution has 1.645 at 90 %, 2.576 at 99 %."""
    laws = replace(laws_of(2), unwaited_seconds=np.array([0.4, 0.1]), largest_fall=float(np.log(2)))
    laws = replace(laws, is_entry=np.array([True, False]))

    usual, sure = laws.least_seconds(0.9), laws.least_seconds(0.99)

    assert usual[0] == pytest.approx(0.4 * 0.5**1.6449, rel=1e-4)
    assert sure[0] == pytest.approx(0.4 * 0.5**2.5758, rel=1e-4)
    # Envoy cuts half a millisecond, on average, off what takes many
    assert usual[1] == pytest.approx(0.1 * 0.5**1.6449 - 0.0005, rel=1e-3)
