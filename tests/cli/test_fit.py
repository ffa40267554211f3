import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kpp.cli.main import main
from kpp.schema import CPU_LIMIT, CPU_USAGE, REPLICAS, SIDECAR_CPU_USAGE, SOURCE
from kpp.table import folders
from kpp.table.folders import TableFile
from kpp.whatif.registry import MODELS
from tests.cli.whatif_files import SERVICES, write_shop
from tests.measurements import write_measurements
from tests.queueing.closed_systems import Chain, Tier


def test_all_models_are_fitted_stored_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = write_shop(tmp_path / "a.csv")

    main_ok(["fit", str(table), "--models", str(tmp_path / "models")])

    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == "Fitted on 3 services at 4 user counts, 20 to 80."
    assert [line.split()[0] for line in lines[-len(MODELS) :]] == list(MODELS)
    assert max(map(len, lines)) <= 80
    stored = json.loads((tmp_path / "models" / "whatif.json").read_text(encoding="utf-8"))
    assert list(stored["models"]) == list(MODELS)
    assert "whatif.json" in err


def test_a_service_that_was_measured_at_one_load_alone_spoils_nothing(tmp_path: Path) -> None:
    """When that load is left out to try a model, the service is nowhere."""
    table = write_shop(tmp_path / "a.csv")
    lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if ",cart," not in line or ",cart,40.0," in line]
    table.write_text("".join(kept), encoding="utf-8")

    main_ok(["fit", str(table), "--models", str(tmp_path)])

    stored = json.loads((tmp_path / "whatif.json").read_text(encoding="utf-8"))
    assert 0 < stored["models"]["linear"]["intervals"]["reach"] < 2


def test_json_tells_errors_notes_and_where_the_models_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write_shop(tmp_path / "a.csv", changes={CPU_USAGE: float("nan")})

    main_ok(["fit", str(table), "--models", str(tmp_path / "models"), "--json"])

    found = json.loads(capsys.readouterr().out)
    assert found["file"] == str(tmp_path / "models" / "whatif.json")
    assert found["origin"]["services"] == sorted(SERVICES)
    assert found["models"]["linear"]["Throughput (req/s)"]["within"] < 0.1
    assert found["models"]["linear"][CPU_USAGE] == {"within": None, "beyond": None}
    assert any("CPU Usage" in note for note in found["notes"]["linear"])
    assert found["skipped"] == {}


@pytest.mark.parametrize(
    ("table_name", "calls_name"),
    [
        ("performance_results_20260101-000000.csv", "performance_calls_20260101-000000.csv"),
        ("tuesday.csv", "tuesday_calls.csv"),  # as `kpp import --output` names them
    ],
)
@pytest.mark.parametrize("named", ["folder", "table"])
def test_limits_are_read_and_calls_are_found_beside_a_table_and_in_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], table_name: str, calls_name: str, named: str
) -> None:
    folder = tmp_path / "campaigns"
    folder.mkdir()
    table = write_shop(folder / table_name)
    calls = folder / calls_name
    calls.write_text("Caller,Callee,Calls\nfrontend,cart,0.5\nfrontend,catalog,3\n", encoding="utf-8")
    limits = tmp_path / "limits.csv"
    limits.write_text("Service,CPU Limit\nfrontend,0.5\n", encoding="utf-8")
    files = str(folder if named == "folder" else table)

    main_ok(["fit", files, "--models", str(tmp_path), "--cpu-limits", str(limits), "--json"])

    out, err = capsys.readouterr()
    origin = json.loads(out)["origin"]
    assert (origin["with_calls"], origin["with_cpu_limits"]) == (True, True)
    assert f"Calls are read from {calls}" in err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["none.csv"], 3, "no such file"),
        (["a.csv", "--cpu-limits", "bad.csv"], 3, "missing column 'Service'"),
        (["a.csv", "--calls", "bad.csv"], 3, "missing column 'Caller'"),
        (["a.csv", "--models", "a.csv"], 2, "no folder can be made"),
    ],
)
def test_what_cannot_be_used_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_shop(tmp_path / "a.csv")
    (tmp_path / "bad.csv").write_text("x\n1\n", encoding="utf-8")

    with pytest.raises(SystemExit) as exit_:
        main(["fit", *arguments])

    assert exit_.value.code == code
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_fitting_and_predicting_never_load_torch(tmp_path: Path) -> None:
    table = write_shop(tmp_path / "a.csv", (20, 40))
    models = str(tmp_path / "models")
    code = (
        "import sys\nfrom kpp.cli.main import main\n"
        "for arguments in (sys.argv[1:5], ['predict', '--users', '30', '--models', sys.argv[4]]):\n"
        "    try:\n        main(arguments)\n"
        "    except SystemExit as end:\n        assert not end.code, end.code\n"
        "print(sorted({'torch', 'kubernetes'} & set(sys.modules)))"
    )

    result = subprocess.run(
        [sys.executable, "-c", code, "fit", str(table), "--models", models],
        capture_output=True,
        text=True,
        check=True,
    )

    assert result.stdout.splitlines()[-1] == "[]"


