import json
import subprocess
import sys
from pathlib import Path

import pytest

from kpp.cli.main import main
from kpp.schema import CPU_USAGE
from kpp.whatif.registry import MODELS
from tests.cli.whatif_files import SERVICES, write_shop


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
