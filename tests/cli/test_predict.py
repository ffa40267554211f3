import csv
import io
import json
import math
from pathlib import Path

import pandas as pd
import pytest

from kpp.cli.main import main
from kpp.cli.whatif.predictions import as_records, show_predictions
from kpp.schema import CPU_USAGE, REPLICAS, RESPONSE_TIME, SERVICE, TARGETS, USER_COUNT
from kpp.whatif.calibrated import lower_of, upper_of
from kpp.whatif.model import EXTRAPOLATING, REASON, VERDICT, VERDICTS
from tests.cli.test_fit import main_ok
from tests.cli.whatif_files import SERVICES, write_shop


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("models")
    main_ok(["fit", str(write_shop(folder / "a.csv")), "--models", str(folder)])
    return str(folder)


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "scenario.csv"
    path.write_text(
        "Service,User Count,Replicas,Name\nfrontend,50,2,now\nfrontend,160,4,then\n", encoding="utf-8"
    )
    return path


def test_a_scenario_is_shown_by_situation_within_80_columns(
    models: str, scenario: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main_ok(["predict", str(scenario), "--models", models])

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Predicted by hybrid; in brackets what 90 % of the minutes")
    assert "50 users" in lines
    assert "160 users" in lines
    assert any(line.startswith("  frontend x2") for line in lines)
    assert any(line.startswith("~ frontend x4") for line in lines)
    assert any(line.startswith("~ extrapolating, frontend: 160 users, measured 20 to 80") for line in lines)
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_long_names_are_cut_and_numbers_never(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    names = ["frontend", "a-service-with-a-name-that-takes-half-of-the-line-0001"]
    rows = pd.DataFrame({SERVICE: names, USER_COUNT: 400.0, REPLICAS: [math.nan, 12.0]})
    for target in TARGETS:
        for column, value in ((target, 123.4), (lower_of(target), 111.1), (upper_of(target), 135.7)):
            rows[column] = value
    predictions = rows.assign(**{VERDICT: EXTRAPOLATING, REASON: "400 users, measured 20 to 80"})

    show_predictions("hybrid", predictions, 0.9)

    lines = capsys.readouterr().out.splitlines()
    shown = [line for line in lines if line.startswith("~ ") and "(" in line]
    assert len(shown) == 2
    for line in shown:
        assert line.count("123 (111-136)") == 1  # throughput, in its own unit
        assert line.count("123k (111k-136k)") == 2  # milliseconds and millicores
    assert shown[1].split()[1].startswith("a-servi")
    assert max(map(len, shown)) <= max(columns, 80)


def test_user_counts_and_replicas_ask_for_all_services(
    models: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main_ok(["predict", "--users", "30:70:20", "--replicas", "frontend=3", "--models", models, "--json"])

    found = json.loads(capsys.readouterr().out)
    rows = found["predictions"]
    assert [(row[USER_COUNT], row[SERVICE]) for row in rows] == [
        (users, service) for users in (30, 50, 70) for service in sorted(SERVICES)
    ]
    assert [row["Replicas"] for row in rows] == [None, None, 3.0] * 3
    assert [row["Replicas Used"] for row in rows] == [1.0, 1.0, 3.0] * 3
    assert {row[VERDICT] for row in rows} <= set(VERDICTS)
    assert found["model"] == "hybrid"
    assert found["coverage"] == 0.9


def test_predictions_are_written_as_the_contract_says(models: str, scenario: Path, tmp_path: Path) -> None:
    main_ok(["predict", str(scenario), "--models", models, "--output", str(tmp_path / "out.csv")])

    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text(encoding="utf-8"))))
    answers = [column for target in TARGETS for column in (target, lower_of(target), upper_of(target))]
    assert list(rows[0]) == [SERVICE, USER_COUNT, "Replicas", "Name", *answers, VERDICT, REASON]
    assert [row["Name"] for row in rows] == ["now", "then"]
    for row in rows:
        for target in TARGETS:
            assert float(row[lower_of(target)]) <= float(row[target]) <= float(row[upper_of(target)])


def test_a_law_that_the_table_obeys_is_predicted(models: str, capsys: pytest.CaptureFixture[str]) -> None:
    """X = N / (Z + R), 50 / 2.02, within the noise of 3 %."""
    main_ok(["predict", "--users", "50", "--models", models, "--json"])

    rows = {row[SERVICE]: row for row in json.loads(capsys.readouterr().out)["predictions"]}
    assert rows["frontend"]["Throughput (req/s)"] == pytest.approx(50 / 2.02, rel=0.03)
    assert rows["cart"]["Throughput (req/s)"] == pytest.approx(25 / 2.02, rel=0.03)


def test_an_explanation_names_the_parts(models: str, capsys: pytest.CaptureFixture[str]) -> None:
    main_ok(["predict", "--users", "50", "--models", models, "--explain"])
    _, explained = capsys.readouterr().out.split("What makes up the predictions at 50 users\n")
    assert "Bottleneck: catalog" in explained.splitlines()  # 3 ms on one replica; 4 on two
    for service in SERVICES:
        assert sum(line.startswith(f"{service} ") for line in explained.splitlines()) >= 1
    assert max(len(line) for line in explained.splitlines()) <= 80
    heads = " ".join(explained.split())
    assert all(unit in heads for unit in ("ms", "millicores", "req/s", "Think time, s"))

    main_ok(["predict", "--users", "50", "--models", models, "--explain", "--json"])
    found = json.loads(capsys.readouterr().out)
    explanations = found["explanations"]
    assert len(explanations) == len(SERVICES)
    for parts, row in zip(explanations, found["predictions"], strict=True):
        times = ("Own", "Waiting", "Callees", "Cut by Envoy", "Learned")
        summed = sum(
            parts[f"{part} Time (s)" if part in ("Own", "Learned") else f"{part} (s)"] for part in times
        )
        assert summed == pytest.approx(row[RESPONSE_TIME], abs=1e-9)
        assert parts["CPU Usage (cores)"] == pytest.approx(row[CPU_USAGE])


