"""What the hybrid learns of services whose caller is saturated."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from kpp.queueing.parameters import Situations
from kpp.queueing.system import solve
from kpp.schema import RESPONSE_TIME, SERVICE, TIMESTAMP, USER_COUNT
from kpp.whatif.campaign import levels_of
from kpp.whatif.measured import Measured
from kpp.whatif.model import Campaign
from kpp.whatif.models.queueing_network import QueueingNetwork
from kpp.whatif.network.overload import UNKNOWN, learn_growth, saturated_callers
from kpp.whatif.registry import make_model
from kpp.whatif.scenario import complete
from tests.queueing.closed_systems import Chain, Tier

# the web tier saturates at 50 req/s by its CPU limit, what it calls is far from its own
WEB = Tier("web", 0.02, 0.02, background_cores=0.0, limit_cores=1.0)
QUICK = Tier("quick", 0.004, 0.001, background_cores=0.0, limit_cores=1.0)
CHAIN = Chain((WEB, QUICK), 2.0, noise=0.01)
# on two cores a crowd of these calls would take many times as long as one takes here, on eight
PARALLEL = replace(QUICK, service_seconds=0.002, demand_seconds=0.016, limit_cores=4.0)
UNCROWDED = Chain((WEB, PARALLEL), 2.0, noise=0.01)
GROWTH = 5.0


def _campaign(user_counts: list[int]) -> Campaign:
    """The callee takes `GROWTH` times as long while its caller is saturated."""
    rows = CHAIN.measure(user_counts)
    slowed = (rows[SERVICE] == "quick") & (rows[USER_COUNT] > 110)
    rows[RESPONSE_TIME] *= np.where(slowed, GROWTH, 1.0)
    return Campaign(rows.sort_values([SERVICE, TIMESTAMP], ignore_index=True), CHAIN.calls())


def _ask(campaign: Campaign, users: float) -> tuple[float, float]:
    """The callee's predicted response time, and its relative standard error."""
    model = make_model("hybrid")
    model.fit(campaign)
    asked = pd.DataFrame({SERVICE: ["web", "quick"], USER_COUNT: users})
    full = Measured(levels_of(campaign)).fill(complete(asked))
    return float(model.predict(full)[RESPONSE_TIME][1]), float(model.spread(full)[RESPONSE_TIME][1])  # type: ignore[attr-defined]  # the hybrid knows its spread


def test_growth_is_learned_from_one_overloaded_step() -> None:
    exact = GROWTH * dict(zip(("web", "quick"), CHAIN.solve(250), strict=True))["quick"][0]

    found, spread = _ask(_campaign([10, 20, 30, 40, 180]), 250)

    assert found == pytest.approx(exact, rel=0.25)
    assert spread < UNKNOWN / 2


@pytest.mark.parametrize("with_calls", [True, False])
def test_crowds_that_measured_callees_deny_are_not_predicted(with_calls: bool) -> None:
    exact = UNCROWDED.solve(250)[1][0]
    calls = UNCROWDED.calls() if with_calls else None

    believed, doubt = _ask(Campaign(UNCROWDED.measure([10, 20, 30, 40]), calls), 250)
    found, spread = _ask(Campaign(UNCROWDED.measure([10, 20, 30, 40, 150, 180]), calls), 250)

    assert found == pytest.approx(exact, rel=0.15)
    assert believed > 1.5 * exact
    assert believed * np.exp(-2 * doubt) < exact
    assert spread < doubt / 2


def test_without_one_growth_is_a_doubt_and_no_prediction() -> None:
    exact = dict(zip(("web", "quick"), CHAIN.solve(40), strict=True))["quick"][0]

    calm, small = _ask(_campaign([10, 20, 30, 40]), 35)
    found, spread = _ask(_campaign([10, 20, 30, 40]), 250)

    assert calm == pytest.approx(exact, rel=0.1)
    assert found < GROWTH / 2 * exact
    assert small < 0.2
    assert spread > 0.5


def test_a_step_at_which_saturation_only_begins_tells_little() -> None:
    times = np.log(np.array([[1.0], [1.2]]))

    begins = learn_growth(np.array([[0.0], [0.1]]), times)
    saturated = learn_growth(np.array([[0.0], [1.0]]), times)

    assert saturated.logs[0] == pytest.approx(np.log(1.2), rel=0.02)
    assert begins.logs[0] < 0.6 * np.log(1.2) / 0.1
    assert begins.errors[0] > 4 * saturated.errors[0]


def test_crowds_go_on_growing_after_the_caller_is_saturated() -> None:
    campaign = _campaign([10, 20, 30, 40])
    network = make_model("queueing")
    assert isinstance(network, QueueingNetwork)
    network.fit(campaign)
    parameters = network.network.parameters
    users = np.array([40.0, 108.0, 130.0, 300.0])
    ones = np.ones((len(users), 2))
    asked = Situations(users, np.full(len(users), np.nan), ones, ones)

    found = saturated_callers(solve(parameters, asked), parameters, asked)

    quick = network.network.layouts.services.index("quick")
    assert found[0, quick] < 0.1
    assert np.all(np.diff(found[:, quick]) > 0.05)
    assert found[-1, quick] > 0.9
    assert np.all(np.delete(found, quick, axis=1) == 0)  # nobody calls the entry service


def test_growth_is_never_below_one_and_its_error_owns_up_to_that() -> None:
    found = learn_growth(np.ones((2, 1)), np.log(np.array([[0.5], [0.4]])))

    assert found.logs[0] == 0.0
    assert found.errors[0] > np.log(2)
