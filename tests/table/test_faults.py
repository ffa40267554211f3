"""Bad input: each fault gives one line with the file, the line, what is there and the mend."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kpp.errors import InputError
from kpp.schema import CPU_USAGE, RESPONSE_TIME, SERVICE, THROUGHPUT, TIMESTAMP, USER_COUNT, read_measurements
from kpp.table.faults import MOST_LINES
from tests.measurements import make_measurements
from tests.table.texts import HEADER, NEXT_ROW, ROW, lines, with_cell

Refuse = Callable[..., str]


def refusal(*paths: Path) -> str:
    """The one line with which the files are refused."""
    with pytest.raises(InputError) as caught:
        read_measurements(paths)
    message = str(caught.value)
    assert caught.value.exit_code == 3
    assert "\n" not in message
    assert caught.value.mend
    return message


@pytest.fixture
def refusal_of(tmp_path: Path) -> Refuse:
    def write_and_read(*texts: str | bytes) -> str:
        paths = [tmp_path / name for name, _ in zip(("a.csv", "b.csv"), texts, strict=False)]
        for path, text in zip(paths, texts, strict=True):
            path.write_bytes(text.encode() if isinstance(text, str) else text)
        return refusal(*paths).replace(str(tmp_path) + "/", "")

    return write_and_read


WHOLE_FILES: dict[str, tuple[str | bytes, list[str]]] = {
    "empty": ("", ["a.csv", "empty"]),
    "only blank lines": ("\n \n", ["a.csv", "empty"]),
    "only a header": (lines(), ["a.csv", "no usable row"]),
    "no header": (ROW + "\n", ["a.csv", "no header", HEADER]),
    "another table": ("Name,Age\nx,1\n", ["a.csv", "'Name,Age'", HEADER]),
    "semicolons": (lines(ROW).replace(",", ";"), ["a.csv", "commas", "';'"]),
    "a missing column": (lines(ROW, header=HEADER.replace(",CPU Usage", "")), ["a.csv", "'CPU Usage'"]),
    "a misspelled column": (lines(ROW, header=HEADER.replace("Usage", "usage")), ["'CPU usage' meant"]),
    "a column twice": (lines(ROW + ",1", header=HEADER + ",CPU Usage"), ["a.csv", "'CPU Usage'", "twice"]),
    "too few fields": (lines("1700000040,cart", ROW), ["a.csv, line 2", "4 fewer fields"]),
    "too many fields": (lines(ROW, ROW + ",7"), ["a.csv, line 3", "1 more fields"]),
    "an open quote": (lines('"' + ROW, NEXT_ROW), ["a.csv, line 2", "quote"]),
    "UTF-16": (lines(ROW).encode("utf-16"), ["a.csv, line 1", "UTF-8"]),
    "Latin-1": (lines(ROW, "caf\xe9").encode("latin-1"), ["a.csv, line 3", "0xe9", "UTF-8"]),
}


@pytest.mark.parametrize(("text", "expected"), WHOLE_FILES.values(), ids=WHOLE_FILES.keys())
def test_a_file_that_is_no_table(refusal_of: Refuse, text: str | bytes, expected: list[str]) -> None:
    message = refusal_of(text)
    assert [fragment for fragment in expected if fragment not in message] == []


@pytest.mark.parametrize(
    ("column", "cell", "fault"),
    [
        (RESPONSE_TIME, "fast", "no number"),
        (TIMESTAMP, "2026-01-01T00:00", "no number"),
        (CPU_USAGE, "-0.04", "negative"),
        (USER_COUNT, "-10", "negative"),
        (USER_COUNT, "10.5", "no whole number"),
        (THROUGHPUT, "+Inf", "infinite"),
        (THROUGHPUT, "1e999", "infinite"),
        (THROUGHPUT, "1e200", "too large"),
        (SERVICE, "../../etc", "DNS-1123"),
        (SERVICE, "Cart", "DNS-1123"),
        (TIMESTAMP, "1700000100000", "in milliseconds, while other lines"),
    ],
)
def test_a_cell_that_cannot_be(refusal_of: Refuse, column: str, cell: str, fault: str) -> None:
    message = refusal_of(lines(ROW, with_cell(column, cell), NEXT_ROW))
    assert message.startswith(f"a.csv, line 3: {column} holds '{cell}', which is ")
    assert fault in message


def test_other_cells_that_cannot_be(refusal_of: Refuse) -> None:
    assert "line 2: Throughput (req/s) holds '20,5'" in refusal_of(lines(with_cell(THROUGHPUT, '"20,5"')))
    assert "neither in seconds" in refusal_of(lines(with_cell(TIMESTAMP, "1700000100000000000")))
    assert "line 2: Throttled holds '25'" in refusal_of(lines(ROW + ",25", header=HEADER + ",Throttled"))


def test_many_faults_of_a_kind_are_counted_and_abbreviated(refusal_of: Refuse) -> None:
    bad = with_cell(RESPONSE_TIME, "x")
    message = refusal_of(lines(bad, bad, bad, *[ROW, bad] * 9))
    assert message.startswith("a.csv, line 2: ")
    assert "also lines 3 to 4, 6, 8, 10, 12 and 5 more" in message


def test_faults_without_number_are_counted(refusal_of: Refuse) -> None:
    """A large file may have a fault in every second line: not all of these lines are kept."""
    message = refusal_of(lines(*[with_cell(RESPONSE_TIME, "x"), ROW] * (MOST_LINES + 500)))
    assert f"also lines 4, 6, 8, 10, 12 and {MOST_LINES + 500 - 6} more" in message


def test_a_long_cell_is_cut(refusal_of: Refuse) -> None:
    assert len(refusal_of(lines(with_cell(RESPONSE_TIME, "x" * 5000)))) < 200


def test_paths_that_are_no_file(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "none.csv")
    assert f"{tmp_path}: holds no table of measurements" in refusal(tmp_path)
    assert "cannot be read" in refusal(tmp_path / ("a" * 300))
    assert "name at least one" in refusal()


def test_parquet_files_are_checked_as_well(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    frame = make_measurements(samples=3)
    frame.drop(columns=CPU_USAGE).to_parquet(path)
    assert "'CPU Usage'" in refusal(path)
    frame.assign(**{TIMESTAMP: pd.to_datetime(frame[TIMESTAMP], unit="s")}).to_parquet(path)
    assert "Unix seconds" in refusal(path)
    nanoseconds = (frame[TIMESTAMP] * 1e9).astype("int64")
    frame.assign(**{TIMESTAMP: nanoseconds}).to_parquet(path)
    assert "a.parquet, row 1: Timestamp" in refusal(path)
    assert "neither in seconds nor in milliseconds" in refusal(path)
    frame.assign(**{CPU_USAGE: b"0.1 cores"}).to_parquet(path)
    assert f"{CPU_USAGE} is of the type binary" in refusal(path)
    frame.assign(**{SERVICE: 1}).to_parquet(path)
    assert f"{SERVICE} is of the type int64" in refusal(path)
    frame.loc[2, CPU_USAGE] = -1.0
    frame.to_parquet(path)
    assert "a.parquet, row 3: CPU Usage holds '-1.0'" in refusal(path)
    path.write_text("PAR1 but no more")
    assert "no Parquet file" in refusal(path)


def test_files_that_contradict_each_other(refusal_of: Refuse) -> None:
    later, same_minute = (
        with_cell(TIMESTAMP, at).replace(",10,", ",70,") for at in ("1700000190", "1700000041")
    )
    message = refusal_of(lines(ROW, NEXT_ROW), lines(later, same_minute))
    assert message.startswith(
        "a.csv, line 2: cartservice has 10 users, but in the same minute 70 in b.csv, line 3;"
    )


ANY_TEXT = st.text(alphabet=sorted({*HEADER, *'",\n01-'}), max_size=300).map(str.encode)


@settings(max_examples=100, deadline=None)
@given(tail=st.binary(max_size=100) | st.text(max_size=100).map(str.encode) | ANY_TEXT)
@pytest.mark.parametrize("head", ["", lines(), lines(ROW)])
def test_whatever_a_file_holds_it_is_a_table_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, head: str, tail: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "a.csv"
    path.write_bytes(head.encode() + tail)
    try:
        frame = read_measurements([path]).frame
    except InputError as error:
        refused = str(error)
        frame = None
    if frame is None:
        assert len(refused.splitlines()) == 1
    else:
        assert np.isfinite(frame[[TIMESTAMP, USER_COUNT]].to_numpy()).all()
