"""The campaign's files as pandas reads them, whatever broke off the writing."""

import csv
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kpp.collector.cluster.services import Resources
from kpp.collector.csv_writer import CsvWriter, TableMarks
from kpp.collector.measurement import Measurement
from kpp.collector.prometheus.signals import Call, Signals
from kpp.errors import ConfigError, InputError, Interrupted

STARTED_AT = datetime(2026, 3, 1, 23, 59, 59, 900_000, tzinfo=UTC).timestamp()
RESULTS, CALLS = "performance_results_20260301-235959.csv", "performance_calls_20260301-235959.csv"
HEADER = (
    "Timestamp,Service,User Count,Response Time (s),Throughput (req/s),CPU Usage,"
    "Replicas,CPU Request,CPU Limit,Sidecar CPU Usage,Throttled,Error Rate (req/s),Response Time p95 (s)\n"
)
CALLS_HEADER = "Caller,Callee,Calls,User Count\n"


def row(timestamp: float = 1_772_409_599.5, service: str = "frontend") -> Measurement:
    return Measurement(timestamp, service, 50, 0.035, 13.4, 0.094, 2, 0.1, 0.2, 0.007, 0.02, 0.0, 0.0875)


EMPTY_ROW = Measurement(1.0, "adservice", 10, *[None] * 10)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[CsvWriter]:
    with CsvWriter(tmp_path, STARTED_AT) as writer:
        yield writer


# --- names and contents


def test_both_files_have_one_stem_and_their_headers_at_once(writer: CsvWriter, tmp_path: Path) -> None:
    assert (writer.path, writer.calls_path) == (tmp_path / RESULTS, tmp_path / CALLS)
    assert writer.stem == "20260301-235959"
    assert writer.path.read_text() == HEADER
    assert writer.calls_path.read_text() == CALLS_HEADER


def test_rows_stand_in_the_order_of_the_columns_and_missing_is_empty(writer: CsvWriter) -> None:
    writer.write_batch([row(), EMPTY_ROW])
    assert writer.path.read_text() == HEADER + (
        "1772409599.5,frontend,50,0.035,13.4,0.094,2,0.1,0.2,0.007,0.02,0.0,0.0875\n"
        "1.0,adservice,10,,,,,,,,,,\n"
    )


def test_calls_carry_the_user_count(writer: CsvWriter) -> None:
    writer.write_calls([Call("frontend", "cartservice", 0.9)], user_count=50)
    writer.write_calls([], user_count=60)
    assert writer.calls_path.read_text() == CALLS_HEADER + "frontend,cartservice,0.9,50\n"


def test_a_measurement_joins_both_sources() -> None:
    signals = Signals(
        response_time_seconds=0.035,
        throughput_rps=13.4,
        cpu_cores=0.094,
        sidecar_cpu_cores=0.007,
        throttled=0.02,
        error_rate_rps=0.0,
        response_time_p95_seconds=0.0875,
    )
    resources = Resources(replicas=2, cpu_request_cores=0.1, cpu_limit_cores=0.2)
    assert Measurement.join(1_772_409_599.5, "frontend", 50, signals, resources) == row()


@settings(max_examples=30, deadline=None)  # a disk takes the time it takes
@given(
    names=st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0")), min_size=1, max_size=5
    ),
    value=st.floats(allow_nan=False, allow_infinity=False),
)
def test_every_text_and_number_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], value: float
) -> None:
    with CsvWriter(tmp_path_factory.mktemp("campaign"), STARTED_AT) as writer:
        writer.write_calls([Call(name, name, value) for name in names], user_count=1)
    with writer.calls_path.open(newline="", encoding="utf-8") as file:
        read = list(csv.reader(file))[1:]
    assert [each[:2] for each in read] == [[name, name] for name in names]
    assert all(float(each[2]) == value for each in read)


