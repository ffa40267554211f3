import re
from functools import partial

import numpy as np
import pandas as pd
import pytest

from kpp.errors import InputError
from kpp.schema import CPU_LIMIT, REPLICAS, SERVICE, TARGETS, USER_COUNT
from kpp.whatif.calibrated import CalibratedModel, lower_of, upper_of
from kpp.whatif.model import (
    EXTRAPOLATING,
    IN_RANGE,
    REASON,
    THINK_TIME,
    UNSUPPORTED,
    VERDICT,
    VERDICTS,
    Campaign,
)
from kpp.whatif.models.hybrid import Hybrid
from kpp.whatif.registry import make_model
from tests.queueing.closed_systems import THREE_TIERS, Chain, Tier
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
        "5 replicas, measured 2 at the nearest loads (2.5 times that)"
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


def test_all_services_of_a_situation_name_the_same_bottleneck_also_one_that_was_not_asked_for() -> None:
    chain = Chain(THREE_TIERS, minutes=3)
    model = CalibratedModel.fit(partial(make_model, "queueing"), Campaign(chain.measure([20, 40, 60, 80])))
    services = sorted(tier.name for tier in THREE_TIERS)
    whole = model.predict(pd.DataFrame({SERVICE: services, USER_COUNT: 400.0}))

    texts = {reason.split(";")[0] for reason in whole[REASON]}
    assert len(texts) == 1
    bottleneck = next(name for name in services if f"1 {name} replica saturates at" in min(texts))
    others = [name for name in services if name != bottleneck]
    apart = model.predict(pd.DataFrame({SERVICE: others, USER_COUNT: [400.0] * len(others)}, index=[7, 3]))
    assert apart[REASON].tolist() == whole.set_index(SERVICE)[REASON].loc[others].tolist()
    assert apart.index.tolist() == [7, 3]
    pd.testing.assert_frame_equal(
        apart[list(TARGETS)].reset_index(drop=True),
        whole.set_index(SERVICE).loc[others, list(TARGETS)].reset_index(drop=True),
    )


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({REPLICAS: [1.0, 0.0]}, "Replicas is 0.0 in row 1 of the scenario; write a number above 0"),
        ({REPLICAS: [-1.0, 1.0]}, "Replicas is -1.0 in row 0"),
        ({REPLICAS: [1.0, "two"]}, "Replicas is two in row 1"),
        ({CPU_LIMIT: [0.0, 1.0]}, "CPU Limit is 0.0 in row 0"),
        ({USER_COUNT: [10.0, -5.0]}, "User Count is -5.0 in row 1"),
        ({USER_COUNT: [10.0, np.nan]}, "User Count is nan in row 1"),
        ({USER_COUNT: [np.inf, 10.0]}, "User Count is inf in row 0"),
        (
            {THINK_TIME: [-1.0, 1.0]},
            "Think Time (s) is -1.0 in row 0 of the scenario; write a number of at least 0",
        ),
    ],
)
def test_numbers_that_mean_nothing_are_refused(
    model: CalibratedModel, columns: dict[str, list[object]], message: str
) -> None:
    scenario = pd.DataFrame({SERVICE: ["frontend", "cart"], USER_COUNT: [50.0, 50.0], **columns})

    with pytest.raises(InputError, match=re.escape(message)):
        model.predict(scenario)


def test_the_replicas_that_were_used_are_told(model: CalibratedModel) -> None:
    scenario = pd.DataFrame({SERVICE: ["frontend", "frontend"], USER_COUNT: 50.0, REPLICAS: [np.nan, 5.0]})
    assert model.replicas_used(scenario).tolist() == [2.0, 5.0]

    chain = Chain(THREE_TIERS, minutes=3).measure([20, 40, 60, 80]).drop(columns=REPLICAS)
    without = CalibratedModel.fit(partial(make_model, "queueing"), Campaign(chain))
    assert without.replicas_used(pd.DataFrame({SERVICE: ["web"], USER_COUNT: 50.0})).tolist() == [1.0]


def test_another_pause_is_another_load_and_the_verdict_says_so() -> None:
    """Without a pause 30 users keep the database busy: 118 req/s at two visits; 40 who pause make 38."""
    chain = Chain(THREE_TIERS, minutes=3)
    model = CalibratedModel.fit(partial(make_model, "queueing"), Campaign(chain.measure([10, 20, 30, 40])))
    asked = pd.DataFrame({SERVICE: "web", USER_COUNT: 30.0, THINK_TIME: [np.nan, 0.9, 0.0, 9.0]})

    found = model.predict(asked)

    assert found[VERDICT].tolist()[:2] == [IN_RANGE, IN_RANGE]
    assert found[VERDICT].isin([EXTRAPOLATING, UNSUPPORTED]).tolist()[2:] == [True, True]
    faster, slower = found[REASON].iloc[2], found[REASON].iloc[3]
    assert "a pause of 0 s, which makes a throughput of 3.1 times the highest measured" in faster
    assert "a pause of 9 s, which makes a throughput of 1/2.9 of the lowest measured" in slower


@pytest.mark.parametrize("limit", [0.5, None])
def test_users_who_only_queue_up_behind_a_recorded_limit_are_no_farther_than_the_knee(
    limit: float | None,
) -> None:
    """Of 20 to 40 users; the knee is at some 50 requests per second, with a pause of 1 s: 50 users."""
    shop = Tier("shop", 0.01, 0.01, background_cores=0.0, limit_cores=limit)
    rows = Chain((shop,), 1.0, noise=0.01).measure([20, 25, 30, 35, 40])
    model = CalibratedModel.fit(Hybrid, Campaign(rows))

    found = model.predict(pd.DataFrame({SERVICE: "shop", USER_COUNT: [60.0, 110.0, 4000.0]}))

    assert found[VERDICT].tolist() == [
        EXTRAPOLATING,
        EXTRAPOLATING if limit else UNSUPPORTED,
        UNSUPPORTED,
    ]
