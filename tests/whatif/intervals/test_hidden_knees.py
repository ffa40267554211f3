"""Knees that nothing shows: how early they can come, against queues whose truth is known."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpp.schema import CPU_LIMIT, CPU_USAGE, RESPONSE_TIME, SERVICE, THROUGHPUT, USER_COUNT
from kpp.whatif.calibrated import CalibratedModel, lower_of, upper_of
from kpp.whatif.intervals.hidden_knees import busiest, least_throughput
from kpp.whatif.model import Campaign
from kpp.whatif.models.hybrid import Hybrid
from tests.queueing.closed_systems import Chain, Tier

PAUSE = 2.0


def waits_in_line(utilization: float, seconds: float, seed: int = 0) -> float:
    """The mean number in a single queue with random arrivals and steady service, by Lindley's recursion."""
    rng = np.random.default_rng(seed)
    gaps = rng.exponential(seconds / utilization, 60_000)
    ends, arrival, in_system = 0.0, 0.0, 0.0
    for gap in gaps:
        arrival += gap
        ends = max(ends, arrival) + seconds
        in_system += ends - arrival
    return in_system / arrival


@pytest.mark.parametrize("utilization", [0.2, 0.6, 0.85])
def test_a_queue_is_as_busy_as_the_requests_in_it_say(utilization: float) -> None:
    in_progress = waits_in_line(utilization, 0.01)

    assert busiest(np.array([in_progress]))[0] == pytest.approx(utilization, rel=0.05)


@given(utilization=st.floats(0.01, 0.99), servers=st.integers(1, 30))
def test_no_queue_of_many_servers_is_busier(utilization: float, servers: int) -> None:
    """M/M/c by Erlang's formula: what is in service and in line is more than that of the single queue."""
    load = servers * utilization
    blocked = 1.0
    for count in range(1, servers + 1):  # Erlang B by recursion
        blocked = load * blocked / (count + load * blocked)
    waiting = blocked / (1 - utilization * (1 - blocked))  # Erlang C
    in_progress = load + waiting * utilization / (1 - utilization)

    assert busiest(np.array([in_progress]))[0] >= utilization * (1 - 1e-9)


@given(
    users=st.floats(1, 1e5), away=st.floats(0, 100), capacity=st.floats(0.01, 1e5), more=st.floats(1.001, 10)
)
def test_a_loop_is_bounded_by_its_server_and_its_users(
    users: float, away: float, capacity: float, more: float
) -> None:
    """X <= N / Z and X <= capacity; it rises with the users, and is what the number in progress says."""
    few, many = least_throughput(np.array([users, more * users]), np.full(2, away), np.full(2, capacity))

    assert few <= many * (1 + 1e-9)
    assert many < capacity * (1 + 1e-9)
    assert few * away <= users * (1 + 1e-9)
    in_progress = users - few * away
    assert busiest(np.array([in_progress]))[0] * capacity == pytest.approx(few, rel=1e-3)


TIERS = (Tier("web", 0.004, 0.004, limit_cores=2.0), Tier("shop", 0.010, 0.010, limit_cores=2.0))


def fit(lacking: Sequence[str] = ()) -> tuple[CalibratedModel, pd.DataFrame]:
    """Of 5 to 40 users, who have at most 0.3 requests in progress."""
    chain = Chain(TIERS, PAUSE, minutes=8, noise=0.01)
    rows = chain.measure([5, 10, 15, 20, 25, 30, 35, 40])
    return CalibratedModel.fit(
        Hybrid, Campaign(rows.assign(**dict.fromkeys(lacking, np.nan)), chain.calls())
    ), rows


def test_few_requests_in_progress_exclude_a_knee_near_the_data() -> None:
    model, rows = fit()
    asked = pd.DataFrame({SERVICE: "web", USER_COUNT: [60.0, 80.0, 400.0]})

    found = model.predict(asked)

    ratios = (found[lower_of(THROUGHPUT)] / found[THROUGHPUT]).tolist()
    assert min(ratios[:2]) > 0.9  # without the law it would be 0.67 and 0.5
    assert ratios[2] < 0.6
    assert found[upper_of(RESPONSE_TIME)].iloc[1] < 0.1
    assert found[upper_of(RESPONSE_TIME)].iloc[2] > 0.5 * PAUSE
    measured = rows[rows[SERVICE] == "web"][THROUGHPUT].max()
    assert (found[lower_of(THROUGHPUT)] > measured).all()  # the knee is farther off than what was measured


def test_a_service_with_few_requests_in_progress_hides_no_knee_where_another_may() -> None:
    chain = Chain((*TIERS, Tier("leaf", 0.0005, 0.0005, limit_cores=2.0)), PAUSE, minutes=8, noise=0.01)
    rows = chain.measure([20, 40, 60, 80])
    model = CalibratedModel.fit(Hybrid, Campaign(rows, chain.calls()))
    asked = pd.DataFrame({SERVICE: ["web", "leaf"], USER_COUNT: 200.0})

    upper = model.predict(asked)[upper_of(RESPONSE_TIME)]

    assert upper.iloc[0] > 0.3
    assert upper.iloc[1] < 0.1


@pytest.mark.parametrize("lacking", [[CPU_LIMIT], [CPU_LIMIT, CPU_USAGE]])
def test_where_a_cpu_quota_may_be_hidden_nothing_is_excluded(lacking: list[str]) -> None:
    """A quota of 0.1 cores may be used up with a single request in progress."""
    asked = pd.DataFrame({SERVICE: ["web"], USER_COUNT: 80.0})
    known, rows = fit()
    hidden, _ = fit(lacking)

    wide, narrow = (model.predict(asked)[lower_of(THROUGHPUT)].iloc[0] for model in (hidden, known))

    highest = rows[rows[SERVICE] == "web"].groupby(USER_COUNT)[THROUGHPUT].median().max()
    assert wide <= highest < narrow


def test_room_grows_with_the_users_without_a_jump() -> None:
    model, _ = fit()
    users = np.concatenate([[40.0], np.geomspace(40.001, 4000, 200)])

    upper = model.predict(pd.DataFrame({SERVICE: "web", USER_COUNT: users}))[upper_of(RESPONSE_TIME)]

    ratios = (upper / upper.shift()).dropna()
    assert ratios.min() > 1 - 1e-6
    assert ratios.max() < 1.6


def test_no_response_time_is_said_to_be_far_below_that_of_light_load() -> None:
    """Known queues, asked far beyond the data: own times are 4 and 10 ms, and waiting adds to them."""
    chain = Chain(TIERS, PAUSE, noise=0.0)
    model, rows = fit()
    users = [80, 160, 400, 1600]
    asked = pd.DataFrame({SERVICE: ["web", "shop"] * len(users), USER_COUNT: np.repeat(users, 2) * 1.0})

    found = model.predict(asked)

    true = np.array([values[0] for count in users for values in chain.solve(count)])
    lower = found[lower_of(RESPONSE_TIME)].to_numpy()
    assert (lower <= true).all()
    light = rows[rows[USER_COUNT] == 5.0].groupby(SERVICE)[RESPONSE_TIME].median()
    assert (lower > 0.25 * asked[SERVICE].map(light)).all()
