from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpp.collector.history.instants import Grid
from kpp.collector.history.loads import (
    Interval,
    read_intervals,
    read_users,
    users_of_intervals,
    users_of_rate,
)
from kpp.collector.history.ranges import Answered
from kpp.collector.prometheus.answer import Series
from kpp.errors import ConfigError, InputError

GRID = Grid(1000.0, 60, 6)  # to 1300


def answered(*series: Series) -> Answered:
    found = Answered(GRID)
    found.add(series)
    return found


def test_users_come_from_the_one_series_of_a_query() -> None:
    users = read_users(answered(Series({}, [(1000.0, 10.4), (1120.0, 20.0), (1180.0, float("nan"))])), "q")
    np.testing.assert_equal(users, [10, np.nan, 20, np.nan, np.nan, np.nan])


def test_a_query_without_or_with_several_series_is_refused() -> None:
    with pytest.raises(ConfigError, match="has no value in this range: up"):
        read_users(answered(), "up")
    series = [Series({"pod": name}, [(1000.0, 1.0)]) for name in "ab"]
    with pytest.raises(ConfigError, match=r"gives 2 series: up; put sum\(\.\.\.\)"):
        read_users(answered(*series), "up")


def test_an_instant_has_the_load_of_the_interval_that_holds_its_window() -> None:
    intervals = [Interval(900, 1130, 50), Interval(1130, 1300, 80)]
    users = users_of_intervals(intervals, GRID, 60)
    # at 1180 the window reaches back to 1120, before the load changed
    np.testing.assert_equal(users, [50, 50, 50, np.nan, 80, 80])
    np.testing.assert_equal(users_of_intervals([], GRID, 60), np.full(6, np.nan))


def test_a_rate_is_a_load_in_whole_requests_per_second() -> None:
    rates = np.array([0.0, 0.2, 1.4, 120.6, np.nan])
    np.testing.assert_equal(users_of_rate(rates), [0, 1, 1, 121, np.nan])


def read(folder: Path, text: str) -> list[Interval]:
    path = folder / "users.csv"
    path.write_text(text, encoding="utf-8")
    return read_intervals(path, now=2000.0)


def test_intervals_are_read_and_sorted(tmp_path: Path) -> None:
    text = "\ufeffUser Count,start,note,end\n80,1970-01-01T00:10Z,calm,-1m\n 50 ,0,,600\n"
    assert read(tmp_path, text) == [Interval(0, 600, 50), Interval(600, 1940, 80)]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "users.csv: the column start, end, User Count is missing"),
        ("start,end,users\n1,2,3\n", "users.csv: the column User Count is missing"),
        ("start,end,User Count\n", "users.csv: there is no interval"),
        ("start,end,User Count\n1,2,many\n", "users.csv, line 2: User Count is 'many'"),
        ("start,end,User Count\n1,2,0\n", "users.csv, line 2: User Count is '0'"),
        ("start,end,User Count\n1,2,1e3\n", "line 2: User Count is '1e3'"),
        ("start,end,User Count\n1,2,99999999\n", "line 2: User Count is '99999999'"),
        ("start,end,User Count\n1,2\n", "line 2: User Count is ''"),
        ("start,end,User Count\n1,2,3\ntoday,2,3\n", "line 3: the instant 'today' cannot be read"),
        ("start,end,User Count\n2,2,3\n", "line 2: the interval ends before it begins"),
        ("start,end,User Count\n1,5,3\n4,6,3\n", "users.csv: two intervals overlap: at 1970-01-01T00:00:04Z"),
    ],
)
def test_a_faulty_file_is_told_with_its_line(text: str, fault: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    assert fault in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.csv: cannot be read: No such file"):
        read_intervals(tmp_path / "nowhere.csv", 0.0)


@given(content=st.binary() | st.text().map(lambda text: f"start,end,User Count\n{text}".encode()))
def test_any_file_gives_intervals_or_one_line(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("users") / "users.csv"
    path.write_bytes(content)
    told = ""
    try:
        read_intervals(path, 0.0)
    except InputError as error:
        told = str(error)
    assert "\n" not in told
