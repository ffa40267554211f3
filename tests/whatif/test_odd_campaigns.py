"""Tables that lack something, or are odd: the hybrid answers, without a warning."""

import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest

from kpp.schema import (
    CPU_LIMIT,
    CPU_USAGE,
    REPLICAS,
    RESPONSE_TIME,
    SERVICE,
    SIDECAR_CPU_USAGE,
    SOURCE,
    TARGETS,
    THROUGHPUT,
    TIMESTAMP,
    USER_COUNT,
    Table,
)
from kpp.whatif.calibrated import CalibratedModel
from kpp.whatif.campaign import make_campaign
from kpp.whatif.model import REASON, UNSUPPORTED, VERDICT, Campaign
from kpp.whatif.registry import make_model
from tests.queueing.closed_systems import THREE_TIERS, Chain, Tier

CHAIN = Chain(THREE_TIERS, minutes=3)
TWO = Chain(THREE_TIERS[:2], minutes=3)
MONOLITH = Chain((Tier("shop", 0.01, 0.008, limit_cores=1.0),), 0.5, minutes=3)


def _of_database(column: str, value: float) -> pd.DataFrame:
    """Four loads; one column of the database is overwritten."""
    rows = CHAIN.measure([20, 40, 60, 80])
    return rows.assign(**{column: rows[column].where(rows[SERVICE] != "database", value)})


def _without_early_database() -> pd.DataFrame:
    rows = CHAIN.measure([20, 40, 60, 80])
    return rows[(rows[SERVICE] != "database") | (rows[USER_COUNT] > 50)]


TABLES = {
    "one load": CHAIN.measure([50]),
    "four loads": CHAIN.measure([20, 40, 60, 80]),
    "saturated loads only": CHAIN.measure([200, 300, 400]),
    "one service, saturated": MONOLITH.measure([200, 300, 400]),
    "no pause": Chain(THREE_TIERS, 0.0, minutes=3).measure([1, 2, 4, 8]),
    "one to a thousand users": CHAIN.measure([1, 10, 100, 1000]),
    "no response time": CHAIN.measure([20, 40, 60, 80]).assign(**{RESPONSE_TIME: np.nan}),
    "no throughput of one": _of_database(THROUGHPUT, np.nan),
    "a service that nobody calls": _of_database(THROUGHPUT, 0.0),
    "no pod at times": _of_database(REPLICAS, 0.0),
    "a service that comes late": _without_early_database(),
    "one service": MONOLITH.measure([5, 10, 15, 20]),
    "one service, one user": MONOLITH.measure([1]),
    "two services": TWO.measure([20, 40, 60, 80]),
    "one user to a thousand, two services": TWO.measure([1, 10, 100, 1000]),
    "no CPU": CHAIN.measure([20, 40, 60, 80]).assign(**{CPU_USAGE: np.nan}),
    "no CPU of one": _of_database(CPU_USAGE, np.nan),
    "no time taken": CHAIN.measure([20, 40, 60, 80]).assign(**{RESPONSE_TIME: 0.0}),
    "nothing changes": CHAIN.measure([20, 40, 60, 80]).assign(
        **{RESPONSE_TIME: 0.02, THROUGHPUT: 5.0, CPU_USAGE: 0.1}
    ),
    "each minute twice": pd.concat([CHAIN.measure([20, 40, 60, 80])] * 2),
    "one minute of each load": Chain(THREE_TIERS, minutes=1).measure([20, 40, 60, 80]),
}
FULL: list[str] = []
ONLY_REQUIRED = [TIMESTAMP, SERVICE, USER_COUNT, RESPONSE_TIME, THROUGHPUT, CPU_USAGE]
LITTLE = [REPLICAS, CPU_LIMIT, SIDECAR_CPU_USAGE]


@pytest.mark.parametrize("lacking", [FULL, LITTLE], ids=["all recorded", "little recorded"])
@pytest.mark.parametrize("name", list(TABLES))
def test_odd_tables_are_answered(name: str, lacking: list[str]) -> None:
    rows = TABLES[name].drop(columns=lacking).sort_values([SERVICE, TIMESTAMP], ignore_index=True)
    services = sorted(rows[SERVICE].unique())
    pairs = [(service, users) for users in (1.0, 50.0, 5000.0) for service in services]
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        campaign = make_campaign(Table(rows, rows.iloc[:0], ()))
        model = CalibratedModel.fit(partial(make_model, "hybrid"), campaign)
        found = model.predict(pd.DataFrame(pairs, columns=[SERVICE, USER_COUNT]))

    values = found[list(TARGETS)]
    assert (values.fillna(0.0) >= 0).all(axis=None)
    assert np.isfinite(values.fillna(0.0).to_numpy()).all()
    measured = rows.groupby(SERVICE)[list(TARGETS)].count() > 0
    for target in TARGETS:
        known = found[SERVICE].map(measured[target]).to_numpy(dtype=bool)
        assert values[target].notna().to_numpy()[known].all()
        assert values[target].isna().to_numpy()[~known].all()
    if not name.startswith("one to a thousand") and not name.startswith("one user to a thousand"):
        assert (found[VERDICT][found[USER_COUNT] == 5000.0] == UNSUPPORTED).all()


