from functools import partial

import numpy as np
import pandas as pd
import pytest

from kpp.schema import REPLICAS, SERVICE, TARGETS, USER_COUNT
from kpp.whatif.calibrated import CalibratedModel, lower_of, upper_of
from kpp.whatif.model import REASON, UNSUPPORTED, VERDICT, VERDICTS
from kpp.whatif.registry import make_model
from tests.whatif.systems import SHOP, make_system


@pytest.fixture(scope="module")
def model() -> CalibratedModel:
    return CalibratedModel.fit(partial(make_model, "linear"), make_system())


def test_a_prediction_is_the_scenario_and_what_the_contract_names(model: CalibratedModel) -> None:
    scenario = pd.DataFrame(
        {"Name": ["x", "y", "x"], SERVICE: ["cart", "frontend", "cart"], USER_COUNT: [50.0, 50.0, 999.0]},
        index=[7, 7, 3],
    )

    found = model.predict(scenario)

    answers = [column for target in TARGETS for column in (target, lower_of(target), upper_of(target))]
    assert list(found.columns) == ["Name", SERVICE, USER_COUNT, *answers, VERDICT, REASON]
    assert found.index.tolist() == [7, 7, 3]
    pd.testing.assert_frame_equal(found[list(scenario.columns)], scenario)
    assert set(found[VERDICT]) <= set(VERDICTS)
    assert (found[REASON].str.len() > 0).all()


def test_bounds_are_never_negative(model: CalibratedModel) -> None:
    found = model.predict(pd.DataFrame({SERVICE: list(SHOP), USER_COUNT: 10_000.0}))

    assert (found[[lower_of(target) for target in TARGETS]] >= 0).all(axis=None)


def test_a_service_that_was_not_measured_is_unsupported_without_numbers(model: CalibratedModel) -> None:
    found = model.predict(pd.DataFrame({SERVICE: ["cart", "stranger"], USER_COUNT: [50.0, 50.0]}))

    assert found.loc[1, [*TARGETS, lower_of(TARGETS[0]), upper_of(TARGETS[2])]].isna().all()
    assert found.loc[1, VERDICT] == UNSUPPORTED
    assert found.loc[0, list(TARGETS)].notna().all()


def test_what_the_scenario_leaves_open_is_taken_as_measured(model: CalibratedModel) -> None:
    scenario = pd.DataFrame({SERVICE: ["frontend"], USER_COUNT: [50.0]})

    known, unknown = model.predict(scenario.assign(**{REPLICAS: 2.0})), model.predict(scenario)

    pd.testing.assert_frame_equal(known[list(TARGETS)], unknown[list(TARGETS)])
    assert REPLICAS not in unknown
    assert model.predict(scenario.assign(**{REPLICAS: 5.0}))[REASON].iloc[0] == (
        "5 replicas, measured 2 at the nearest loads"
    )


def test_a_large_scenario_is_as_a_small_one(model: CalibratedModel) -> None:
    rng = np.random.default_rng(0)
    scenario = pd.DataFrame(
        {SERVICE: rng.choice(list(SHOP), 500), USER_COUNT: rng.integers(1, 500, 500).astype(float)}
    )

    found = model.predict(scenario)

    for row in (0, 17, 499):
        alone = model.predict(scenario.iloc[[row]])
        pd.testing.assert_frame_equal(found.iloc[[row]], alone)
