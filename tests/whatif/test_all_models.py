"""What holds for every model of the registry, whatever it is asked."""

import json
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from kpp.errors import InputError
from kpp.schema import CPU_LIMIT, CPU_REQUEST, CPU_USAGE, REPLICAS, SERVICE, TARGETS, USER_COUNT
from kpp.whatif.campaign import levels_of
from kpp.whatif.intervals.held_out import spread_of
from kpp.whatif.measured import Measured
from kpp.whatif.model import THINK_TIME, Campaign, WhatIfModel
from kpp.whatif.registry import MODELS, make_model
from kpp.whatif.scenario import complete
from tests.whatif.systems import SHOP, make_system

NAMES = list(MODELS)


@cache
def fitted(name: str) -> tuple[WhatIfModel, Measured]:
    campaign = make_system(minutes=4)
    model = make_model(name)
    model.fit(campaign)
    return model, Measured(levels_of(campaign))


@st.composite
def scenarios(draw: DrawFn) -> pd.DataFrame:
    """One to four situations, from a tenth to a hundred times the measured load; services may be missing."""
    rows = []
    for number in range(draw(st.integers(1, 4))):
        users = draw(st.integers(2, 10_000))
        pause = draw(st.sampled_from([np.nan, 0.1, 5.0]))
        for service in draw(st.lists(st.sampled_from(list(SHOP)), min_size=1, max_size=3, unique=True)):
            replicas = draw(st.sampled_from([np.nan, 1.0, 2.0, 50.0]))
            limit = draw(st.sampled_from([np.nan, 0.05, 1.0]))
            rows.append((number, service, float(users), replicas, limit, pause))
    columns = ["Scenario", SERVICE, USER_COUNT, REPLICAS, CPU_LIMIT, THINK_TIME]
    return complete(pd.DataFrame(rows, columns=columns))


@pytest.mark.parametrize("name", NAMES)
@given(scenario=scenarios())
@settings(max_examples=25, deadline=None)
def test_predictions_are_finite_and_never_negative(name: str, scenario: pd.DataFrame) -> None:
    model, measured = fitted(name)

    found = model.predict(measured.fill(scenario))

    assert found.index.equals(scenario.index)
    values = found[list(TARGETS)].to_numpy()
    assert np.isfinite(values).all()
    assert (values >= 0).all()


@pytest.mark.parametrize("name", NAMES)
@given(scenario=scenarios())
@settings(max_examples=10, deadline=None)
def test_what_is_dumped_and_restored_predicts_the_same(name: str, scenario: pd.DataFrame) -> None:
    model, measured = fitted(name)
    asked = measured.fill(scenario)
    again = make_model(name)

    again.restore(json.loads(json.dumps(model.dump(), allow_nan=False)))

    predicted = model.predict(asked)
    pd.testing.assert_frame_equal(again.predict(asked), predicted, check_exact=True)
    assert again.notes == model.notes
    values = predicted[list(TARGETS)].to_numpy()
    np.testing.assert_array_equal(spread_of(again, asked, values), spread_of(model, asked, values))


@pytest.mark.parametrize("name", NAMES)
def test_what_a_model_knows_beside_its_points_has_the_scenarios_index(name: str) -> None:
    model, measured = fitted(name)
    asked = measured.fill(complete(pd.DataFrame({SERVICE: list(SHOP), USER_COUNT: 300.0})))

    known = [method for method in ("saturation", "spread", "explain") if hasattr(model, method)]

    for method in known:
        assert getattr(model, method)(asked).index.equals(asked.index)
    assert (name in ("queueing", "hybrid")) == (len(known) == 3)


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_rows_makes_no_difference(name: str) -> None:
    model, measured = fitted(name)
    rows = [(number, service, users) for number, users in enumerate([30.0, 300.0]) for service in SHOP]
    scenario = complete(pd.DataFrame(rows, columns=["Scenario", SERVICE, USER_COUNT]))
    shuffled = scenario.sample(frac=1, random_state=1)

    found = model.predict(measured.fill(shuffled.reset_index(drop=True)))

    expected = model.predict(measured.fill(scenario)).loc[shuffled.index].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected)


@pytest.mark.parametrize("name", NAMES)
def test_a_service_that_was_not_measured_is_not_predicted(name: str) -> None:
    model, measured = fitted(name)
    scenario = complete(pd.DataFrame({SERVICE: ["frontend", "stranger"], USER_COUNT: 50.0}))

    found = model.predict(measured.fill(scenario))

    assert found.loc[0, list(TARGETS)].notna().all()
    assert found.loc[1, list(TARGETS)].isna().all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("lacking", [[], [REPLICAS], [REPLICAS, CPU_REQUEST]])
@pytest.mark.parametrize("services", [["frontend"], list(SHOP)], ids=["one service", "three services"])
def test_four_loads_are_enough_and_what_was_not_measured_is_told(
    name: str, lacking: list[str], services: list[str]
) -> None:
    full = make_system((20, 40, 60, 80), minutes=3, services={each: SHOP[each] for each in services})
    campaign = Campaign(full.measurements.drop(columns=lacking).assign(**{CPU_USAGE: np.nan}))
    model = make_model(name)

    model.fit(campaign)

    asked = Measured(levels_of(campaign)).fill(complete(pd.DataFrame({SERVICE: services, USER_COUNT: 50.0})))
    found = model.predict(asked)
    assert found[[target for target in TARGETS if target != CPU_USAGE]].notna().all(axis=None)
    assert found[CPU_USAGE].isna().all()
    for service in services:
        assert any(service in note and "CPU" in note for note in model.notes)


@pytest.mark.parametrize("name", NAMES)
def test_within_the_data_every_model_is_near_the_law(name: str) -> None:
    """Half-way between two loads, with 3 % of noise."""
    campaign = make_system((20, 40, 60, 80, 100), minutes=12)
    model = make_model(name)
    model.fit(campaign)
    exact = make_system((70,), minutes=1, noise=0.0).measurements
    asked = Measured(levels_of(campaign)).fill(complete(exact))

    found = model.predict(asked)

    for target in TARGETS:
        np.testing.assert_allclose(found[target], exact[target], rtol=0.25)


@pytest.mark.parametrize("name", NAMES)
def test_no_measurement_at_all_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        make_model(name).fit(Campaign(make_system().measurements.iloc[:0]))
