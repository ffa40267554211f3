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
    TARGETS,
    THROUGHPUT,
    TIMESTAMP,
    USER_COUNT,
    Table,
)
from kpp.whatif.calibrated import CalibratedModel
from kpp.whatif.campaign import make_campaign
from kpp.whatif.model import UNSUPPORTED, VERDICT, Campaign
from kpp.whatif.registry import make_model
from tests.queueing.closed_systems import THREE_TIERS, Chain, Tier

CHAIN = Chain(THREE_TIERS, minutes=3)
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
}
FULL: list[str] = []
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
    if name != "one to a thousand users":
        assert (found[VERDICT][found[USER_COUNT] == 5000.0] == UNSUPPORTED).all()


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
