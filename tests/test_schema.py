"""Reading tables of measurements: what is accepted comes out right; tests/table has what is refused."""

import math
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kpp.schema import (
    CPU_LIMIT,
    CPU_USAGE,
    LINE,
    REASON,
    REQUIRED_COLUMNS,
    RESPONSE_TIME,
    SERVICE,
    SOURCE,
    TARGETS,
    TIMESTAMP,
    USER_COUNT,
    Table,
    is_dns_label,
    read_measurements,
)
from tests.measurements import make_measurements, write_measurements
from tests.table.texts import HEADER, NEXT_ROW, ROW, lines, quoted, with_cell

Write = Callable[..., Path]
COLUMNS = list(REQUIRED_COLUMNS)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(text: str, name: str = "a.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode())
        return path

    return write_file


def _read(*paths: Path) -> Table:
    return read_measurements(paths)


def test_the_columns_are_those_of_the_contract() -> None:
    assert HEADER == "Timestamp,Service,User Count,Response Time (s),Throughput (req/s),CPU Usage"


@pytest.mark.parametrize("name", ["a", "cart-service-2", "0", "a" * 63])
def test_dns_labels_are_names(name: str) -> None:
    assert is_dns_label(name)


@pytest.mark.parametrize("name", ["", "Cart", "-a", "a-", "a.b", "../x", "a_b", "a" * 64, "a\n", "ä"])
def test_anything_else_is_no_name(name: str) -> None:
    assert not is_dns_label(name)


def test_a_written_table_reads_back_as_it_was(tmp_path: Path) -> None:
    frame = make_measurements(["frontend", "cartservice"], [10, 20])
    table = _read(write_measurements(frame, tmp_path / "a.csv"))
    pd.testing.assert_frame_equal(table.frame[COLUMNS], frame, check_exact=True)
    assert table.frame[LINE].tolist() == list(range(2, len(frame) + 2))
    assert set(table.frame[SOURCE]) == {str(tmp_path / "a.csv")}
    assert table.left_out.empty
    assert table.notes == ()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1e12), min_size=1, max_size=20))
def test_numbers_are_read_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    path = tmp_path_factory.mktemp("numbers") / "a.csv"
    path.write_text(lines(*(f"{60 * minute},a,1,{value!r},1,1" for minute, value in enumerate(values))))
    assert _read(path).frame[RESPONSE_TIME].tolist() == values


def test_parquet_holds_the_same_table(tmp_path: Path) -> None:
    frame = make_measurements(["frontend", "cartservice"], [10, 20]).astype({USER_COUNT: int})
    frame.loc[3, CPU_USAGE] = math.nan
    frame.to_parquet(tmp_path / "a.parquet")
    parquet, text = _read(tmp_path / "a.parquet"), _read(write_measurements(frame, tmp_path / "a.csv"))
    pd.testing.assert_frame_equal(parquet.frame[COLUMNS], text.frame[COLUMNS], check_exact=True)
    assert parquet.frame[LINE].tolist() == list(range(1, len(frame) + 1))


WRITTEN = {
    "CRLF": lines(ROW, NEXT_ROW, end="\r\n"),
    "CR": lines(ROW, NEXT_ROW, end="\r"),
    "byte order mark": "\ufeff" + lines(ROW, NEXT_ROW),
    "blank lines": lines(ROW, "", "   ", NEXT_ROW, ""),
    "blank lines first": "\n\n" + lines(ROW, NEXT_ROW),
    "unsorted": lines(NEXT_ROW, ROW),
    "quoted": lines(quoted(ROW), quoted(NEXT_ROW), header=quoted(HEADER)),
    "spaces": lines(ROW, NEXT_ROW, header=HEADER).replace(",", " ,  "),
    "unknown column": lines(ROW + ',"so, so"', NEXT_ROW + ",", header=HEADER + ",Note"),
    "other order": lines(*(",".join(row.split(",")[::-1]) for row in (ROW, NEXT_ROW)),
                         header=",".join(REQUIRED_COLUMNS[::-1])),
    "no last line break": lines(ROW, NEXT_ROW).rstrip(),
    "duplicates": lines(ROW, NEXT_ROW, ROW, NEXT_ROW),
    "milliseconds": lines(ROW.replace("040,", "040000,"), NEXT_ROW.replace("1700000100", "1.7000001e12")),
    "torn": lines(ROW, NEXT_ROW) + "17000001",
    "torn in a quote": lines(ROW, NEXT_ROW) + '1700000160,"carts',
    "torn to zeros": lines(ROW, NEXT_ROW) + "\0\0\0\0",
}  # fmt: skip


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN.keys())
def test_the_same_two_rows_come_out_however_they_are_written(write: Write, text: str) -> None:
    frame = _read(write(text)).frame.sort_values(TIMESTAMP)
    assert frame[COLUMNS].to_numpy().tolist() == [
        [1700000040.0, "cartservice", 10.0, 0.002, 20.5, 0.04],
        [1700000100.0, "cartservice", 10.0, 0.003, 20.7, 0.05],
    ]


