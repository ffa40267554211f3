import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kpp.cli.main import app
from kpp.predictor.generate_table import render_table
from kpp.predictor.model_config import config_path, to_json
from tests.predictor.configs import make_config


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    for service in ("frontend", "cart"):
        config_path(folder, service).write_bytes(to_json(make_config(service)))
    return folder


def run(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "kpp", "table", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_it_prints_the_table_of_the_folder_models(models: Path) -> None:
    result = run(cwd=models.parent)

    assert result.returncode == 0
    assert result.stderr == ""
    assert result.stdout == render_table([make_config("cart"), make_config("frontend")]) + "\n"


@pytest.mark.parametrize("width", ["80", "120"])
def test_the_width_of_the_terminal_changes_nothing(
    models: Path, width: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", width)

    result = CliRunner().invoke(app, ["table", "--models", str(models)])

    assert result.stdout == render_table([make_config("cart"), make_config("frontend")]) + "\n"
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_json_holds_every_score(models: Path) -> None:
    result = CliRunner().invoke(app, ["table", "--models", str(models), "--json"])

    fields = json.loads(result.stdout)
    assert fields["models"] == str(models)
    assert [each["service"] for each in fields["services"]] == ["cart", "frontend"]
    assert fields["mean"]["scores"]["CPU Usage"]["model"]["rmse"] == pytest.approx(0.0041)


@pytest.mark.parametrize("arguments", [[], ["--json"], ["--models", "elsewhere"]])
def test_without_models_it_names_the_mend(tmp_path: Path, arguments: list[str]) -> None:
    result = run(*arguments, cwd=tmp_path)

    folder = "elsewhere" if "--models" in arguments else "models"
    assert result.returncode == 3
    assert result.stdout == ""
    assert result.stderr == (
        f"kpp: {folder}: is no folder; train some with `kpp train`, or name another folder with --models\n"
    )


def test_a_damaged_config_is_named(models: Path) -> None:
    (models / "config_cart.json").write_text("{")

    result = run(cwd=models.parent)

    assert result.returncode == 3
    assert result.stderr.startswith("kpp: models/config_cart.json: is damaged: ")
    assert result.stderr.endswith("train again with `kpp train`\n")
