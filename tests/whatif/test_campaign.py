from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kpp.errors import InputError
from kpp.schema import (
    CALLEE,
    CALLER,
    CALLS,
    CPU_LIMIT,
    CPU_USAGE,
    REPLICAS,
    RESPONSE_TIME,
    SERVICE,
    THROUGHPUT,
    TIMESTAMP,
    USER_COUNT,
)
from kpp.whatif.campaign import MINUTES, levels_of, make_campaign, read_calls, read_cpu_limits
from tests.measurements import as_table

COLUMNS = [TIMESTAMP, SERVICE, USER_COUNT, RESPONSE_TIME, THROUGHPUT, CPU_USAGE, REPLICAS, CPU_LIMIT]


def frame(*rows: tuple[float | str, ...]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=COLUMNS)


def test_rows_of_a_minute_become_their_mean_and_a_change_of_load_two_rows() -> None:
    rows = frame(
        (60.0, "a", 10.0, 1.0, 4.0, np.nan, 1.0, np.nan),
        (80.0, "a", 10.0, 3.0, np.nan, np.nan, 1.0, np.nan),
        (81.0, "a", 20.0, 9.0, 8.0, 0.5, 1.0, np.nan),
    )

    found = make_campaign(as_table(rows)).measurements

    assert found[TIMESTAMP].tolist() == [60.0, 60.0]
    assert found[USER_COUNT].tolist() == [10.0, 20.0]
    assert found[RESPONSE_TIME].tolist() == [2.0, 9.0]
    assert found[THROUGHPUT].tolist() == [4.0, 8.0]
    assert found[CPU_USAGE].isna().tolist() == [True, False]
    assert REPLICAS in found
    assert CPU_LIMIT not in found  # a column in which nothing stands


def test_a_cpu_of_0_under_load_is_a_counter_that_was_not_read(caplog: pytest.LogCaptureFixture) -> None:
    cpu = (0.3, 0.0, 0.3, 0.31, 0.0)
    rows = frame(
        *((60.0 * minute, "a", 10.0, 1.0, 5.0, value, 1.0, 0.2) for minute, value in enumerate(cpu)),
        *((60.0 * minute, "idle", 10.0, 1.0, 0.0, value, 1.0, 0.2) for minute, value in enumerate(cpu)),
        *((60.0 * minute, "unmeasured", 10.0, 1.0, 5.0, 0.0, 1.0, 0.2) for minute in range(5)),
    )

    found = make_campaign(as_table(rows)).measurements.set_index(SERVICE)[CPU_USAGE]

    np.testing.assert_array_equal(found["a"], [0.3, np.nan, 0.3, 0.31, np.nan])
    assert found["idle"].tolist() == list(cpu)
    assert found["unmeasured"].tolist() == [0.0] * 5
    assert "2 minutes with requests have a CPU usage of 0, which counts as missing: a" in caplog.text


def test_a_level_is_the_median_of_a_load_and_a_layout() -> None:
    rows = frame(
        *(
            (60.0 * minute, "a", 10.0, value, 5.0, 0.1, 1.0, np.nan)
            for minute, value in enumerate([1, 2, 90])
        ),
        (600.0, "a", 10.0, 7.0, 5.0, 0.1, 2.0, np.nan),
    )

    levels = levels_of(make_campaign(as_table(rows), cpu_limits={"a": 0.4}))

    assert levels[RESPONSE_TIME].tolist() == [2.0, 7.0]
    assert levels[REPLICAS].tolist() == [1.0, 2.0]
    assert levels[MINUTES].tolist() == [3, 1]
    assert levels[CPU_LIMIT].tolist() == [0.4, 0.4]


def test_a_minute_in_which_no_replica_is_ready_counts_those_of_the_minutes_around() -> None:
    replicas = (0.0, 2.0, 0.0, np.nan, 3.0)
    rows = frame(
        *((60.0 * minute, "a", 10.0, 1.0, 5.0, 0.1, count, 0.2) for minute, count in enumerate(replicas)),
        (0.0, "b", 10.0, 1.0, 5.0, 0.1, 1.0, 0.2),
    )

    found = make_campaign(as_table(rows)).measurements

    np.testing.assert_array_equal(found.loc[found[SERVICE] == "a", REPLICAS], [2.0, 2.0, 2.0, np.nan, 3.0])


def test_a_measured_limit_goes_before_a_given_one() -> None:
    rows = frame((60.0, "a", 10.0, 1.0, 5.0, 0.1, 1.0, 0.3), (60.0, "b", 10.0, 1.0, 5.0, 0.1, 1.0, np.nan))

    levels = levels_of(make_campaign(as_table(rows), cpu_limits={"a": 9.0, "b": 0.5}))

    assert dict(zip(levels[SERVICE], levels[CPU_LIMIT], strict=True)) == {"a": 0.3, "b": 0.5}


def test_calls_of_a_pair_are_averaged_over_experiments_and_files(tmp_path: Path) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text("Caller,Callee,Calls,User Count\nfront,back,2,10\nfront,back,4,20\n", encoding="utf-8")
    second.write_text("Caller,Callee,Calls\nfront,back,6\nback,store,1\n", encoding="utf-8")

    calls = read_calls([first, second])

    assert calls[[CALLER, CALLEE, CALLS]].to_numpy().tolist() == [
        ["front", "back", 4.0],
        ["back", "store", 1.0],
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Caller,Callee,Calls\nfront,front,1\n", "line 2: front calls itself"),
        ("Caller,Callee,Calls\nfront,back,\n", "line 2: Calls is ''"),
        ("Caller,Callee,Calls\nfront,back,-1\n", "line 2: Calls is '-1'"),
    ],
)
def test_faulty_calls_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "calls.csv"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(InputError) as error:
        read_calls([path])

    assert message in str(error.value)


def test_limits_are_read_by_service_and_refused_when_twice(tmp_path: Path) -> None:
    path = tmp_path / "limits.csv"
    path.write_text("Service,CPU Limit\na,0.2\nb,1\n", encoding="utf-8")
    assert read_cpu_limits(path) == {"a": 0.2, "b": 1.0}

    path.write_text("Service,CPU Limit\na,0.2\na,1\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 3: a is there twice"):
        read_cpu_limits(path)