def test_any_stored_model_can_be_asked_at_another_coverage(
    models: str, capsys: pytest.CaptureFixture[str]
) -> None:
    widths = []
    for coverage in ("0.5", "0.95"):
        main_ok(
            [
                "predict",
                "--users",
                "50",
                "--models",
                models,
                "--model",
                "linear",
                "--json",
                "--coverage",
                coverage,
            ]
        )
        row = json.loads(capsys.readouterr().out)["predictions"][0]
        widths.append(row[upper_of(TARGETS[0])] - row[lower_of(TARGETS[0])])
    assert widths[0] < widths[1]


def test_a_plot_is_drawn(models: str, tmp_path: Path) -> None:
    main_ok(["predict", "--users", "20:160:20", "--models", models, "--plot", str(tmp_path / "plot.png")])

    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_another_think_time_changes_what_is_offered(models: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With half the pause each user asks nearly twice as often."""
    found = []
    for pause in ([], ["--think-time", "1"]):
        main_ok(["predict", "--users", "40", *pause, "--models", models, "--json"])
        rows = {row[SERVICE]: row for row in json.loads(capsys.readouterr().out)["predictions"]}
        found.append(rows["frontend"]["Throughput (req/s)"])
    assert found[1] / found[0] == pytest.approx(2.02 / 1.02, rel=0.03)


def test_a_scenario_may_change_the_think_time(
    models: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """N = X (Z + R): as many requests as N / (Z + R) says, with R about 0.02."""
    path = tmp_path / "pauses.csv"
    path.write_text("Service,User Count,Think Time (s)\nfrontend,40,\nfrontend,40,1\nfrontend,40,4\n")

    main_ok(["predict", str(path), "--models", models, "--json"])

    found = [row["Throughput (req/s)"] for row in json.loads(capsys.readouterr().out)["predictions"]]
    assert found == pytest.approx([40 / 2.02, 40 / 1.02, 40 / 4.02], rel=0.03)


def test_what_is_not_finite_is_null_in_json() -> None:
    frame = pd.DataFrame({"a": [1.0, math.inf, math.nan], "b": ["x", None, "z"]})

    assert as_records(frame) == [{"a": 1.0, "b": "x"}, {"a": None, "b": None}, {"a": None, "b": "z"}]


def test_a_long_scenario_is_cut_on_screen_only(
    models: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main_ok(["predict", "--users", "1:200:1", "--models", models, "--output", str(tmp_path / "out.csv")])

    assert "… and 300 rows more: write all with --output FILE" in capsys.readouterr().out
    assert len((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()) == 601


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "neither a scenario nor --users is given"),
        (["s.csv", "--users", "5"], 2, "a scenario and --users are given"),
        (["s.csv", "--replicas", "cart=2"], 2, "--replicas and --think-time go with --users"),
        (["--users", "a"], 2, "the user counts are 'a'; write a list of whole numbers"),
        (["--users", "0"], 2, "write whole numbers of at least 1"),
        (["--users", "9:3:1"], 2, "end >= start"),
        (["--users", "5", "--replicas", "cart"], 2, "as in frontend=2"),
        (["--users", "5", "--replicas", "cart=0"], 2, "as in frontend=2"),
        (["--users", "5", "--replicas", "nosuch=1"], 2, "names 'nosuch', which was not measured"),
        (["--users", "5", "--coverage", "0.77"], 2, "choose one of 0.5, 0.8, 0.9, 0.95, 0.99"),
        (["--users", "5", "--model", "nosuch"], 2, "holds no model 'nosuch'"),
        (["--users", "5", "--model", "linear", "--explain"], 2, "linear cannot explain itself"),
        (["--users", "5", "--plot", "x.gif"], 2, "end it in one of .png"),
        (["--users", "5", "--output", "no/such/folder.csv"], 2, "cannot be written"),
        (["none.csv"], 3, "no such file"),
        (["unknown.csv"], 3, "unknown.csv: 'frontent' was not measured; is 'frontend' meant?"),
        (["other.csv"], 3, "'zzz' was not measured; the services are cart, catalog, frontend"),
        (["words.csv"], 3, "words.csv, line 2: User Count is 'many'; write a whole number of at least 1"),
        (["answers.csv"], 3, "the column 'CPU Usage' is an answer"),
        (["--users", "5", "--models", "none"], 3, "is no folder; fit some with `kpp fit CSV`"),
    ],
)
def test_what_cannot_be_asked_is_one_line(
    models: str,
    scenario: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(scenario.parent)
    scenario.rename("s.csv")
    for name, text in {
        "unknown": "Service,User Count\nfrontent,50\n",
        "other": "Service,User Count\ncart,50\nzzz,50\n",
        "words": "Service,User Count\ncart,many\n",
        "answers": "Service,User Count,CPU Usage\ncart,5,1\n",
    }.items():
        Path(f"{name}.csv").write_text(text, encoding="utf-8")

    with pytest.raises(SystemExit) as exit_:
        main(["predict", "--models", models, *arguments])

    assert exit_.value.code == code
    assert message in capsys.readouterr().err.splitlines()[-1]
