import json
from pathlib import Path

import pytest

from kpp.cli.main import main
from kpp.schema import TARGETS
from tests.cli.test_fit import main_ok
from tests.cli.whatif_files import SERVICES, write_shop


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

    options = ["--test", str(other), "--split", "extrapolation", "--models", "linear"]
    main_ok(["evaluate", "--train", shop, *options])

    assert "one campaign learned, another asked for" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--split", "nosuch"], 2, "'nosuch' is no split; name one of interpolation, extrapolation"),
        (["--split", "merged"], 2, "needs a second campaign; name it with --test"),
        (["--split", "interpolation", "--models", "nosuch"], 2, "'nosuch' is no model"),
        (["--split", "interpolation", "--user-counts", "x"], 2, "the user counts are 'x'"),
        (["--split", "interpolation", "--coverage", "0.33"], 2, "the coverage 0.33 is not calibrated"),
        (["--split", "interpolation", "--user-counts", "7"], 3, "cannot be split by interpolation"),
        (["--split", "extrapolation", "--test", "none.csv"], 3, "no such file"),
    ],
)
def test_what_cannot_be_evaluated_is_one_line(
    shop: str, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["evaluate", "--train", shop, *arguments])

    assert exit_.value.code == code
    assert message in capsys.readouterr().err.splitlines()[-1]