@pytest.mark.parametrize("taken", [RESULTS, CALLS])
def test_a_taken_name_is_left_alone_and_the_next_free_second_used(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_text("precious")
    (tmp_path / RESULTS.replace("0301-235959", "0302-000000")).symlink_to("nowhere")
    with CsvWriter(tmp_path, STARTED_AT) as writer:
        assert writer.stem == "20260302-000001"
        assert writer.calls_path.name == "performance_calls_20260302-000001.csv"
        assert len(list(tmp_path.iterdir())) == 4, "nothing is left of the attempts"
    assert (tmp_path / taken).read_text() == "precious"


def test_a_file_without_a_row_is_removed_at_the_end(tmp_path: Path) -> None:
    with CsvWriter(tmp_path, STARTED_AT) as writer:
        writer.write_batch([row()])
    assert [path.name for path in tmp_path.iterdir()] == [RESULTS]


def test_the_folder_is_made(tmp_path: Path) -> None:
    with CsvWriter(tmp_path / "new" / "folder", STARTED_AT) as writer:
        assert writer.path.exists()


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="KPP_OUTPUT_DIRECTORY") as caught:
        CsvWriter(tmp_path / "file", STARTED_AT)
    assert str(tmp_path / "file") in str(caught.value)


# --- batches


def test_a_batch_is_on_disk_before_the_writer_is_closed(
    writer: CsvWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    fsync = os.fsync

    def watch(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_size)  # everything is written by the time it is synced
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    writer.write_batch([row()])
    assert synced == [writer.path.stat().st_size]
    assert len(pd.read_csv(writer.path)) == 1


@pytest.mark.parametrize("broken_by", [Interrupted("interrupted", mend="again"), OSError(5, "I/O error")])
def test_a_batch_that_is_broken_off_leaves_no_trace(
    writer: CsvWriter, monkeypatch: pytest.MonkeyPatch, broken_by: Exception
) -> None:
    writer.write_batch([row()])
    before = writer.path.read_bytes()
    fsync = os.fsync

    def break_off(descriptor: int) -> None:
        monkeypatch.setattr(os, "fsync", fsync)
        raise broken_by

    monkeypatch.setattr(os, "fsync", break_off)
    with pytest.raises((Interrupted, ConfigError)):
        writer.write_batch([row(2.0), row(3.0)])
    assert writer.path.read_bytes() == before
    writer.write_batch([row(4.0)])
    assert list(pd.read_csv(writer.path)["Timestamp"]) == [row().timestamp, 4.0]


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from kpp.collector.csv_writer import CsvWriter
from kpp.collector.measurement import Measurement
from kpp.errors import ConfigError

def tick(number):
    return [Measurement(60.0 * number, f"service-{n}", 50, 0.1, 9.0, 0.2, *[None] * 7) for n in range(10)]

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with CsvWriter(Path(sys.argv[1]), 0) as writer:
    writer.write_batch(tick(1))
    writer.write_batch(tick(2))
    room_for_three_rows_and_a_half = 150
    limit = writer.path.stat().st_size + room_for_three_rows_and_a_half
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        writer.write_batch(tick(3))
    except ConfigError as error:
        print(error)
    if "room" in sys.argv:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        writer.write_batch(tick(4))
"""


NO_ROOM = """
import resource, signal, sys
from pathlib import Path
from kpp.collector.csv_writer import CsvWriter

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))
CsvWriter(Path(sys.argv[1]), 0)
"""


@pytest.mark.parametrize(("arguments", "ticks"), [([], [60, 120]), (["room"], [60, 120, 240])])
def test_a_full_disk_leaves_all_earlier_batches(
    tmp_path: Path, arguments: list[str], ticks: list[float]
) -> None:
    pytest.importorskip("resource", reason="limits of a process are POSIX's")
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, tmp_path, *arguments], capture_output=True, text=True, check=True
    )
    path = tmp_path / "performance_results_19700101-000000.csv"
    assert done.stdout == (
        f"{path}: cannot be written: File too large; "
        "make room and check the rights there, or name another place with KPP_OUTPUT_DIRECTORY\n"
    )
    table = pd.read_csv(path)
    assert list(table["Timestamp"]) == [tick for tick in ticks for _ in range(10)]
    assert not table["CPU Usage"].isna().any()
    assert path.read_bytes().endswith(b"\n")


def test_a_disk_too_full_for_the_header_leaves_no_file(tmp_path: Path) -> None:
    pytest.importorskip("resource", reason="limits of a process are POSIX's")
    # -B: bytecode of half a file would be left as well
    done = subprocess.run(
        [sys.executable, "-B", "-c", NO_ROOM, tmp_path], capture_output=True, text=True, check=False
    )
    assert "kpp.errors.ConfigError" in done.stderr
    assert list(tmp_path.iterdir()) == []


KILLED = """
import itertools, sys
from pathlib import Path
from kpp.collector.csv_writer import CsvWriter
from kpp.collector.measurement import Measurement

