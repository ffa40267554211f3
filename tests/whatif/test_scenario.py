from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpp.errors import InputError
from kpp.schema import CPU_REQUEST, REPLICAS, RESPONSE_TIME, SERVICE, TIMESTAMP, USER_COUNT
from kpp.whatif.model import SCENARIO_COLUMNS, SITUATION, THINK_TIME
from kpp.whatif.scenario import complete, make_scenario, read_scenario, situations_of


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "scenario.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_read_as_it_stands(tmp_path: Path) -> None:
    frame = read_scenario(write(tmp_path, "Service,User Count,Replicas,Name\nfront,300,2,a\nback,300,,b\n"))

    assert list(frame.columns) == [SERVICE, USER_COUNT, REPLICAS, "Name"]
    assert frame[USER_COUNT].tolist() == [300.0, 300.0]
    assert frame[REPLICAS].iloc[0] == 2.0
    assert np.isnan(frame[REPLICAS].iloc[1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Service,Users\nfront,3\n", "missing column 'User Count'"),
        ("Service,User Count\nfront,\n", "line 2: User Count is ''"),
        ("Service,User Count\nfront,0\n", "write a whole number of at least 1"),
        ("Service,User Count\nfront,2.5\n", "write a whole number"),
        ("Service,User Count,Response Time (s)\nfront,3,0.1\n", "'Response Time (s)' is an answer"),
        ("Service,User Count,Verdict\nfront,3,in range\n", "'Verdict' is an answer"),
        ("Service,User Count,Scenario\nfront,3,0\nfront,3,0\n", "front is twice in the scenario 0"),
        ("Service,User Count,Scenario\nfront,3,0\nback,4,0\n", "more than one user count"),
    ],
)
def test_a_scenario_that_cannot_be_asked_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        read_scenario(write(tmp_path, text))

    assert message in str(error.value)


def test_a_service_that_returns_and_another_load_begin_a_new_situation() -> None:
    frame = pd.DataFrame(
        {
            SERVICE: ["a", "b", "a", "b", "b", "a", "a"],
            USER_COUNT: [10, 10, 10, 10, 20, 20, 20],
            THINK_TIME: [np.nan, np.nan, np.nan, np.nan, np.nan, np.nan, 3.0],
        }
    )

    assert complete(frame)[SITUATION].tolist() == [0, 0, 1, 1, 2, 2, 3]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([5.0, 9.0])), min_size=1, max_size=30),
)
def test_no_situation_has_a_service_twice_or_two_loads(rows: list[tuple[str, float]]) -> None:
    frame = pd.DataFrame(rows, columns=[SERVICE, USER_COUNT], index=range(7, 7 + len(rows)))

    full = complete(frame)

    assert list(full.columns) == list(SCENARIO_COLUMNS)
    assert full.index.equals(frame.index)
    assert not full.duplicated([SITUATION, SERVICE]).any()
    assert len(full.drop_duplicates([SITUATION, USER_COUNT])) == full[SITUATION].nunique()
    assert full[SITUATION].is_monotonic_increasing


def test_all_services_are_asked_at_each_load() -> None:
    frame = make_scenario(["a", "b"], [100, 200], {"b": 3}, think_time_seconds=1.5)

    assert frame[SERVICE].tolist() == ["a", "b", "a", "b"]
    assert frame[USER_COUNT].tolist() == [100.0, 100.0, 200.0, 200.0]
    assert frame[REPLICAS].fillna(0).tolist() == [0.0, 3.0, 0.0, 3.0]
    assert (frame[THINK_TIME] == 1.5).all()


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from("abc"), st.sampled_from([1.0, 2.0, np.nan])),
        min_size=1,
        unique_by=lambda row: row[:2],
    )
)
def test_measured_rows_find_their_place_in_the_scenario_that_they_answer(
    rows: list[tuple[int, str, float]],
) -> None:
    """Each row's place asks for what the row is; a situation is a set of services seen together."""
    frame = pd.DataFrame(rows, columns=[TIMESTAMP, SERVICE, REPLICAS])
    frame[USER_COUNT] = np.where(frame[TIMESTAMP] < 3, 10.0, 20.0)
    frame[RESPONSE_TIME] = 1.0

    scenario, positions = situations_of(frame)

    asked = scenario.iloc[positions].reset_index(drop=True)
    for column in (SERVICE, USER_COUNT, REPLICAS):
        pd.testing.assert_series_equal(asked[column], frame[column], check_dtype=False)
    assert scenario[CPU_REQUEST].isna().all()
    layouts = {
        tuple(sorted(zip(own[SERVICE], own[REPLICAS].fillna(0), own[USER_COUNT], strict=True)))
        for _, own in frame.groupby(TIMESTAMP)
    }
    assert scenario[SITUATION].nunique() == len(layouts)
    assert RESPONSE_TIME not in scenario


def test_no_replica_at_all_is_refused() -> None:
    with pytest.raises(InputError, match="0 replicas of web"):
        make_scenario(["web"], [10], {"web": 0}, float("nan"))
