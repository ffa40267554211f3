import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kpp.cli.main import main
from kpp.schema import SERVICE, SOURCE, TARGETS, THROUGHPUT, USER_COUNT
from tests.cli.test_fit import main_ok
from tests.cli.whatif_files import SERVICES, write_shop
from tests.measurements import write_measurements
from tests.whatif.systems import SHOP, make_rows


@pytest.fixture
def shop(tmp_path: Path) -> str:
    return str(write_shop(tmp_path / "a.csv", (20, 40, 60, 80, 100)))


def test_the_leaderboard_is_printed_within_80_columns(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    main_ok(["evaluate", "--train", shop, "--split", "extrapolation", "--models", "nearest,linear,hybrid"])

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "extrapolation: 100 users held out"
    assert max(map(len, lines)) <= 80
    names = [line.split("  ")[0] for line in lines]
    assert {"nearest", "linear", "hybrid", "noise floor"} <= set(names)
    assert names.index("nearest") < names.index("noise floor")
    assert set(SERVICES) <= set(names)
    assert any(line.startswith("weighted") for line in lines)


def test_json_holds_every_score_and_plots_are_drawn(shop: str, tmp_path: Path) -> None:
    file, plots = tmp_path / "scores.json", tmp_path / "plots"
    options = ["--models", "nearest,linear", "--json", str(file), "--plots", str(plots)]
    main_ok(["evaluate", "--train", shop, "--split", "interpolation", *options])

    found = json.loads(file.read_text(encoding="utf-8"))
    assert found["split"] == "interpolation"
    assert found["rows"] == [12]
    assert (found["train"], found["test"]) == ([shop], [])
    for result in (*found["models"].values(), found["noise_floor"]):
        assert set(result["services"]) == set(SERVICES)
        for target in TARGETS:
            assert set(result["mean"][target]) == {"rows", "mae", "rmse", "mape", "wape", "coverage", "width"}
    drawn = {path.name for path in plots.iterdir()}
    assert drawn == {f"evaluation_interpolation{end}.png" for end in ("", *(f"_{name}" for name in SERVICES))}


def test_json_goes_to_stdout_alone(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    main_ok(["evaluate", "--train", shop, "--split", "few-loads", "--models", "linear", "--json", "-"])

    assert json.loads(capsys.readouterr().out)["split"] == "few-loads"


def test_several_seeds_tell_the_spread(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--models", "linear", "--seeds", "3"]
    main_ok(["evaluate", "--train", shop, "--split", "interpolation", *options])

    assert "Standard deviation of the mean MAPE over seeds" in capsys.readouterr().out


def test_models_that_the_loads_do_not_tell_apart_are_marked(
    shop: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The mark stands beside the error of those that JSON calls equal, and only with more than one load."""
    file = tmp_path / "scores.json"
    options = ["--models", "linear,usl,nearest", "--json", str(file), "--split"]
    main_ok(["evaluate", "--train", shop, *options, "leave-one-load-out"])

    lines = capsys.readouterr().out.splitlines()
    for name, result in json.loads(file.read_text(encoding="utf-8"))["models"].items():
        line = next(line for line in lines if line.startswith(f"{name} "))
        equal = [abs(each["mean"]) <= each["margin"] for each in result["behind"].values()]
        assert line.count("=") == sum(equal)
    (legend,) = [line for line in lines if line.startswith("= ")]
    assert "5 loads" in legend

    main_ok(["evaluate", "--train", shop, *options, "extrapolation"])
    assert "=" not in capsys.readouterr().out


def test_a_second_campaign_is_asked_for(
    shop: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_shop(tmp_path / "b.csv", (200, 300))
    rows = other.read_text(encoding="utf-8").splitlines()
    stamped = [
        rows[0],
        *(f"{1.8e9 + 60 * number}{row[row.index(',') :]}" for number, row in enumerate(rows[1:])),
    ]
    other.write_text("\n".join(stamped) + "\n", encoding="utf-8")

    main_ok(["evaluate", "--train", shop, "--test", str(other), "--models", "linear"])

    assert "extrapolation: one campaign learned, another asked for" in capsys.readouterr().out


def test_a_shell_may_name_many_tables_after_one_option(
    shop: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head, *lines = Path(shop).read_text(encoding="utf-8").splitlines()
    tables = [str(tmp_path / f"part-{number}.csv") for number in range(3)]
    for number, table in enumerate(tables):
        Path(table).write_text("\n".join([head, *lines[number::3]]) + "\n", encoding="utf-8")

    main_ok(["evaluate", "--train", *tables, "--models", "nearest", "--split", "leave-one-load-out"])

    assert (
        "5 folds, 20 users held out to 100 users held out\n60 rows of 3 services" in capsys.readouterr().out
    )


def test_a_wide_terminal_is_told_more(
    shop: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "120")

    main_ok(["evaluate", "--train", shop, "--models", "linear"])

    lines = capsys.readouterr().out.splitlines()
    assert 100 < max(map(len, lines)) <= 120
    (head,) = [line for line in lines if line.startswith("model")]
    assert head.split().count("width") == len(TARGETS)


def test_of_many_services_the_worst_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    services = {f"service-{number:02}-with-a-long-name-{number:02}": SHOP["cart"] for number in range(40)}
    rows = make_rows((20, 40, 60), minutes=2, services=services).drop(columns=SOURCE)
    rows.loc[(rows[SERVICE].str.startswith("service-07")) & (rows[USER_COUNT] == 60), list(TARGETS)] *= 9
    table = write_measurements(rows, tmp_path / "many.csv")

    main_ok(["evaluate", "--train", str(table), "--models", "nearest", "--split", "extrapolation"])

    lines = capsys.readouterr().out.splitlines()
    (title,) = [number for number, line in enumerate(lines) if line.startswith("nearest by service")]
    assert "the 30 worst of 40" in lines[title]
    assert lines[title + 3].startswith("service-07…")
    assert lines[title + 3].split()[0].endswith("-07")
    assert len([line for line in lines if line.startswith("service-")]) == 30


def test_a_model_that_cannot_be_fitted_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = write_shop(tmp_path / "a.csv", changes={THROUGHPUT: float("nan")})

    main_ok(["evaluate", "--train", str(table), "--models", "linear,queueing", "--split", "extrapolation"])
    assert "queueing        skipped: " in capsys.readouterr().out

    with pytest.raises(SystemExit) as exit_:
        main(["evaluate", "--train", str(table), "--models", "queueing", "--split", "extrapolation"])
    assert exit_.value.code == 3
    assert "no model could be fitted: queueing: " in capsys.readouterr().err.splitlines()[-1]


def test_what_a_model_cannot_predict_is_counted(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A third of the rows that are asked for are of a service that was not there before."""
    lines = Path(shop).read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if ",cart," not in line or ",cart,100.0," in line]
    Path(shop).write_text("".join(kept), encoding="utf-8")

    main_ok(["evaluate", "--train", shop, "--models", "nearest", "--split", "extrapolation"])

    assert "nearest         predicts 67% of what was measured" in capsys.readouterr().out


def test_ctrl_c_leaves_nothing_half_written(shop: str, tmp_path: Path) -> None:
    file, plots = tmp_path / "scores.json", tmp_path / "plots"
    options = ["--split", "leave-one-load-out", "--seeds", "99", "--json", str(file), "--plots", str(plots)]
    command = [sys.executable, "-m", "kpp", "evaluate", "--train", shop, *options]

    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        while not plots.exists():
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()

    assert process.returncode == 130
    assert err.splitlines()[-1] == "kpp: interrupted; run the command again to start over"
    assert out == ""
    assert not file.exists()
    assert [*plots.iterdir()] == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--split", "nosuch"], 2, "'nosuch' is no split; name one of interpolation, extrapolation"),
        (["--split", "merged"], 2, "needs a second campaign; name it with --test"),
        (["--split", "interpolation", "--models", "nosuch"], 2, "'nosuch' is no model"),
        (["--split", "interpolation", "--user-counts", "x"], 2, "the user counts are 'x'"),
        (["--split", "interpolation", "--coverage", "0.33"], 2, "the coverage 0.33 is not calibrated"),
        (["--user-counts", "7"], 2, "7 users were not measured; measured are 20, 40, 60, 80, 100 users"),
        (["--count", "4"], 3, "interpolation needs 6 user counts, and there are 5"),
        (["--split", "few-loads", "--test", "{shop}"], 2, "few-loads asks for no second campaign"),
        (["--test", "{shop}"], 3, "all rows of the second campaign are in the first"),
        (["--json", "no/such/scores.json"], 2, "cannot be written: no such folder"),
        (["--plots", "{shop}"], 2, "no folder can be made here"),
        (["--split", "extrapolation", "--test", "none.csv"], 3, "no such file"),
    ],
)
def test_what_cannot_be_evaluated_is_one_line(
    shop: str, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["evaluate", "--train", shop, *(text.format(shop=shop) for text in arguments)])

    assert exit_.value.code == code
    assert message in capsys.readouterr().err.splitlines()[-1]
