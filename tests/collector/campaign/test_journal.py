"""The journal as a dead campaign leaves it: whatever was on disk is read, and can be gone on with."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kpp.clock import ManualClock
from kpp.collector.batch_file import Mark
from kpp.collector.campaign.journal import Journal
from kpp.collector.campaign.journal_record import (
    CampaignRecord,
    find_unfinished,
    find_unrestored,
    journal_of,
    read_journal,
)
from kpp.collector.campaign.plan import Level, Phase, plan_campaign
from kpp.collector.cluster.load_generator import LoadState, Variable
from kpp.collector.cluster.state import ClusterState, Restored
from kpp.collector.config import Config
from kpp.collector.csv_writer import TableMarks
from kpp.errors import ConfigError, InputError

STARTED_AT = 1_772_409_599.9
NAME = "performance_journal_20260301-235959.jsonl"
PLAN = plan_campaign(Config(user_counts=(10, 20)), [Level(10), Level(20, {"frontend": 2})])
FIRST, SECOND = PLAN.experiments
VALUE_FROM = {"name": "RATE", "valueFrom": {"configMapKeyRef": {"name": "load", "key": "rate"}}}
STATE = ClusterState(
    LoadState(2, "main", (Variable("USERS", None), Variable("RATE", VALUE_FROM))), "uid-1", {"frontend": 1}
)
MARKS = TableMarks(Mark(120, "a" * 64), Mark(30, "b" * 64))


def write_journal(directory: Path) -> Path:
    """A whole campaign of two experiments."""
    with Journal.create(directory, ManualClock(STARTED_AT)) as journal:
        journal.begin(Config(user_counts=(10, 20)), PLAN)
        journal.found({"state": STATE.as_json(), "cpu_source": "containers", "services": {}})
        for experiment in PLAN.experiments:
            journal.entered(experiment, Phase.STARTING)
            journal.entered(experiment, Phase.MEASURING)
            journal.completed(experiment, MARKS, row_count=12)
        journal.restored(Restored(("Deployment loadgenerator: replicas 1 -> replicas 2",)))
        journal.ended("completed")
    return journal.path


def read(path: Path) -> CampaignRecord:
    record = read_journal(path)
    assert record is not None
    return record


def test_what_was_written_is_read(tmp_path: Path) -> None:
    record = read(write_journal(tmp_path))

    assert record.path == tmp_path / NAME
    assert record.stem == "20260301-235959"
    assert record.plan == PLAN
    assert record.settings["user_counts"] == [10, 20]
    assert record.state == STATE
    assert record.completed == {1: 12, 2: 12}
    assert record.marks == MARKS
    assert record.is_finished
    assert record.is_restored
    assert record.remaining == ()


def test_each_line_is_json_with_its_time(tmp_path: Path) -> None:
    events = [json.loads(line) for line in write_journal(tmp_path).read_text().splitlines()]

    assert [event["event"] for event in events] == [
        *("campaign", "found"),
        *("phase", "phase", "completed") * 2,
        *("restored", "ended"),
    ]
    assert {event["at"] for event in events} == {STARTED_AT}
    assert "istio_requests_total" in events[0]["queries"]["throughput"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1))
def test_a_journal_that_ends_anywhere_says_what_its_whole_lines_say(
    tmp_path_factory: pytest.TempPathFactory, place: float
) -> None:
    path = write_journal(tmp_path_factory.mktemp("torn"))
    content = path.read_bytes()
    torn = content[: round(place * len(content))]
    path.write_bytes(torn)
    lines = torn.count(b"\n")

    record = read_journal(path)

    assert (record is None) == (lines == 0)
    if record is not None:
        assert (record.found is not None) == (lines >= 2)
        assert len(record.completed) == (lines >= 5) + (lines >= 8)
        assert record.is_restored == (lines < 3 or lines >= 9)
        assert record.is_finished == (lines == 10)
        assert record.remaining == PLAN.experiments[len(record.completed) :]


def test_going_on_cuts_a_torn_line_off(tmp_path: Path) -> None:
    path = write_journal(tmp_path)
    path.write_bytes(path.read_bytes()[:-20])

    with Journal.open_again(path, ManualClock(STARTED_AT)) as journal:
        journal.resumed()

    events = [json.loads(line)["event"] for line in path.read_text().splitlines()]
    assert events[-2:] == ["restored", "resumed"]


@pytest.mark.parametrize("broken_by", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_line_that_is_broken_off_leaves_no_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken_by: BaseException
) -> None:
    def break_off(_descriptor: int) -> None:
        raise broken_by

    path = write_journal(tmp_path)
    before = path.read_bytes()
    with Journal.open_again(path, ManualClock(STARTED_AT)) as journal:
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", break_off)
            with pytest.raises((ConfigError, KeyboardInterrupt)):
                journal.entered(FIRST, Phase.WARMUP)
        assert path.read_bytes() == before
        journal.restored(Restored())
    assert read(path).is_restored


def test_only_one_process_has_a_journal_and_a_dead_one_has_none(tmp_path: Path) -> None:
    path = write_journal(tmp_path)
    code = (
        "import sys\nfrom pathlib import Path\nfrom kpp.clock import ManualClock\n"
        "from kpp.collector.campaign.journal import Journal\n"
        "journal = Journal.open_again(Path(sys.argv[1]), ManualClock())\nprint(flush=True)\ninput()\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(ConfigError, match="its campaign is still running"):
            Journal.open_again(path, ManualClock())
        process.kill()
        process.wait()
        Journal.open_again(path, ManualClock()).__exit__(None, None, None)


def test_where_nothing_can_be_locked_a_warning_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    assert read(write_journal(tmp_path)).is_finished
    assert "cannot be locked (No locks available)" in caplog.text


def test_a_campaign_that_touched_nothing_leaves_no_journal(tmp_path: Path) -> None:
    with Journal.create(tmp_path, ManualClock(STARTED_AT)) as journal:
        journal.begin(Config(), PLAN)
        assert journal.path.exists()

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "taken", ["performance_results_20260301-235959.csv", "performance_calls_20260301-235959.csv", NAME]
)
def test_a_taken_stem_is_left_alone(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_text("precious")

    with Journal.create(tmp_path, ManualClock(STARTED_AT)) as journal:
        assert journal.stem == "20260302-000000"
        assert (tmp_path / taken).read_text() == "precious"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"Timestamp,Service\n", "line 1 is no JSON"),
        (b"[1]\n", "line 1 is no JSON object"),
        (b'{"event": "phase"}\n', "does not begin with a campaign"),
        (b'{"event": "campaign"}\n', "'format_version'"),
        (b'{"event": "campaign", "format_version": 2}\n', "newer kpp"),
    ],
)
def test_what_is_no_journal_is_told(tmp_path: Path, content: bytes, fault: str) -> None:
    (tmp_path / "file.jsonl").write_bytes(content)

    with pytest.raises(InputError, match=fault) as caught:
        read_journal(tmp_path / "file.jsonl")

    assert str(caught.value).startswith(str(tmp_path / "file.jsonl"))


def test_a_fault_names_its_line(tmp_path: Path) -> None:
    path = write_journal(tmp_path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], '{"event": "completed"}', *lines[2:]]) + "\n")

    with pytest.raises(InputError, match="line 3 is not what kpp writes"):
        read_journal(path)


def test_the_measurements_stand_for_their_journal() -> None:
    assert journal_of(Path("a/performance_results_x.csv")) == Path("a/performance_journal_x.jsonl")
    assert journal_of(Path("a/other.jsonl")) == Path("a/other.jsonl")


def test_the_newest_campaign_that_is_not_finished_is_found(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paths = [write_journal(tmp_path) for _ in range(4)]
    for path, lines in zip(paths, (3, 9, 10, 0), strict=True):
        path.write_text("".join(line + "\n" for line in path.read_text().splitlines()[:lines]))
    (tmp_path / "performance_journal_99999999-000000.jsonl").write_text("no journal\n")

    unfinished, unrestored = find_unfinished(tmp_path), find_unrestored(tmp_path)

    assert unfinished is not None
    assert unfinished.path == paths[1]
    assert unrestored is not None
    assert unrestored.path == paths[0]
    assert "is no journal" in caplog.text
    assert find_unfinished(tmp_path / "missing") is None
