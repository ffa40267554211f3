import inspect
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import gettempdir

import pandas as pd
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from kpp.cli.fit import how_to_ask
from kpp.cli.main import app
from kpp.cli.train import find_tables, train
from kpp.cli.training_progress import TrainingProgress
from kpp.errors import InputError
from kpp.predictor.checkpoints import read_model
from kpp.predictor.settings import DEVICES, TrainingSettings
from kpp.schema import SERVICE, TARGETS, THROUGHPUT, TIMESTAMP
from kpp.table import folders
from kpp.table.folders import TableFile
from kpp.whatif import registry
from tests.measurements import make_measurements, write_measurements
from tests.predictor.configs import make_config

KPP = [sys.executable, "-m", "kpp"]
MAIN = Path(__file__).parents[2] / "kpp" / "predictor" / "main.py"


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*KPP, *arguments], cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Two services that can be trained, and one with too few rows."""
    rows = make_measurements(("ad", "cart", "frontend"))
    few = (rows[SERVICE] == "ad") & (rows[TIMESTAMP] > rows[TIMESTAMP].min() + 120)
    return write_measurements(rows[~few], tmp_path / "rows.csv")


@pytest.fixture(autouse=True)
def _few_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of the what-if models are enough here; tests/whatif tries all."""
    few = {name: registry.MODELS[name] for name in ("linear", "hybrid")}
    monkeypatch.setattr(registry, "MODELS", few)


def invoke(table: Path, *options: str) -> Result:
    folders = ["--models", str(table.parent / "models"), "--plots", str(table.parent / "plots")]
    arguments = ["train", str(table), *folders, "--epochs", "2", *options]
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_it_prints_the_table_and_tells_the_rest_on_stderr(table: Path) -> None:
    result = invoke(table)

    assert result.exit_code == 0
    assert "### All targets: RMSE in normalized units" in result.stdout
    assert "| cart " in result.stdout
    assert "| ad " not in result.stdout
    lines = result.stderr.splitlines()
    assert lines[0] == f"Reading {table}"
    assert any(line.startswith("frontend: 63 minutes in 3 experiments at 3 user counts") for line in lines)
    assert any(line.startswith("skipped: ad: ") and "too few" in line for line in lines)
    assert sum(" cart: best after" in line for line in lines) == 1
    assert [line[:6] for line in lines if "best after" in line] == ["[1/2] ", "[2/2] "]
    folders = f"models are in {table.parent / 'models'}, plots in {table.parent / 'plots'}"
    assert lines[-2] == f"2 of 2 services are trained: {folders}"
    stored = table.parent / "models" / "whatif.json"
    how = how_to_ask(stored.parent, 30)
    assert lines[-1] == f"What-if models are in {stored}: ask for other loads with {how}"
    assert sorted(path.name for path in (table.parent / "plots").iterdir()) == [
        "cart_predictions.png",
        "frontend_predictions.png",
    ]


def test_json_on_stdout_is_all_that_a_script_needs(table: Path) -> None:
    result = json.loads(invoke(table, "--json").stdout)

    assert [each["service"] for each in result["services"]] == ["cart", "frontend"]
    for target in TARGETS:
        assert 0 < result["services"][0]["scores"][target]["model"]["mape"] < 10
        assert result["mean"]["scores"][target]["last_observed"]["rmse"] > 0
    assert list(result["skipped"]) == ["ad"]
    assert result["models"] == str(table.parent / "models")
    assert any(note.startswith("frontend: ") for note in result["notes"])


def test_what_was_trained_can_be_asked_for_other_loads(table: Path) -> None:
    """Limits and calls go the same way as with `kpp fit`, and the result is the same."""
    limits, calls = table.parent / "limits.csv", table.parent / "calls.csv"
    limits.write_text("Service,CPU Limit\ncart,0.5\n", encoding="utf-8")
    calls.write_text("Caller,Callee,Calls\nfrontend,cart,1\n", encoding="utf-8")
    options = ["--cpu-limits", str(limits), "--calls", str(calls), "--json"]
    models, fitted = str(table.parent / "models"), str(table.parent / "fitted")

    trained = json.loads(invoke(table, *options).stdout)
    fit = CliRunner().invoke(app, ["fit", str(table), "--models", fitted, *options])
    predicted = CliRunner().invoke(app, ["predict", "--users", "40", "--models", models, "--json"])

    assert trained["what_if"]["origin"]["with_cpu_limits"]
    assert trained["what_if"]["origin"]["with_calls"]
    assert trained["what_if"]["file"] == str(Path(models) / "whatif.json")
    assert trained["what_if"]["models"] == json.loads(fit.stdout)["models"]
    assert [row[SERVICE] for row in json.loads(predicted.stdout)["predictions"]] == ["ad", "cart", "frontend"]


