import math

import numpy as np
import pandas as pd
import pytest

from kpp.schema import CPU_LIMIT, CPU_REQUEST, REPLICAS, SERVICE, TARGETS, USER_COUNT
from kpp.whatif.measured import Measured
from kpp.whatif.scenario import complete

LEVELS = pd.DataFrame(
    {
        SERVICE: ["a", "a", "a", "b"],
        USER_COUNT: [50.0, 100.0, 200.0, 100.0],
        REPLICAS: [1.0, 2.0, 4.0, np.nan],
        CPU_REQUEST: [0.1, 0.1, 0.1, np.nan],
        CPU_LIMIT: [0.5, 0.5, 0.5, np.nan],
    }
)
MEASURED = Measured(LEVELS)


def ask(service: str, users: float, replicas: float = np.nan, limit: float = np.nan) -> pd.DataFrame:
    row = {SERVICE: [service], USER_COUNT: [users], REPLICAS: [replicas], CPU_LIMIT: [limit]}
    return complete(pd.DataFrame(row))


@pytest.mark.parametrize(
    ("scenario", "distance"),
    [
        (ask("a", 100, 2, 0.5), 0.0),
        (ask("a", 400, 4, 0.5), math.log(2)),
        (ask("a", 100, 4, 0.5), math.log(2)),  # as near to 200 users with 4 replicas as to 100 with 2
        (ask("a", 100, 2, 1.0), math.log(2)),
        (ask("a", 400, 8, 0.5), math.log(2) + math.log(2)),
        (ask("a", 25), math.log(2)),  # what is not known is taken to be equal
        (ask("b", 300, 7, 2.0), math.log(3)),
        (ask("c", 100), math.inf),
    ],
)
def test_the_distance_adds_up_the_logarithms_of_ratios(scenario: pd.DataFrame, distance: float) -> None:
    assert MEASURED.distance(scenario).tolist() == pytest.approx([distance])


@pytest.mark.parametrize(
    ("scenario", "text"),
    [
        (ask("a", 100, 2), ""),
        (ask("a", 150, 3), ""),
        (ask("a", 150, 1), "1 replica, measured 2 to 4 at the nearest loads (1/2 of the lowest)"),
        (ask("a", 100, 4), "4 replicas, measured 2 at the nearest loads (2 times that)"),
        (ask("a", 250, 4), "250 users, measured 50 to 200 (25 % above the highest)"),
        (
            ask("a", 250, 5),
            "250 users, measured 50 to 200 (25 % above the highest) and "
            "5 replicas, measured 4 at the nearest loads (25 % above that)",
        ),
        (
            ask("a", 100, 2, 0.25),
            "a CPU limit of 0.25 cores, measured 0.5 at the nearest loads (1/2 of that)",
        ),
        (ask("b", 100, 9), ""),
        (ask("b", 99), "99 users, measured 100 (1 % below that)"),
        (ask("c", 100), "never measured"),
    ],
)
def test_what_was_not_measured_is_told(scenario: pd.DataFrame, text: str) -> None:
    assert MEASURED.outside(scenario) == [text]


def test_what_is_left_open_is_as_at_the_nearest_load() -> None:
    scenario = pd.concat([ask("a", 130), ask("a", 900, 3), ask("b", 100), ask("c", 1)], ignore_index=True)

    filled = MEASURED.fill(scenario)

    assert filled[REPLICAS].fillna(0).tolist() == [2.0, 3.0, 0.0, 0.0]
    assert filled[CPU_LIMIT].fillna(0).tolist() == [0.5, 0.5, 0.0, 0.0]
    assert filled[CPU_REQUEST].fillna(0).tolist() == [0.1, 0.1, 0.0, 0.0]
    assert filled[USER_COUNT].tolist() == scenario[USER_COUNT].tolist()


def test_the_highest_is_per_replica_where_fewer_are_asked_for() -> None:
    values = {target: [1.0, 9.0, 4.0, 2.0] for target in TARGETS}
    measured = Measured(LEVELS.assign(**values))
    asked = pd.concat([ask("a", 300, 1), ask("a", 300, 4), ask("a", 300), ask("b", 300, 1), ask("c", 300)])

    found = measured.highest(asked.reset_index(drop=True))

    assert found[:, 0].tolist()[:4] == [4.5, 9.0, 9.0, 2.0]
    assert np.isnan(found[4]).all()
