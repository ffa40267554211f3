"""How unsure a fitted network is, beside what is known of the system."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from kpp.queueing.system import solve
from kpp.schema import RESPONSE_TIME, SERVICE, THROUGHPUT, USER_COUNT
from kpp.whatif.model import Campaign
from kpp.whatif.models.hybrid import Hybrid
from kpp.whatif.network.spread import capacity_deviations, relative_variances
from kpp.whatif.network.state import FittedNetwork
from kpp.whatif.scenario import complete
from kpp.whatif.situations import AskedSituations, arrange_situations
from tests.queueing.closed_systems import Chain, Tier

SHOP = Tier("shop", 0.02, 0.02, background_cores=0.0, limit_cores=1.0)  # saturates at 50 requests per second
PAUSE = 2.0


def ask(users: float) -> tuple[FittedNetwork, AskedSituations]:
    """The shop, measured at light load, with an error of 10 % of its own time and of its capacity."""
    model = Hybrid()
    model.fit(Campaign(Chain((SHOP,), PAUSE, noise=0.0).measure([5, 10, 15, 20, 25, 30])))
    errors = replace(model.network.errors, unloaded=np.array([0.1]), capacity=np.array([0.1]))
    scenario = complete(pd.DataFrame({SERVICE: ["shop"], USER_COUNT: [users]}))
    network = replace(model.network, errors=errors)
    return network, arrange_situations(scenario, network.layouts)


def test_an_own_time_is_a_part_of_a_response_time() -> None:
    """R = own + waiting: an error of the own time is that share of it, and next to nothing in saturation."""
    network, asked = ask(400.0)
    sure = replace(network, errors=replace(network.errors, unloaded=np.zeros(1)))
    solution = solve(network.parameters, asked.situations)

    of_own_time = (
        relative_variances(network, asked.situations, solution)[RESPONSE_TIME]
        - relative_variances(sure, asked.situations, solution)[RESPONSE_TIME]
    )

    whole = float(solution.own[0, 0] + solution.wait[0, 0])
    assert whole > 100 * solution.own[0, 0]
    assert float(np.sqrt(of_own_time[0, 0])) == pytest.approx(0.1 * solution.own[0, 0] / whole, rel=1e-3)


def test_in_saturation_a_capacity_is_the_throughput_and_the_loop_the_response_time() -> None:
    """X = C and R = N / X - Z: a tenth more or less of C."""
    network, asked = ask(400.0)
    solution = solve(network.parameters, asked.situations)

    moves = capacity_deviations(network, asked.situations, solution)

    flow, time = float(solution.throughput[0, 0]), float(solution.response_time[0, 0])
    shorter, longer = (400.0 / (flow * factor) - PAUSE for factor in (1.1, 1 / 1.1))
    largest = max(np.log(longer / time), np.log(time / shorter))
    assert float(moves[THROUGHPUT][0, 0]) == pytest.approx(np.log(1.1), rel=0.01)
    assert float(moves[RESPONSE_TIME][0, 0]) == pytest.approx(largest, rel=0.02)