def test_lines_are_counted_as_an_editor_does(write: Write) -> None:
    text = "\r\n" + lines(
        "", f'{ROW},"a ""word"""', "  ", f"{NEXT_ROW},", header=f"{HEADER},Note", end="\r\n"
    )
    table = _read(write(text + "1,a"))
    assert table.frame[LINE].tolist() == [4, 6]
    assert any("line 7" in note and "torn" in note for note in table.notes)


@pytest.mark.parametrize("missing", ["", "NaN", "nan", "null", " "])
def test_missing_targets_stay_missing(write: Write, missing: str) -> None:
    frame = _read(write(lines(with_cell(RESPONSE_TIME, missing), NEXT_ROW))).frame
    assert frame[list(TARGETS)].isna().to_numpy().tolist() == [[True, False, False], [False, False, False]]


def test_optional_columns_are_read_where_they_are(write: Write) -> None:
    with_limit = write(lines(f"{ROW},0.2", header=f"{HEADER},{CPU_LIMIT}"))
    limits = _read(with_limit, write(lines(NEXT_ROW), "b.csv")).frame[CPU_LIMIT].tolist()
    assert limits[0] == 0.2
    assert math.isnan(limits[1])


def test_rows_that_cannot_be_used_are_left_out_and_told(write: Write) -> None:
    rows = [
        ROW,
        with_cell(TIMESTAMP, ""),
        with_cell(USER_COUNT, ""),
        "1700000100,cartservice,10,,NaN,",
        with_cell(SERVICE, ""),
        with_cell(USER_COUNT, "NaN"),
    ]
    table = _read(write(lines(*rows)))
    assert table.frame[LINE].tolist() == [2]
    assert dict(zip(table.left_out[LINE], table.left_out[REASON], strict=True)) == {
        3: "no timestamp",
        4: "no user count",
        5: "none of the targets measured",
        6: "no service",
        7: "no user count",
    }
    assert any("2 rows left out, no user count: lines 4, 7" in note for note in table.notes)


def test_duplicates_count_once_and_are_told(write: Write) -> None:
    first = write(lines(ROW, NEXT_ROW, ROW))
    second = write(lines(NEXT_ROW, NEXT_ROW.replace("0.05", "0.06")), "b.csv")
    table = _read(first, second)
    assert table.frame[CPU_USAGE].tolist() == [0.04, 0.05, 0.06]
    assert any(str(first) in note and "line 4" in note for note in table.notes)
    assert any(str(second) in note and "line 2" in note for note in table.notes)


def test_one_file_named_twice_is_read_once(write: Write) -> None:
    path = write(lines(ROW))
    table = _read(path, path.parent / ".." / path.parent.name / path.name)
    assert len(table.frame) == 1
    assert table.notes == ("a file was named twice and read once",)


def test_what_was_converted_or_ignored_is_told(write: Write) -> None:
    notes = _read(write(lines(with_cell(TIMESTAMP, "1700000040000") + ",x", header=f"{HEADER},Note"))).notes
    assert any("milliseconds" in note for note in notes)
    assert any("Note" in note for note in notes)


@pytest.mark.parametrize("other", ["cartservice,10", "frontend,70"])
def test_files_that_agree_are_one_table(write: Write, other: str) -> None:
    second = write(lines(f"1700000041,{other},0.004,1,1"), "b.csv")
    assert len(_read(write(lines(ROW)), second).frame) == 2


def test_one_file_may_change_the_load_within_a_minute(write: Write) -> None:
    assert len(_read(write(lines(ROW, "1700000045,cartservice,70,1,1,1"))).frame) == 2


def test_five_hundred_services_are_read(tmp_path: Path) -> None:
    frame = make_measurements([f"service-{number}" for number in range(500)], [10], samples=2)
    assert _read(write_measurements(frame, tmp_path / "a.csv")).frame[SERVICE].nunique() == 500
