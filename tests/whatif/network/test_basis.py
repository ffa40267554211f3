"""What reasons, notes and explanations say of a capacity that rests on a guess."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from kpp.schema import (
    CPU_LIMIT,
    CPU_REQUEST,
    REPLICAS,
    SERVICE,
    SIDECAR_CPU_USAGE,
    TARGETS,
    THROUGHPUT,
    USER_COUNT,
)
from kpp.whatif.model import SATURATES, SATURATION, SATURATION_LOWER, SATURATION_UPPER, Campaign
from kpp.whatif.models.queueing_network import QueueingNetwork
from kpp.whatif.network.bottlenecks import tell_saturation
from kpp.whatif.scenario import complete
from tests.queueing.closed_systems import Chain, Tier

SHOP = Tier("shop", 0.004, 0.004, background_cores=0.0, limit_cores=0.5)
LIGHT, OVERLOAD = [10, 20, 30, 40, 50], [10, 30, 60, 100, 300]
RATE = 0.5 / 0.004  # requests per second of one replica, if no sidecar is counted in


def _ask(rows: pd.DataFrame, **columns: float) -> tuple["pd.Series[Any]", str]:
    """What a fitted network says of 1000 users, and its reason; stored and restored in between."""
    fitted, model = QueueingNetwork(), QueueingNetwork()
    fitted.fit(Campaign(rows))
    model.restore(fitted.dump())
    scenario = complete(pd.DataFrame({SERVICE: ["shop"], USER_COUNT: 1000.0, REPLICAS: 1.0, **columns}))
    predicted = model.predict(scenario)
    assert list(predicted) == list(TARGETS)
    reason = tell_saturation(model, scenario, predicted, {"shop": float(rows[THROUGHPUT].max())})[0]
    return model.saturation(scenario).iloc[0], reason


def _measure(user_counts: list[int], limit_cores: float | None = 0.5) -> pd.DataFrame:
    tier = Tier(SHOP.name, SHOP.service_seconds, SHOP.demand_seconds, limit_cores=limit_cores)
    rows = Chain((tier,), 1.0, noise=0.01).measure(user_counts)
    return rows.assign(**{CPU_REQUEST: 0.25})


def test_a_recorded_limit_is_named_without_doubt() -> None:
    found, reason = _ask(_measure(LIGHT))

    assert reason.startswith("1 shop replica saturates at ")
    assert "req/s by its CPU limit; measured up to " in reason
    assert np.isnan(found[SATURATION_LOWER])


@pytest.mark.parametrize(
    ("lacking", "limit_cores", "basis"),
    [
        ([SIDECAR_CPU_USAGE], 0.5, "by its CPU limit and a guessed sidecar"),
        ([CPU_LIMIT], None, "by an assumed CPU limit"),
        ([REPLICAS], 0.5, "by its CPU limit and guessed replicas"),
    ],
)
def test_a_guess_is_told_as_one(lacking: list[str], limit_cores: float | None, basis: str) -> None:
    found, reason = _ask(_measure(LIGHT, limit_cores).drop(columns=lacking))

    assert reason.startswith("1 shop replica probably saturates at ")
    assert f") {basis}; measured up to " in reason
    assert found[SATURATES] == basis
    assert found[SATURATION_LOWER] < RATE * 1.02
    assert found[SATURATION_UPPER] > RATE * 0.98
    assert found[SATURATION_LOWER] < found[SATURATION] < found[SATURATION_UPPER]


def test_a_limit_that_is_asked_for_is_not_assumed() -> None:
    _, reason = _ask(_measure(LIGHT, None), **{CPU_LIMIT: 0.5})

    assert "saturates at 1" in reason
    assert "probably" not in reason
    assert "req/s by its CPU limit;" in reason


def test_what_was_seen_is_no_guess() -> None:
    rows = _measure(OVERLOAD, None).drop(columns=[CPU_LIMIT, SIDECAR_CPU_USAGE, REPLICAS])

    found, reason = _ask(rows)

    assert reason.startswith("1 shop replica saturates at ")
    assert "req/s as was seen; measured up to " in reason
    assert found[SATURATION] == pytest.approx(1 / SHOP.service_seconds, rel=0.05)