def test_without_a_fit_the_trained_models_stay(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that a network learns from is there, but what a GRU learns from is."""
    monkeypatch.setattr(registry, "MODELS", {"hybrid": registry.MODELS["hybrid"]})
    invoke(table)
    frame = pd.read_csv(table).assign(**{THROUGHPUT: float("nan")})
    frame.to_csv(table, index=False)

    result = invoke(table, "--json")

    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert len(told["services"]) == 2
    assert told["what_if"]["file"] is None
    assert "no model can be fitted: hybrid" in told["what_if"]["reason"]
    assert result.stderr.splitlines()[-1].endswith("whatif.json of an earlier fit stays as it is")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_tables_larger_than_the_memory_get_models_of_both_kinds(
    table: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """All services, sorted onto the disk; the what-if models learn from every load, and fewer minutes."""
    small = json.loads(invoke(table, "--json", "--fresh").stdout)
    large = table.with_suffix(suffix)
    if suffix == ".parquet":
        pd.read_csv(table).to_parquet(large)
    monkeypatch.setattr(folders, "MOST_ROWS", TableFile(large).row_count // 2)

    result = invoke(large, "--json")

    told = json.loads(result.stdout)
    assert [each["service"] for each in told["services"]] == ["cart", "frontend"]
    assert list(told["skipped"]) == ["ad"]
    assert sorted(told["kept"]) == ["cart", "frontend"]  # the rows of a service are those of the whole table
    assert told["what_if"]["origin"]["services"] == ["ad", "cart", "frontend"]
    loads = [each["what_if"]["origin"]["user_counts"] for each in (told, small)]
    assert loads[0] == loads[1]
    rows = [each["what_if"]["origin"]["rows"] for each in (told, small)]
    assert rows[1] / 3 < rows[0] < rows[1] * 2 / 3
    assert "What-if models: the tables do not fit in memory: " in result.stderr
    assert f"Sorting by service into a temporary file in {gettempdir()}: not all fits" in result.stderr


def test_a_kill_while_rows_are_sorted_leaves_nothing_behind(table: Path) -> None:
    """SIGTERM, and even SIGKILL, which nobody can clean up after."""
    scratch = table.parent / "scratch"
    scratch.mkdir()
    code = (
        "import time; from kpp.table import folders, spill; folders.MOST_ROWS = 20\n"
        "def wait(*_): print('sorting', flush=True); time.sleep(60)\n"
        "spill.Spill.add = wait\n"
        "from kpp.cli.main import main; main()"
    )
    for number in (signal.SIGTERM, signal.SIGKILL):
        command = [sys.executable, "-c", code, "train", str(table)]
        environment = {**os.environ, "TMPDIR": str(scratch)}
        with subprocess.Popen(
            command,
            cwd=table.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "sorting\n"
            process.send_signal(number)
            code_of_exit = process.wait()
        assert code_of_exit == (130 if number == signal.SIGTERM else -signal.SIGKILL)
        assert [*scratch.iterdir()] == []
    assert not (table.parent / "models").exists()


def test_limits_that_cannot_be_used_are_told_before_anything_is_trained(table: Path) -> None:
    result = run(table.parent, "train", str(table), "--cpu-limits", "none.csv")

    assert result.returncode == 3
    assert "none.csv: no such file" in result.stderr.splitlines()[-1]
    assert not (table.parent / "models").exists()


def test_the_table_is_printed_again_by_kpp_table(table: Path) -> None:
    trained = invoke(table)
    again = CliRunner().invoke(app, ["table", "--models", str(table.parent / "models")])

    assert again.stdout == trained.stdout


def test_a_seed_gives_the_same_weights_again(table: Path) -> None:
    weights = table.parent / "models" / "gru_cart.pth"
    found = []
    for seed in ("3", "3", "4"):
        invoke(table, "--seed", seed)
        found.append(weights.read_bytes())

    assert found[0] == found[1] != found[2]


def test_the_defaults_are_those_of_the_training() -> None:
    parameters = inspect.signature(train).parameters

    assert parameters["epochs"].default == TrainingSettings().max_epochs
    assert parameters["seed"].default == TrainingSettings().seed
    assert parameters["device"].default.value == TrainingSettings().device
    assert {device.value for device in type(parameters["device"].default)} == set(DEVICES)


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["nowhere.csv"], 3, "nowhere.csv"),
        (
            [],
            3,
            "dataset: holds no table of measurements; measure some with `kpp collect`, or name a CSV file",
        ),
        (["--epochs", "0"], 2, "--epochs"),
        (["--address", "head:6379"], 2, "--address is of a Ray cluster; add --executor ray"),
        (["--device", "tpu"], 2, "--device"),
    ],
)
def test_what_cannot_work_is_one_line_and_an_exit_code(
    tmp_path: Path, arguments: list[str], exit_code: int, message: str
) -> None:
    result = run(tmp_path, "train", *arguments)

    assert result.returncode == exit_code
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert [*tmp_path.iterdir()] == []


def test_what_a_campaign_writes_beside_its_measurements_is_not_trained_on(tmp_path: Path) -> None:
    for name in (
        "performance_results_2.csv",
        "performance_results_1.csv",
        "performance_calls_1.csv",
        "performance_quality_1.csv",
        "tuesday_calls.csv",
        "a.txt",
    ):
        (tmp_path / name).touch()

    assert [path.name for path in find_tables(tmp_path)] == [
        "performance_results_1.csv",
        "performance_results_2.csv",
    ]


def test_simulated_tables_are_taken_only_where_nothing_was_measured(tmp_path: Path) -> None:
    simulated = ["performance_results_simulated_a.csv", "performance_results_simulated_b.csv"]
    for name in simulated:
        (tmp_path / name).touch()
    assert [path.name for path in find_tables(tmp_path)] == simulated

    (tmp_path / "measured.csv").touch()
    assert [path.name for path in find_tables(tmp_path)] == ["measured.csv"]


def test_a_folder_without_tables_is_refused(tmp_path: Path) -> None:
    (tmp_path / "performance_calls_1.csv").touch()

    with pytest.raises(InputError, match="holds no table of measurements"):
        find_tables(tmp_path)


def test_ctrl_c_keeps_the_services_that_are_done(tmp_path: Path) -> None:
    services = [f"service-{number}" for number in range(20)]
    write_measurements(make_measurements(services), tmp_path / "rows.csv")
    command = [*KPP, "train", "rows.csv", "--epochs", "20"]

    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("[2/20]"):
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()

    assert process.returncode == 130
    done = sorted(path.stem.removeprefix("config_") for path in (tmp_path / "models").glob("config_*.json"))
    assert 2 <= len(done) < 20
    assert rest.splitlines()[-2:] == [
        f"{len(done)} of 20 services are trained: models are in models, plots in plots",
        "kpp: interrupted; run the same command again to go on",
    ]
    for service in done:
        assert read_model(tmp_path / "models", service).service == service
    assert len([*(tmp_path / "models").iterdir()]) == 2 * len(done)
    assert {path.suffix for path in (tmp_path / "plots").iterdir()} <= {".png"}  # each whole; others later


def test_a_killed_training_goes_on_where_it_was(tmp_path: Path) -> None:
    services = [f"service-{number:02}" for number in range(12)]
    write_measurements(make_measurements(services), tmp_path / "rows.csv")
    arguments = ["train", "rows.csv", "--epochs", "20"]
    with subprocess.Popen([*KPP, *arguments], cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("[3/12]"):
                process.kill()
                break
    before = {path.name: path.read_bytes() for path in (tmp_path / "models").glob("*_service-??.*")}
    done = [path.stem for path in (tmp_path / "models").glob("config_*.json")]
    assert 3 <= len(done) < 12

    again = run(tmp_path, *arguments, "--json")

    assert again.returncode == 0
    assert "services are kept: trained before on the same data with the same settings" in again.stderr
    result = json.loads(again.stdout)
    assert len(result["services"]) == 12
    assert {f"config_{service}" for service in result["kept"]} <= {*done}
    assert len(result["kept"]) >= 3
    for service in result["kept"]:
        for name in (f"gru_{service}.pth", f"config_{service}.json"):
            assert (tmp_path / "models" / name).read_bytes() == before[name]
    assert len([*(tmp_path / "plots").glob("*.png")]) == 12  # those too that the kill had left out


def test_fresh_trains_again_what_is_there(table: Path) -> None:
    assert "kept" not in invoke(table).stderr
    assert "2 services are kept: trained before" in invoke(table).stderr
    assert "[2/2]" in invoke(table, "--fresh").stderr


def test_the_script_is_the_command(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, MAIN, "nowhere.csv"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert result.returncode == 3
    assert result.stderr.splitlines()[0] == "Reading nowhere.csv"


def test_a_terminal_shows_how_many_are_done_and_the_time_left() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, color_system=None)
    progress = TrainingProgress(console, [Path("rows.csv")], max_epochs=50)

    notes = ["rows.csv: a [note] in brackets"]
    progress.started(["cart", "frontend"], ["email"], {"ad": "too few rows"}, notes)
    progress.epoch_done("cart", 1)
    progress.service_done(make_config("cart"))
    progress.epoch_done("frontend", 25)
    progress.stop()

    shown = screen.getvalue()
    assert "skipped: ad: too few rows" in shown
    assert "a [note] in brackets" in shown
    assert "email is kept: trained before" in shown
    assert "1 done, 1 in training" in shown
    assert "75%" in shown  # an early stop counts as a whole service: 50 and 25 of 100 epochs
    assert "[1/2] cart: best after 15 of 30 epochs" in shown
    assert "0:00" in shown or "-:--" in shown


def test_the_bar_is_that_of_all_groups() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, color_system=None)
    progress = TrainingProgress(console, [Path("rows.csv")], max_epochs=50)

    progress.sorting(0.5)
    progress.sorting(1.0)
    progress.group_begins(1, 2)
    progress.started(["cart", "frontend"], [], {}, [])
    progress.service_done(make_config("cart"))
    progress.stop()

    shown = screen.getvalue()
    assert shown.count("Sorting by service into a temporary file") == 1
    assert "sorting by service" in shown
    assert "Group 1 of 2, so many services as fit in memory:" in shown
    assert "25%" in shown  # one of two services, and as many to come