@pytest.mark.parametrize(
    ("rows", "notes"),
    [
        (
            MONOLITH.measure([5, 10, 15, 20])[ONLY_REQUIRED].assign(**{CPU_USAGE: np.nan}),
            [
                "shop is taken for the entry service",
                "shop: CPU usage was never measured, so it is not predicted",
                "replicas are not recorded: one of each service is assumed to have been measured",
                "shop: no CPU limit is known, so no saturation is foreseen",
            ],
        ),
        (
            TWO.measure([20, 40, 60, 80]).assign(**{CPU_USAGE: 0.0}),
            ["app, web: CPU usage is 0 at all loads, which counts as not measured"],
        ),
        (
            MONOLITH.measure([10])[ONLY_REQUIRED],
            ["one user count alone: background CPU and demand cannot be told apart"],
        ),
        (
            CHAIN.measure([20, 40, 60, 80])[ONLY_REQUIRED],
            ["no calls table: a service's response time cannot be told from its callees'"],
        ),
    ],
    ids=["one service without CPU", "no CPU used", "one load", "no calls"],
)
def test_what_could_not_be_estimated_is_said(rows: pd.DataFrame, notes: list[str]) -> None:
    campaign = make_campaign(Table(rows.assign(**{SOURCE: "a.csv"}), rows.iloc[:0], ()))
    model = make_model("hybrid")

    model.fit(campaign)

    for note in notes:
        assert any(said.startswith(note) for said in model.notes), (note, model.notes)


@pytest.mark.parametrize("chain", [MONOLITH, TWO, CHAIN], ids=["one service", "two services", "three"])
def test_from_a_tenth_to_a_hundred_times_the_load_laws_hold_and_reasons_are_given(chain: Chain) -> None:
    campaign = Campaign(chain.measure([10, 20, 30, 40]))
    model = CalibratedModel.fit(partial(make_model, "hybrid"), campaign)
    services = sorted(tier.name for tier in chain.tiers)
    loads = [1.0, 4.0, 25.0, 100.0, 400.0, 4000.0]
    pairs = [(service, users) for users in loads for service in services]

    found = model.predict(pd.DataFrame(pairs, columns=[SERVICE, USER_COUNT]))

    entry = found[found[SERVICE] == chain.tiers[0].name]
    thinking = entry[USER_COUNT] / entry[THROUGHPUT] - entry[RESPONSE_TIME]
    assert thinking.to_numpy() == pytest.approx(chain.think_time_seconds, rel=0.03)
    for tier in chain.tiers:
        own = found[found[SERVICE] == tier.name]
        assert (own[THROUGHPUT].diff().dropna() >= -1e-9).all()
        assert (own[CPU_USAGE] <= 1.0 + 1e-9).all()  # its limit
    assert found[REASON].str.len().gt(0).all()
    assert found[REASON][found[USER_COUNT] == 4000.0].str.contains("saturates at .* req/s").all()
    assert found[REASON][found[USER_COUNT] == 4.0].str.contains("(1/2.5 of the lowest)", regex=False).all()


def test_without_replicas_the_capacity_is_in_doubt() -> None:
    rows = CHAIN.measure([20, 40, 60, 80])
    asked = pd.DataFrame({SERVICE: ["web", "app", "database"], USER_COUNT: 200.0})
    widths = []
    for lacking in ([], [REPLICAS]):
        model = make_model("queueing")
        model.fit(Campaign(rows.drop(columns=lacking)))
        calibrated = CalibratedModel.fit(
            partial(make_model, "queueing"), Campaign(rows.drop(columns=lacking))
        )
        found = calibrated.predict(asked)
        widths.append(float((found[f"{CPU_USAGE} upper"] / found[f"{CPU_USAGE} lower"]).mean()))
        assert any("replicas are not recorded" in note for note in model.notes) == bool(lacking)
    assert widths[1] > 1.1 * widths[0]


def test_a_load_generator_that_falls_behind_is_no_saturated_service() -> None:
    """It runs 40 users at most, of the 120 that it was told."""
    tables = []
    for number, users in enumerate([10, 20, 30, 40, 60, 80, 120]):
        rows = CHAIN.measure([min(users, 40)]).assign(**{USER_COUNT: float(users)})
        tables.append(rows.assign(**{TIMESTAMP: rows[TIMESTAMP] + 3600.0 * number}))
    measured = pd.concat(tables, ignore_index=True)
    model = CalibratedModel.fit(partial(make_model, "hybrid"), Campaign(measured, CHAIN.calls()))

    found = model.predict(pd.DataFrame({SERVICE: "web", USER_COUNT: [30.0, 100.0, 300.0]}))

    most = measured[(measured[SERVICE] == "web") & (measured[USER_COUNT] >= 60)][list(TARGETS)].mean()
    for row in (1, 2):
        assert found[THROUGHPUT][row] == pytest.approx(most[THROUGHPUT], rel=0.05)
        assert found[RESPONSE_TIME][row] == pytest.approx(most[RESPONSE_TIME], rel=0.15)
    assert not found[REASON].str.contains("saturates").any()
    assert any("load generator" in note for note in model.model.notes)
    again = make_model("hybrid")
    again.restore(model.model.dump())
    scenario = pd.DataFrame({SERVICE: "web", USER_COUNT: [300.0]})
    pd.testing.assert_frame_equal(
        CalibratedModel(again, model.measured, model.intervals).predict(scenario), model.predict(scenario)
    )