def main_ok(arguments: list[str]) -> None:
    """Run a command that succeeds."""
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 0


def test_one_service_at_four_loads_without_replicas_and_cpu_goes_all_the_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command answers, and says what it could not estimate."""
    shop = Chain((Tier("shop", 0.01, 0.008),), 0.5, minutes=2).measure([5, 10, 15, 20])
    table = shop.drop(columns=[REPLICAS, CPU_LIMIT, SIDECAR_CPU_USAGE, SOURCE]).assign(**{CPU_USAGE: np.nan})
    path = str(write_measurements(table, tmp_path / "t.csv"))

    main_ok(["fit", path, "--models", str(tmp_path)])
    assert "shop: CPU usage was never measured, so it is not predicted" in capsys.readouterr().err
    main_ok(["predict", "--users", "2,12,2000", "--explain", "--models", str(tmp_path)])
    shown = capsys.readouterr().out
    assert "not estimated: CPU Usage" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert "nan" not in shown
    main_ok(["check", path])
    assert "Bottleneck: not known, as no CPU limit is" in capsys.readouterr().out
    main_ok(["plan", "--users", "12", "--objective", "shop:response-time<=1s", "--models", str(tmp_path)])
    assert "The objective holds with 1 of shop." in capsys.readouterr().out
    with pytest.raises(SystemExit) as exit_:
        main(["plan", "--users", "900", "--objective", "shop:response-time<=1ms", "--models", str(tmp_path)])
    assert exit_.value.code == 5
    assert "Not scaled, since no capacity of theirs is known: shop." in capsys.readouterr().out
    main_ok(["evaluate", "--train", path, "--split", "leave-one-load-out", "--models", "linear,hybrid"])
    assert "one service" in capsys.readouterr().out


def test_a_limit_or_a_call_of_a_service_that_was_not_measured_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "limits.csv").write_text("Service,CPU Limit\nfrontent,1\ncart,1\n", encoding="utf-8")
    (tmp_path / "calls.csv").write_text("Caller,Callee,Calls\nfrontend,redis,2\n", encoding="utf-8")
    shop = str(write_shop(tmp_path / "a.csv"))

    main_ok(["check", shop, "--cpu-limits", f"{tmp_path}/limits.csv", "--calls", f"{tmp_path}/calls.csv"])

    told = capsys.readouterr().err.splitlines()
    left_out = "was not measured, so it is left out"
    assert f"{tmp_path}/limits.csv: 'frontent' {left_out}; is 'frontend' meant?" in told
    assert f"{tmp_path}/calls.csv: 'redis' {left_out}" in told
    assert not any("'cart'" in line for line in told)


def test_of_tables_larger_than_the_memory_a_part_is_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every service and load is in it, and the models are about those of the whole."""
    table = write_shop(tmp_path / "a.csv")
    found = []
    for most in (folders.MOST_ROWS, TableFile(table).row_count * 2 // 3):
        monkeypatch.setattr(folders, "MOST_ROWS", most)
        main_ok(["fit", str(table), "--models", str(tmp_path / "models"), "--json"])
        out, err = capsys.readouterr()
        found.append(json.loads(out))

    whole, part = found
    assert "the tables do not fit in memory: " in err
    assert part["origin"]["user_counts"] == whole["origin"]["user_counts"]
    assert part["origin"]["services"] == whole["origin"]["services"]
    assert part["origin"]["rows"] < whole["origin"]["rows"] * 3 / 4
    assert list(part["models"]) == list(whole["models"])
    errors = [each["models"]["hybrid"]["Throughput (req/s)"]["within"] for each in found]
    assert abs(errors[0] - errors[1]) < 0.05