writer = CsvWriter(Path(sys.argv[1]), 0)
for tick in itertools.count(1):
    frontend = Measurement(float(tick), "frontend", 50, *[0.5] * 10)
    writer.write_batch([frontend, Measurement(float(tick), "adservice", 50, *[None] * 10)])
    print(tick, flush=True)
    sys.stdin.readline()
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kill -9 is POSIX's")
def test_a_kill_between_batches_leaves_all_of_them(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for tick in (1, 2, 3):
            assert process.stdout.readline() == f"{tick}\n"
            if tick < 3:
                process.stdin.write("\n")
                process.stdin.flush()
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    table = pd.read_csv(tmp_path / "performance_results_19700101-000000.csv")
    assert list(table["Timestamp"]) == [1, 1, 2, 2, 3, 3]
    assert table["Response Time (s)"].iloc[4] == 0.5
    assert math.isnan(table["Response Time (s)"].iloc[5])


# --- going on after a kill


def written_twice(tmp_path: Path) -> tuple[CsvWriter, TableMarks, bytes]:
    """A writer that was left without being closed, and what there was up to a mark in the middle."""
    writer = CsvWriter(tmp_path, STARTED_AT)
    writer.write_batch([row(1.0), row(1.0, "adservice")])
    writer.write_calls([Call("frontend", "adservice", 0.5)], 50)
    marks, kept = writer.marks, writer.path.read_bytes()
    writer.write_batch([row(2.0)])
    writer.write_calls([Call("frontend", "adservice", 0.7)], 60)
    writer.close()
    return writer, marks, kept


def test_what_follows_the_mark_is_cut_off_and_writing_goes_on(tmp_path: Path) -> None:
    dead, marks, kept = written_twice(tmp_path)
    with dead.path.open("ab") as file:
        file.write(b"3.0,front")  # of a batch that a power cut broke off

    with CsvWriter.open_again(tmp_path, dead.stem, marks) as writer:
        assert writer.path.read_bytes() == kept
        assert len(pd.read_csv(writer.calls_path)) == 1
        writer.write_batch([row(4.0)])
        assert writer.marks.measurements.size_bytes == writer.path.stat().st_size

    assert list(pd.read_csv(dead.path)["Timestamp"]) == [1, 1, 4]


def test_without_a_mark_the_header_is_kept(tmp_path: Path) -> None:
    dead, _, _ = written_twice(tmp_path)
    dead.calls_path.write_bytes(CALLS_HEADER.encode()[:7])  # a power cut in the first write

    with CsvWriter.open_again(tmp_path, dead.stem, None) as writer:
        assert (writer.path.read_text(), writer.calls_path.read_text()) == (HEADER, CALLS_HEADER)


def test_files_without_a_row_are_made_anew(tmp_path: Path) -> None:
    with CsvWriter(tmp_path, STARTED_AT) as writer:
        marks = writer.marks
    assert list(tmp_path.iterdir()) == []

    with CsvWriter.open_again(tmp_path, writer.stem, marks) as again:
        assert (again.path.read_text(), again.calls_path.read_text()) == (HEADER, CALLS_HEADER)


@pytest.mark.parametrize("change", [b"", HEADER.encode(), HEADER.encode() + b"9" * 200])
def test_a_table_that_somebody_changed_is_left_as_it_is(tmp_path: Path, change: bytes) -> None:
    dead, marks, _ = written_twice(tmp_path)
    dead.path.write_bytes(change)

    with pytest.raises(InputError, match="was changed since the campaign wrote it"):
        CsvWriter.open_again(tmp_path, dead.stem, marks)

    assert dead.path.read_bytes() == change


def test_a_table_that_is_gone_is_told(tmp_path: Path) -> None:
    dead, marks, _ = written_twice(tmp_path)
    dead.path.unlink()

    with pytest.raises(ConfigError, match="No such file"):
        CsvWriter.open_again(tmp_path, dead.stem, marks)
