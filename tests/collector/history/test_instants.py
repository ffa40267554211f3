from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpp.collector.history.instants import (
    MOST_INSTANTS,
    Grid,
    Instant,
    Span,
    make_grid,
    parse_duration,
    parse_instant,
    tell_instant,
)
from kpp.errors import ConfigError

NOW = 1_700_000_030.5


@pytest.mark.parametrize(
    ("text", "at", "is_relative"),
    [
        ("now", NOW, True),
        ("-24h", NOW - 86_400, True),
        ("now-1d12h", NOW - 129_600, True),
        ("-90s", NOW - 90, True),
        ("-2w", NOW - 1_209_600, True),
        ("1700000000", 1_700_000_000, False),
        ("1700000000.125", 1_700_000_000.125, False),
        ("2023-11-14T22:13:20Z", 1_700_000_000, False),
        ("2023-11-14T22:13:20", 1_700_000_000, False),
        ("2023-11-14T23:13:20+01:00", 1_700_000_000, False),
        ("2023-11-14 22:13:20", 1_700_000_000, False),
        ("2023-11-14", 1_699_920_000, False),
    ],
)
def test_an_instant_is_read_as_it_is_written(text: str, at: float, is_relative: bool) -> None:
    assert parse_instant(text, NOW) == Instant(at, is_relative)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "-24", "24h", "-1y", "1700000000000", "-5", "nan", "inf", "0001-01-01"]
)
def test_what_is_no_instant_is_told(text: str) -> None:
    with pytest.raises(ConfigError, match="write 2026-11-25T08:00:00Z, Unix seconds, now, or -24h"):
        parse_instant(text, NOW)


@given(text=st.text() | st.from_regex(r"(now)?-?[0-9]{0,25}[smhdwy]?", fullmatch=True))
def test_any_text_is_an_instant_or_one_line(text: str) -> None:
    assert "\n" not in told_by(lambda: parse_instant(text, NOW))
    assert "\n" not in told_by(lambda: parse_duration(text))


def told_by(parse: Callable[[], object]) -> str:
    """The error's line; empty where there is none."""
    try:
        parse()
    except ConfigError as error:
        return str(error)
    return ""


@given(
    moment=st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1)),
    hours=st.integers(-12, 14),
)
def test_iso_is_read_as_python_means_it(moment: datetime, hours: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(hours=hours)))
    assert parse_instant(aware.isoformat(), NOW).at == aware.timestamp()
    assert datetime.fromisoformat(tell_instant(aware.timestamp())) == aware.replace(microsecond=0).astimezone(
        UTC
    )


@pytest.mark.parametrize(
    ("text", "seconds"), [("60", 60), ("60s", 60), ("5m", 300), ("1h30m", 5400), ("1d", 86_400)]
)
def test_a_duration_is_read(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0s", "-5", "1.5", "1x", "m", "٣"])
def test_what_is_no_duration_is_told(text: str) -> None:
    with pytest.raises(ConfigError, match="write it as 60, 60s or 1m30s"):
        parse_duration(text)


def test_what_is_told_relatively_begins_at_a_whole_step() -> None:
    grid = make_grid(parse_instant("-5m", NOW), parse_instant("now", NOW), 60)
    assert grid == Grid(1_699_999_680, 60, 6)
    assert list(grid.instants)[-1] == grid.end == 1_699_999_980


def test_what_is_told_absolutely_is_kept() -> None:
    grid = make_grid(Instant(1000.125), Instant(1240.125), 60)
    assert list(grid.instants) == [1000.125, 1060.125, 1120.125, 1180.125, 1240.125]


def test_a_range_without_an_instant_or_with_too_many_is_refused() -> None:
    with pytest.raises(ConfigError, match="is empty; let --from be earlier than --to"):
        make_grid(Instant(1000), Instant(900), 60)
    with pytest.raises(ConfigError, match="200,000 are the most; import it in parts"):
        make_grid(Instant(0), Instant(MOST_INSTANTS), 1)
    assert make_grid(Instant(1000), Instant(1000), 60).count == 1


@given(count=st.integers(1, 2000), most=st.integers(1, 300))
def test_spans_hold_each_instant_once(count: int, most: int) -> None:
    spans = list(Grid(0.0, 60, count).spans(most))
    halves = [half for span in spans for half in (span.halves() if span.count > 1 else [span])]
    for parts in (spans, halves):
        assert [number for span in parts for number in range(span.first, span.end)] == list(range(count))
        assert all(0 < span.count <= most for span in parts)


@given(start=st.floats(0, 1e10), step=st.integers(1, 10_000), number=st.integers(0, 99))
def test_instants_are_found_again_as_prometheus_tells_them(start: float, step: int, number: int) -> None:
    grid = Grid(start, step, 100)
    told = np.array([float(f"{grid.at(number):.3f}"), grid.at(100), grid.at(number) + 0.4, np.nan])
    numbers, is_own = grid.numbers_of(told)
    assert list(is_own) == [True, False, False, False]
    assert numbers[0] == number
    assert Span(0, 1).count == 1
