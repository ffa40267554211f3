import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.collecting import World, load_generator, open_world, wait_for_rows
from tests.collector.boutique_load import SERVICES
from tests.collector.fake_kubernetes import Fault


@pytest.fixture
def hangups_heard() -> Iterator[None]:
    """A process that is started now hears SIGHUP, also where the tests run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path) as served:
        yield served


def test_a_campaign_reports_its_files_as_json(world: World) -> None:
    before = load_generator(world)

    result = world.run("collect", "--json")

    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["rows"] == 2 * len(SERVICES)
    for kind in ("measurements", "calls", "manifest"):
        assert (world.folder / report[kind]).is_file()
    assert load_generator(world) == before


def test_phases_are_told_line_by_line_where_there_is_no_terminal(world: World) -> None:
    result = world.run("collect")

    lines = [line for line in result.stderr.splitlines() if line.startswith("experiment")]
    assert lines == [f"experiment 1/1 · 20 users · {phase}" for phase in ("starting", "warm-up", "measuring")]
    assert f"Collected {2 * len(SERVICES)} rows in dataset/performance_results_" in result.stdout


@pytest.mark.usefixtures("hangups_heard")
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_leaves_the_cluster_as_it_was_found(world: World, stop: signal.Signals) -> None:
    before = load_generator(world)
    world.environment["KPP_MEASURED_SECONDS"] = "600"

    with world.start("collect") as process:
        wait_for_rows(world.folder / "dataset")
        assert load_generator(world) != before
        process.send_signal(stop)
        out, err = process.communicate(timeout=30)

    assert process.returncode == 130
    assert "Traceback" not in err
    assert "interrupted" in err
    assert "rows in dataset/performance_results_" in out
    assert load_generator(world) == before


def test_a_campaign_without_a_row_is_reported_as_json_too(world: World) -> None:
    world.environment |= {"KPP_WARMUP_SECONDS": "600", "KPP_CPU_RATE_WINDOW_SECONDS": "2"}

    with world.start("collect", "--json") as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "warm-up" in line:
                break
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)

    report = json.loads(out)
    assert (report["rows"], report["finished"], report["restored"]) == (0, False, True)
    assert "measurements" not in report
    assert (world.folder / report["journal"]).is_file()


def test_a_dry_run_shows_the_plan_and_changes_nothing(world: World) -> None:
    result = world.run("collect", "--dry-run", "--user-counts", "10,30", "--cooldown-seconds", "180")

    assert result.returncode == 0, result.stderr
    assert '{"name": "USERS", "value": "30"}' in result.stdout
    assert "In all 0:03:" in result.stdout
    assert world.kubernetes.patches == []
    assert not (world.folder / "dataset").exists()
    assert max(len(line) for line in result.stdout.splitlines() if not line.startswith("  ")) <= 80


def test_a_dry_run_as_json_holds_every_patch(world: World) -> None:
    result = world.run("collect", "--dry-run", "--json", "--user-counts", "10,30")

    plan = json.loads(result.stdout)
    assert [experiment["user_count"] for experiment in plan["experiments"]] == [10, 30]
    assert plan["services"] == sorted(SERVICES)
    assert set(plan["patches"]) == {
        "stop the load",
        "set 10 users",
        "set 30 users",
        "start the load",
        "restore",
    }


def test_options_go_before_the_environment_before_the_file(world: World) -> None:
    (world.folder / ".env").write_text("KPP_USER_COUNTS=1\nKPP_WARMUP_SECONDS=2\nKPP_NAMESPACE=default\n")
    del world.environment["KPP_WARMUP_SECONDS"]

    result = world.run("collect", "--dry-run", "--json", "--spawn-rate", "10")

    experiment = json.loads(result.stdout)["experiments"][0]
    assert experiment["user_count"] == 20  # the environment's
    assert experiment["warmup_seconds"] == 20 / 10 + 2  # the option's rate, the file's warm-up


def test_wrong_settings_are_one_line_and_exit_code_2(world: World) -> None:
    result = world.run("collect", "--user-counts", "many", "--namespace", "No Name")

    assert result.returncode == 2
    assert len(result.stderr.strip().splitlines()) == 1
    assert "KPP_USER_COUNTS is 'many'" in result.stderr
    assert "KPP_NAMESPACE is 'No Name'" in result.stderr


def test_no_cluster_is_exit_code_4(world: World) -> None:
    world.environment["KUBECONFIG"] = str(world.folder / "missing")

    result = world.run("collect")

    assert result.returncode == 4
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_cluster_that_goes_away_while_it_is_checked_is_exit_code_4(world: World) -> None:
    world.kubernetes.fail_next(Fault(503), times=99, path="/pods")
    result = world.run("collect")
    assert result.returncode == 4
    assert "could not list pods in namespace default for now" in result.stderr
    assert world.kubernetes.patches == []


def test_the_script_of_phase_1_is_the_same_command(world: World) -> None:
    script = Path(__file__).parents[2] / "kpp" / "collector" / "collector.py"

    result = world.run_python(str(script), "--dry-run", "--json")

    assert json.loads(result.stdout)["services"] == sorted(SERVICES)


def test_collecting_loads_neither_torch_nor_scikit_learn(world: World) -> None:
    code = (
        "import sys\nfrom kpp.cli.main import main\n"
        "try:\n    main(['collect', '--json'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'torch', 'sklearn', 'matplotlib'} & set(sys.modules)), file=sys.stderr)"
    )

    result = world.run_python("-c", code)

    assert json.loads(result.stdout)["rows"] > 0
    assert result.stderr.splitlines()[-1] == "[]"


def test_a_faulty_profile_is_told_before_anything_is_done(world: World) -> None:
    (world.folder / "own.toml").write_text("[requests]\nthroughput = 'rate(x)'\n")
    result = world.run("collect", "--profile", "own.toml")
    assert result.returncode == 2
    assert result.stderr.startswith("kpp: own.toml: there is no query for requests.response_time")
    assert not world.prometheus.requests


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["old.jsonl"], 2, "give --resume to go on with that campaign"),
        (["--resume"], 3, "there is no campaign that is not finished"),
        (["--resume", "old.jsonl"], 3, "old.jsonl: cannot be read: No such file"),
        (["--resume", "kubeconfig"], 3, "is no journal of a campaign"),
    ],
)
def test_what_cannot_be_gone_on_with_is_one_line(
    world: World, arguments: list[str], code: int, message: str
) -> None:
    (world.folder / "kubeconfig").write_text((world.folder / "kubeconfig").read_text() + "\n")

    result = world.run("collect", *arguments)

    assert result.returncode == code
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert world.kubernetes.patches == []


def test_an_interrupted_campaign_goes_on_into_the_same_files(world: World) -> None:
    world.environment |= {"KPP_USER_COUNTS": "20,30", "KPP_MEASURED_SECONDS": "4"}
    with world.start("collect") as process:
        wait_for_rows(world.folder / "dataset")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    (journal,) = (world.folder / "dataset").glob("performance_journal_*.jsonl")
    assert err.splitlines()[-2:] == [
        "The cluster is as it was found.",
        f"kpp: interrupted; run `kpp collect --resume dataset/{journal.name}`",
    ]
    patches = len(world.kubernetes.patches)
    checked = world.run("collect", "--resume", "--check")
    assert "failed:" in checked.stdout
    assert len(world.kubernetes.patches) == patches, "a check changes nothing, of a dead campaign either"

    result = world.run("collect", "--resume", "--json")

    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["rows"] == 2 * 4 * len(SERVICES)
    assert report["finished"]
    assert "Going on with campaign" in result.stderr
    lines = (world.folder / report["measurements"]).read_text().splitlines()
    assert len(lines) == 1 + report["rows"]
    assert world.run("restore").stdout == "No campaign here has left anything to restore.\n"


def test_a_campaign_file_is_shown_and_a_wrong_one_told_with_its_line(world: World) -> None:
    del world.environment["KPP_USER_COUNTS"]
    file = world.folder / "campaign.yaml"
    file.write_text("experiments:\n  - users: 10\n  - users: 30\n    replicas: {frontend: 2}\n")

    plan = json.loads(world.run("collect", "--campaign", "campaign.yaml", "--dry-run", "--json").stdout)
    assert [each["replicas"] for each in plan["experiments"]] == [{}, {"frontend": 2}]
    assert plan["patches"]["give frontend 2 replicas"] == {"spec": {"replicas": 2}}
    assert plan["patches"]["restore frontend"] == {"spec": {"replicas": 1}}
    assert plan["deployments"]["restore frontend"] == "frontend"
    shown = world.run("collect", "--campaign", "campaign.yaml", "--dry-run").stdout
    assert "frontend=2" in shown
    assert max(len(line) for line in shown.splitlines() if not line.startswith("  ")) <= 80

    both = world.run("collect", "--campaign", "campaign.yaml", "--user-counts", "5")
    assert (both.returncode, "only one of" in both.stderr) == (2, True)
    file.write_text("experiments:\n  - users: 10\n    think_time: 5\n")
    wrong = world.run("collect", "--campaign", "campaign.yaml")
    assert wrong.returncode == 3
    assert "campaign.yaml: line 3: think_time: nothing that a campaign has" in wrong.stderr
    assert world.kubernetes.patches == []


@pytest.mark.parametrize("columns", [80, 120])
def test_a_campaign_ends_with_a_table_of_its_quality(world: World, columns: int) -> None:
    world.environment |= {"COLUMNS": str(columns), "KPP_MEASURED_SECONDS": "5"}
    result = world.run("collect", "--repeat", "2")

    assert result.returncode == 0, result.stderr
    table = result.stdout[: result.stdout.index("Collected")].splitlines()
    assert table[0].startswith("Quality at the entry service (state: Mann-Kendall test)")
    assert [line.split()[:2] for line in table[2:4]] == [["1", "20"], ["2", "20"]]
    assert max(len(line.rstrip()) for line in table) <= columns
    (quality,) = (world.folder / "dataset").glob("performance_quality_*.csv")
    assert f"quality               dataset/{quality.name}" in result.stdout
    assert len(quality.read_text().splitlines()) == 3


def test_a_resumed_campaign_keeps_what_was_judged_before(world: World) -> None:
    """The second experiment is cut short; the first has been judged by then."""
    world.environment |= {"KPP_USER_COUNTS": "20,30", "KPP_MEASURED_SECONDS": "2"}
    with world.start("collect") as process:
        deadline = time.monotonic() + 30
        while not [*(world.folder / "dataset").glob("performance_quality_*.csv")]:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.kill()
        process.communicate(timeout=30)

    result = world.run("collect", "--resume", "--json")

    assert result.returncode == 0, result.stderr
    quality = (world.folder / json.loads(result.stdout)["quality"]).read_text().splitlines()
    assert [line.split(",")[0] for line in quality[1:]] == ["1", "2"]
