"""Intervals of models without laws hold the growth that the measured loads show."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpp.schema import CPU_USAGE, SERVICE, TARGETS, USER_COUNT
from kpp.whatif.calibrated import CalibratedModel, lower_of, upper_of
from kpp.whatif.intervals.agreement import Bounds
from kpp.whatif.intervals.trend import reach_to_trend
from kpp.whatif.model import Campaign
from kpp.whatif.registry import make_model
from tests.whatif.systems import make_system


@given(power=st.floats(-2, 2), scale=st.floats(1, 1e3), users=st.floats(1, 1e4), factors=st.floats(1.0, 3.0))
def test_beyond_the_loads_bounds_hold_a_power_law_and_within_they_stay(
    power: float, scale: float, users: float, factors: float
) -> None:
    loads = np.array([20.0, 30.0, 45.0, 60.0])
    levels = pd.DataFrame({SERVICE: "a", USER_COUNT: loads, **dict.fromkeys(TARGETS, scale * loads**power)})
    points = np.full((1, 3), scale)
    around = Bounds(points / factors, points * factors, np.zeros((1, 3)), np.zeros(1))
    scenario = pd.DataFrame({SERVICE: ["a"], USER_COUNT: [users]})

    found = reach_to_trend(around, points, scenario, levels)

    assert (found.lower <= around.lower + 1e-9).all()
    assert (found.upper >= around.upper * (1 - 1e-9)).all()
    truth = scale * users**power
    if not 20 <= users <= 60:
        # powers of values far above what can be resolved; near it they are no straight lines
        assert (found.lower <= 1.01 * truth + 0.02).all()
        assert (found.upper >= 0.99 * truth - 0.02).all()
    else:
        np.testing.assert_allclose(found.lower, around.lower, atol=1e-9)
        np.testing.assert_allclose(found.upper, around.upper)


@pytest.mark.parametrize("name", ["nearest", "boosting", "neural-network"])
def test_growth_that_hours_hide_between_loads_is_held_far_from_them(name: str) -> None:
    """Fifty loads next to each other, each at an hour of its own: CPU is asked for at four times the load."""
    hours = np.random.default_rng(0).normal(0, 0.1, 50)
    near = make_system(tuple(range(60, 110)), minutes=6, noise=0.05)
    rows = near.measurements
    rows[CPU_USAGE] *= np.exp(hours[rows[USER_COUNT].astype(int) - 60])
    model = CalibratedModel.fit(partial(make_model, name), Campaign(rows))
    fresh = make_system((200, 300, 400), minutes=10, noise=0.05, seed=1).measurements

    found = model.predict(fresh[[SERVICE, USER_COUNT]])

    inside = found[lower_of(CPU_USAGE)].le(fresh[CPU_USAGE]) & fresh[CPU_USAGE].le(found[upper_of(CPU_USAGE)])
    assert inside.mean() >= 0.9


def test_what_was_never_measured_widens_nothing() -> None:
    levels = pd.DataFrame(
        {SERVICE: "a", USER_COUNT: [10.0, 20.0], **{target: [np.nan, 1.0] for target in TARGETS}}
    )
    points = np.full((2, 3), 1.0)
    around = Bounds(points / 2, points * 2, np.zeros((2, 3)), np.zeros(2))
    scenario = pd.DataFrame({SERVICE: ["a", "stranger"], USER_COUNT: [100.0, 100.0]})

    found = reach_to_trend(around, points, scenario, levels)

    np.testing.assert_allclose(found.upper, around.upper)
    np.testing.assert_allclose(found.lower, around.lower)
