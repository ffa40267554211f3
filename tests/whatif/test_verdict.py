from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest

from kpp.schema import CPU_USAGE, REPLICAS, SERVICE, TARGETS, THROUGHPUT, USER_COUNT
from kpp.whatif.model import (
    BOTTLENECK,
    EXTRAPOLATING,
    IN_RANGE,
    REASON,
    SATURATION,
    THINK_TIME,
    UNSUPPORTED,
    VERDICT,
    Campaign,
    State,
)
from kpp.whatif.scenario import complete
from kpp.whatif.verdict import Known, judge


@dataclass
class Learned:
    """A model that knows nothing of saturation."""

    name: str = "learned"
    notes: tuple[str, ...] = field(default=())

    def fit(self, campaign: Campaign) -> None:
        raise NotImplementedError

    def predict(self, scenario: pd.DataFrame) -> pd.DataFrame:
        raise NotImplementedError

    def dump(self) -> State:
        raise NotImplementedError

    def restore(self, state: State) -> None:
        raise NotImplementedError


class Physical(Learned):
    """Each frontend replica completes 62 requests per second."""

    def saturation(self, scenario: pd.DataFrame) -> pd.DataFrame:
        limits = np.where(scenario[SERVICE] == "frontend", 62 * scenario[REPLICAS], 1000.0)
        return pd.DataFrame({SATURATION: limits, BOTTLENECK: "frontend"}, index=scenario.index)


def give(
    model: Learned,
    outside: str = "",
    distance: float = 0.0,
    rps: float = 10.0,
    columns: Mapping[str, float] = MappingProxyType({}),
) -> tuple[str, str]:
    """Judge one row of the frontend."""
    row = {SERVICE: "frontend", USER_COUNT: 50.0, REPLICAS: 1.0, **columns}
    predicted = pd.DataFrame({target: [rps] for target in TARGETS})
    known = Known(
        [outside], np.array([distance]), np.full(1, 0.7), {"frontend": 17.0}, np.ones((1, 3), dtype=bool)
    )
    judged = judge(model, complete(pd.DataFrame([row])), predicted, known)
    return judged[VERDICT].iloc[0], judged[REASON].iloc[0]


def test_a_load_between_measured_ones_is_in_range() -> None:
    assert give(Learned()) == (IN_RANGE, "loads around it were measured")


def test_a_load_beyond_them_is_extrapolated_up_to_twice_as_far_as_was_tried() -> None:
    outside = "90 users, measured 10 to 50"
    tried = (
        "in all 4.1 times from the data, where learned was tried up to 2 times and is trusted up to 4.1 times"
    )

    assert give(Learned(), outside, 1.39) == (EXTRAPOLATING, outside)
    assert give(Learned(), outside, 1.41) == (UNSUPPORTED, f"{outside}; {tried}")


def test_a_service_that_was_never_measured_is_unsupported() -> None:
    assert give(Learned(), "never measured", np.inf) == (UNSUPPORTED, "never measured")


def test_saturation_is_named_with_what_was_measured() -> None:
    reason = "1 frontend replica saturates at 62 req/s; measured up to 17"

    assert give(Physical(), rps=61.0) == (IN_RANGE, reason)
    assert give(Physical(), "90 users, measured 10 to 50", 0.5, rps=62.0) == (
        EXTRAPOLATING,
        f"{reason}; 90 users, measured 10 to 50",
    )
    assert give(Physical(), rps=122.0, columns={REPLICAS: 2.0})[1].startswith(
        "2 frontend replicas saturate at 124 req/s"
    )
    assert give(Physical(), rps=50.0) == (IN_RANGE, "loads around it were measured")


def test_what_stands_beside_a_saturated_service_says_which_one_it_is() -> None:
    scenario = complete(pd.DataFrame({SERVICE: ["frontend", "cart"], USER_COUNT: 500.0, REPLICAS: 1.0}))
    predicted = pd.DataFrame({target: [62.0, 31.0] for target in TARGETS})
    known = Known(
        ["", ""], np.zeros(2), np.full(2, 0.7), {"frontend": 17.0, "cart": 8.0}, np.ones((2, 3), dtype=bool)
    )

    assert judge(Physical(), scenario, predicted, known)[REASON].tolist() == [
        "1 frontend replica saturates at 62 req/s; measured up to 17",
        "1 frontend replica saturates at 62 req/s; measured up to 17",
    ]


def test_another_think_time_is_for_models_that_know_the_users() -> None:
    assert give(Learned(), columns={THINK_TIME: 2.0}) == (
        UNSUPPORTED,
        "learned cannot tell what another think time changes",
    )
    assert give(Physical(), columns={THINK_TIME: 2.0})[0] == IN_RANGE


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ([CPU_USAGE], (IN_RANGE, "loads around it were measured; not estimated: CPU Usage")),
        (list(TARGETS), (UNSUPPORTED, "nothing could be estimated")),
    ],
)
def test_what_could_not_be_estimated_is_named(missing: list[str], expected: tuple[str, str]) -> None:
    scenario = complete(pd.DataFrame({SERVICE: ["frontend"], USER_COUNT: 50.0}))
    predicted = pd.DataFrame({target: [1.0] for target in TARGETS}).assign(**dict.fromkeys(missing, np.nan))
    bounded = predicted.notna().to_numpy()

    judged = judge(Learned(), scenario, predicted, Known([""], np.zeros(1), np.full(1, 0.7), {}, bounded))

    assert (judged[VERDICT].iloc[0], judged[REASON].iloc[0]) == expected


def test_a_point_without_an_interval_says_why() -> None:
    scenario = complete(pd.DataFrame({SERVICE: ["frontend"], USER_COUNT: 50.0}))
    predicted = pd.DataFrame({target: [1.0] for target in TARGETS})
    known = Known(["90 users, measured 50"], np.array([0.6]), np.zeros(1), {}, np.zeros((1, 3), dtype=bool))

    judged = judge(Learned(), scenario, predicted, known)

    assert judged[VERDICT].tolist() == [UNSUPPORTED]
    assert judged[REASON].tolist() == [
        "90 users, measured 50; in all 1.8 times from the data, and learned was never tried beyond its data; "
        "no interval, for too few loads could be left out to try it"
    ]
    assert THROUGHPUT not in judged
