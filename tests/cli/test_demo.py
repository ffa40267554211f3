import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from statistics import fmean

import pytest

KPP = [sys.executable, "-m", "kpp"]
MAKEFILE = Path(__file__).parents[2] / "Makefile"
SHORT = ["--application", "small.yaml", "--user-counts", "20,200", "--measured-seconds", "600"]
LIMIT_SECONDS = 300  # the engine may have to be compiled first


def environment() -> dict[str, str]:
    strangers = ("KPP_", "MAKE", "MFLAGS")  # `make test` runs this, too
    own = {name: value for name, value in os.environ.items() if not name.startswith(strangers)}
    return {**own, "NO_PROXY": "127.0.0.1", "COLUMNS": "80", "KUBECONFIG": "/nonexistent"}


def start(*arguments: str, cwd: Path, command: Sequence[str] = (*KPP, "demo")) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*command, *arguments],
        env=environment(),
        cwd=cwd,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def processes_of(session: int) -> list[str]:
    """The command lines of all processes of a session."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(folder.name)) == session:
                found.append((folder / "cmdline").read_text())
        except (ProcessLookupError, FileNotFoundError):
            continue
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a short demo ran."""
    folder = tmp_path_factory.mktemp("demo")
    shipped = resources.files("kpp.simulator").joinpath("applications", "three_tier.yaml").read_text()
    (folder / "small.yaml").write_text(shipped.replace("list: {cpu_ms: 4,", "list: {cpu_ms: 25,"))
    with start("--json", *SHORT, cwd=folder) as process:
        out, err = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == 0, err
    (folder / "out.json").write_text(out)
    (folder / "err.txt").write_text(err)
    return folder


def test_it_collects_trains_and_says_where_all_is(folder: Path) -> None:
    result = json.loads((folder / "out.json").read_text())
    with (folder / result["measurements"]).open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 10 * 2  # loads, minutes, services
    assert (folder / result["calls"]).is_file()
    for service in ("web", "api"):
        assert (folder / result["models"] / f"gru_{service}.pth").is_file()
        assert (folder / result["models"] / f"config_{service}.json").is_file()
        assert (folder / result["plots"] / f"{service}_predictions.png").is_file()


def test_the_campaign_went_from_light_load_into_overload(folder: Path) -> None:
    result = json.loads((folder / "out.json").read_text())
    response_times = defaultdict(list)
    with (folder / result["measurements"]).open() as file:
        for row in csv.DictReader(file):
            if row["Service"] == "web":
                response_times[int(row["User Count"])].append(float(row["Response Time (s)"]))
    assert fmean(response_times[200]) > 10 * fmean(response_times[20])


def test_the_phases_are_those_of_a_real_campaign(folder: Path) -> None:
    err = (folder / "err.txt").read_text()
    for number in (1, 2):
        for phase in ("starting", "warm-up", "measuring"):
            assert f"experiment {number}/2" in err
            assert phase in err
    assert "cooldown" in err


def test_nothing_else_is_left_behind(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {"demo", "small.yaml", "out.json", "err.txt"}
    assert {path.name for path in (folder / "demo").iterdir()} == {"dataset", "models", "plots"}


def await_rows(process: "subprocess.Popen[str]", folder: Path) -> None:
    """Return when the campaign has begun to write."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not list(folder.glob("demo/dataset/*.csv")) and time.monotonic() < deadline:
        time.sleep(0.1)
        assert process.poll() is None, process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupting_leaves_no_process_and_keeps_what_was_measured(
    tmp_path: Path, number: signal.Signals
) -> None:
    with start("--application", "three_tier", "--user-counts", "10:1000:10", cwd=tmp_path) as process:
        await_rows(process, tmp_path)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err
    assert processes_of(process.pid) == []
    assert not (tmp_path / "demo" / "models").exists()


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_interrupting_make_demo_leaves_no_process_either(tmp_path: Path) -> None:
    kpp = tmp_path / "bin" / "kpp"
    kpp.parent.mkdir()
    kpp.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m kpp "$@" --application three_tier\n')
    kpp.chmod(0o755)
    make = ("make", "--file", str(MAKEFILE), "--old-file=setup", f"BIN={kpp.parent}", "demo")
    with start(command=make, cwd=tmp_path) as process:
        await_rows(process, tmp_path)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does at Ctrl-C
        _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "interrupted" in err
    assert "Traceback" not in err
    assert processes_of(process.pid) == []


def test_a_wrong_option_is_told_before_anything_is_built(tmp_path: Path) -> None:
    with start("--user-counts", "many", cwd=tmp_path) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "KPP_USER_COUNTS is 'many'" in err
    assert "Starting" not in err
