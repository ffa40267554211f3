"""Planted faults are found by the command, with the exit code that scripts go by."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from kpp.cli.main import main
from kpp.schema import CPU_LIMIT, CPU_USAGE, REPLICAS, SERVICE, SOURCE, THROUGHPUT, TIMESTAMP
from tests.cli.test_fit import main_ok
from tests.measurements import write_measurements
from tests.queueing.closed_systems import THREE_TIERS, Chain

CHAIN = Chain(THREE_TIERS, think_time_seconds=2.0)
LIGHT = [4, 8, 12, 16, 20, 24]


def write_chain(path: Path, chain: Chain = CHAIN, users: Sequence[int] = LIGHT) -> str:
    """The table of a system whose laws are exact; without the calls that it knows."""
    return str(write_measurements(chain.measure(users).drop(columns=SOURCE), path))


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exit_:
        main(["check", *arguments])
    assert isinstance(exit_.value.code, int)
    return exit_.value.code


def findings(out: str, check: str) -> list[dict[str, Any]]:
    return [each for each in json.loads(out)["findings"] if each["check"] == check]


def test_a_clean_table_is_told_within_80_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = write_chain(tmp_path / "a.csv")

    main_ok(["check", table, "--think-time", "2"])

    lines = capsys.readouterr().out.splitlines()
    entry = THREE_TIERS[0].name
    assert lines[0].startswith(f"Entry service: {entry} (")
    assert max(map(len, lines)) <= 80
    (row,) = [line for line in lines if line.startswith(f"{entry} ")]
    assert "1 ± 0" in row
    assert any(line.startswith("ok      throughput counted once") for line in lines)
    assert not any(line.startswith("fault") for line in lines)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_factor_of_throughput_is_found_and_ends_with_5(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], factor: float
) -> None:
    table = write_chain(tmp_path / "a.csv", replace(CHAIN, throughput_factor=factor))

    assert run(table, "--think-time", "2") == 5
    out, err = capsys.readouterr()
    assert f"fault   throughput counted once, {THREE_TIERS[0].name}, factor {factor:.2f}: " in out
    assert err.splitlines()[-1].startswith("kpp: 1 of ")
    assert "the first: throughput counted once" in err

    assert run(table, "--think-time", "2", "--json") == 5
    (found,) = findings(capsys.readouterr().out, "throughput counted once")
    assert found["grade"] == "fault"
    assert found["factor"] == pytest.approx(factor, rel=0.03)


def test_json_holds_the_estimates_with_their_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Think time, visit ratios and saturation of the system that was measured."""
    main_ok(["check", write_chain(tmp_path / "a.csv"), "--json"])

    found = json.loads(capsys.readouterr().out)
    assert found["entry_service"] == THREE_TIERS[0].name
    assert found["think_time_seconds"]["value"] == pytest.approx(2.0, rel=0.03)
    assert found["think_time_seconds"]["standard_error"] < 0.1
    assert [row["service"] for row in found["services"]] == sorted(tier.name for tier in THREE_TIERS)
    (untold,) = findings(json.dumps(found), "throughput counted once")
    assert (untold["grade"], untold["factor"]) == ("untold", None)


def test_limits_and_calls_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = CHAIN.measure(LIGHT)
    bare = write_measurements(rows.drop(columns=[SOURCE, CPU_LIMIT], errors="ignore"), tmp_path / "a.csv")
    limits, calls = tmp_path / "limits.csv", tmp_path / "calls.csv"
    pd.DataFrame({SERVICE: [tier.name for tier in THREE_TIERS], CPU_LIMIT: 3.0}).to_csv(limits, index=False)
    CHAIN.calls().to_csv(calls, index=False)

    main_ok(["check", str(bare), "--cpu-limits", str(limits), "--calls", str(calls), "--json"])

    found = json.loads(capsys.readouterr().out)
    assert {row["cpu_limit_cores"] for row in found["services"]} == {3.0}
    assert found["saturation_rps"] > 0
    assert found["knee_users"] > 0


@pytest.mark.parametrize(
    "changes", [{CPU_USAGE: float("nan")}, {REPLICAS: float("nan")}, {THROUGHPUT: float("nan")}]
)
def test_a_column_that_is_missing_ends_no_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, float]
) -> None:
    frame = CHAIN.measure(LIGHT).drop(columns=SOURCE).assign(**changes)
    table = str(write_measurements(frame, tmp_path / "a.csv"))

    code = run(table)

    out, err = capsys.readouterr()
    if THROUGHPUT in changes:  # then there is nothing to say
        assert code == 3
        assert "throughput" in err.splitlines()[-1].lower()
    else:
        assert code == 0
        assert "Think time: 2" in out or "Think time: 1.9" in out


def test_two_tables_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = write_chain(tmp_path / "a.csv")
    slow = replace(CHAIN, think_time_seconds=4.0).measure(LIGHT).drop(columns=SOURCE)
    slow[TIMESTAMP] += 1e6
    second = str(write_measurements(slow, tmp_path / "b.csv"))

    code = run(first, second, "--json")

    out = capsys.readouterr().out
    (found,) = [each for each in findings(out, "one think time") if each["subject"] == second]
    assert found["factor"] == pytest.approx(2.0, rel=0.05)
    assert code == (5 if any(each["grade"] == "fault" for each in json.loads(out)["findings"]) else 0)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["none.csv"], 3, "no such file"),
        (["a.csv", "--cpu-limits", "a.csv"], 3, "missing column 'CPU Limit'"),
        (["a.csv", "--think-time", "-1"], 2, "--think-time"),
        ([], 2, "Missing argument"),
    ],
)
def test_what_cannot_be_checked_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    frame = CHAIN.measure(LIGHT).drop(columns=[SOURCE, CPU_LIMIT], errors="ignore")
    write_measurements(frame, tmp_path / "a.csv")

    assert run(*arguments) == code
    assert message in capsys.readouterr().err
