import json

import pytest

from kpp.cli.main import main
from tests.cli.test_fit import main_ok
from tests.cli.whatif_files import write_shop

SLOW = ["--objective", "frontend:response-time<=30ms"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("models")
    main_ok(["fit", str(write_shop(folder / "a.csv")), "--models", str(folder)])
    return str(folder)


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_each_step_and_the_conclusion_are_shown(
    models: str, columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first to saturate is catalog: 3 visits of 1 ms on one replica; the frontend has 4 ms on two."""
    monkeypatch.setenv("COLUMNS", str(columns))

    main_ok(["plan", "--users", "800", *SLOW, "--models", models])

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "800 users, by hybrid: frontend:response-time<=30ms"
    assert lines[1] == "starting from 2 of frontend, 1 of each other service"
    steps = [line.split() for line in lines if " -> " in line]
    assert steps[0][2:6] == ["catalog", "1", "->", "2"]
    text = " ".join(" ".join(lines).split())
    assert "1 catalog replica probably saturates at" in text  # its limit is assumed
    assert "The objective holds with" in text
    assert f"kpp predict --models {models} --users 800 --replicas" in text
    assert max(len(line) for line in lines if "/" not in line) <= max(columns, 80)


def test_the_command_that_is_shown_asks_for_the_same(models: str, capsys: pytest.CaptureFixture[str]) -> None:
    main_ok(["plan", "--users", "800", *SLOW, "--models", models, "--json"])
    found = json.loads(capsys.readouterr().out)
    (plan,) = found["plans"]
    last = plan["steps"][-1]
    assert plan["reached"]
    assert plan["replicas"] == last["replicas"]
    assert last["outcomes"][0]["holds"]
    assert not plan["steps"][-2]["outcomes"][0]["holds"]
    assert found["objectives"] == [
        {
            "objective": "frontend:response-time<=30ms",
            "service": "frontend",
            "measure": "response-time",
            "bound": 0.03,
        }
    ]

    counts = [word for name, count in plan["replicas"].items() for word in ("--replicas", f"{name}={count}")]
    main_ok(["predict", "--users", "800", *counts, "--models", models, "--json"])
    rows = {row["Service"]: row for row in json.loads(capsys.readouterr().out)["predictions"]}
    assert rows["frontend"]["Response Time (s)"] == pytest.approx(last["outcomes"][0]["value"])
    assert rows["frontend"]["Response Time (s) upper"] == pytest.approx(last["outcomes"][0]["upper"])


def test_the_command_that_is_shown_keeps_pause_and_model(
    models: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--users", "40", "--think-time", "0.5", "--model", "queueing", "--models", models]

    main_ok(["plan", *arguments, "--objective", "frontend:response-time<=1s"])

    shown = " ".join(capsys.readouterr().out.split())
    assert (
        f"kpp predict --models {models} --model queueing --users 40 --think-time 0.5 has the rest." in shown
    )


def test_several_loads_and_objectives_are_planned_at_once(
    models: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main_ok(["plan", "--users", "100:500:200", *SLOW, "--objective", "all:cpu<=60%", "--models", models])

    lines = capsys.readouterr().out.splitlines()
    kept = "frontend:response-time<=30ms and all:cpu<=60%"
    assert [line for line in lines if line.endswith(kept)] == [
        f"{users} users, by hybrid: {kept}" for users in (100, 300, 500)
    ]
    assert sum("The objectives hold with" in line for line in lines) == 3
    assert max(len(line) for line in lines if "/" not in line) <= 80


def test_what_cannot_be_kept_exits_with_5_and_shows_how_far_it_came(
    models: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["plan", "--users", "800", "--objective", "frontend:response-time<=2ms", "--models", models]
    for more in ([], ["--json"]):
        with pytest.raises(SystemExit) as exit_:
            main([*arguments, *more])
        assert exit_.value.code == 5
        shown = capsys.readouterr()
        assert "cannot be kept at 800 users: one replica more of any service" in shown.err.splitlines()[-1]
        if more:
            assert json.loads(shown.out)["plans"][0]["reached"] is False
        else:
            assert "Cannot be kept: one replica more" in shown.out


def test_certainty_asks_for_more(models: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for more in ([], ["--certain"]):
        main_ok(["plan", "--users", "100", *SLOW, "--models", models, "--json", *more])
        found.append(json.loads(capsys.readouterr().out)["plans"][0])
    assert found[1]["interval_keeps_it"]
    assert sum(found[1]["replicas"].values()) >= sum(found[0]["replicas"].values())


def test_what_cannot_be_certain_says_what_to_measure(models: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--users", "400", *SLOW, "--models", models]
    main_ok(["plan", *arguments, "--json"])
    (likely,) = json.loads(capsys.readouterr().out)["plans"]
    assert likely["to_measure"] is None

    shown = {}
    for more in ([], ["--json"]):
        with pytest.raises(SystemExit) as exit_:
            main(["plan", *arguments, "--certain", *more])
        assert exit_.value.code == 5
        shown[bool(more)] = capsys.readouterr()

    (plan,) = json.loads(shown[True].out)["plans"]
    assert plan["to_measure"]["replicas"] == likely["replicas"]
    certain = plan["to_measure"]["certain_up_to_users"]
    assert 80 < certain < 400
    text = " ".join(shown[False].out.split())
    assert f"Up to {certain} users that is certain. To be sure, measure a step of 400 users" in text
    assert "measure a step of 400 users" in shown[False].err.splitlines()[-1]
    counts = [
        word for name, count in likely["replicas"].items() for word in ("--replicas", f"{name}={count}")
    ]
    for users, holds in ((certain, True), (certain + 1, False)):
        main_ok(["predict", "--users", str(users), *counts, "--models", models, "--json"])
        rows = {row["Service"]: row for row in json.loads(capsys.readouterr().out)["predictions"]}
        assert (rows["frontend"]["Response Time (s) upper"] <= 0.03) == holds


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--users", "5", "--objective", "frontend"], 2, "write one like frontend:response-time<=250ms"),
        (["--users", "0", *SLOW], 2, "write whole numbers of at least 1"),
        (["--users", "5", "--objective", "shop:cpu<=60%"], 2, "names 'shop', which was not measured"),
        (["--users", "5", *SLOW, "--replicas", "shop=2"], 2, "--replicas names 'shop'"),
        (["--users", "5", *SLOW, "--replicas", "cart=9", "--most", "3"], 2, "raise --most"),
        (["--users", "5", *SLOW, "--model", "linear"], 2, "linear knows nothing of saturation"),
        (["--users", "5", *SLOW, "--coverage", "0.77"], 2, "choose one of 0.5"),
        (["--users", "5", *SLOW, "--models", "none"], 3, "is no folder; fit some with `kpp fit CSV`"),
    ],
)
def test_what_cannot_be_planned_is_one_line(
    models: str, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["plan", "--models", models, *arguments])

    assert exit_.value.code == code
    assert message in capsys.readouterr().err.splitlines()[-1]
