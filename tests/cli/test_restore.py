"""`kpp restore` as a process, after a campaign that was killed."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.collecting import World, load_generator, open_world, wait_for_rows
from tests.collector.fake_prometheus import EMPTY


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path) as served:
        yield served


@pytest.fixture
def killed(world: World) -> Path:
    """The journal of a campaign that left the load generator changed."""
    world.environment["KPP_MEASURED_SECONDS"] = "600"
    with world.start("collect", "--skip-checks") as process:
        wait_for_rows(world.folder / "dataset")
        process.kill()
        process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL
    (journal,) = (world.folder / "dataset").glob("performance_journal_*.jsonl")
    return journal.relative_to(world.folder)


def restored(world: World, journal: Path) -> Any:
    events = [json.loads(line) for line in (world.folder / journal).read_text().splitlines()]
    return [each for each in events if each["event"] == "restored"]


@pytest.mark.parametrize(
    ("environment", "env_file"),
    [
        ({"PROMETHEUS_URL": "no URL"}, ""),
        ({"PROMETHEUS_TOKEN_FILE": "nowhere"}, ""),
        ({"KPP_WARMUP_SECONDS": "soon", "KPP_NAMESPACE": "another"}, ""),
        ({}, "PROMETHEUS_CA_FILE=nowhere\nPROMETHEUS_URL=\nKPP_USER_COUNTS=many\nKPP_NO_SETTING=1\n"),
    ],
)
def test_only_access_to_kubernetes_is_needed(
    world: World, killed: Path, environment: dict[str, str], env_file: str
) -> None:
    assert len(world.kubernetes.patches) > 0
    world.prometheus.requests.clear()
    del world.environment["PROMETHEUS_URL"]
    world.environment |= environment
    (world.folder / ".env").write_text(env_file)

    result = world.run("restore")

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        f"Restored what the campaign of {killed} left:",
        "  Deployment loadgenerator: replicas 1, USERS=20, RATE=100 in container main -> "
        "replicas 1, USERS=10, RATE=1 in container main",
    ]
    assert world.prometheus.requests == []
    assert len(restored(world, killed)) == 1


def test_a_setting_that_is_needed_is_still_checked(world: World, killed: Path) -> None:
    world.environment["KPP_REQUEST_TIMEOUT_SECONDS"] = "soon"
    result = world.run("restore", str(killed))
    assert result.returncode == 2
    assert "KPP_REQUEST_TIMEOUT_SECONDS is 'soon'" in result.stderr
    assert restored(world, killed) == []


def test_a_load_generator_that_is_gone_is_told_and_recorded(world: World, killed: Path) -> None:
    del world.kubernetes.deployments["loadgenerator"]
    gone = "Deployment loadgenerator is gone; it had replicas 1, USERS=10, RATE=1 in container main"

    result = world.run("restore")

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        f"Nothing to restore: what is there is as the campaign of {killed} found it.",
        "Nobody can put this back any more; it is recorded as gone:",
        f"  {gone}",
    ]
    assert [each["gone"] for each in restored(world, killed)] == [[gone]]
    assert world.run("restore").stdout == "No campaign here has left anything to restore.\n"


def test_a_campaign_whose_cluster_exists_no_more_is_closed_by_its_operator(
    world: World, killed: Path
) -> None:
    before = load_generator(world)
    for each in world.kubernetes.deployments.values():
        each["metadata"]["uid"] += " of another cluster"

    refused = world.run("restore")
    assert refused.returncode == 4
    assert "may be another cluster, and nothing was written" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    world.environment["KUBECONFIG"] = "/nowhere"
    report = json.loads(world.run("restore", "--gone", "--json").stdout)

    assert report["journal"] == str(killed)
    assert report["changes"] == []
    assert len(report["gone"]) == 1
    assert load_generator(world) == before
    assert world.run("restore").stdout == "No campaign here has left anything to restore.\n"


def test_a_campaign_that_goes_on_is_put_back_then_checked(world: World, killed: Path) -> None:
    world.prometheus.answer(lambda request: "istio" in request.query, EMPTY)
    patches = len(world.kubernetes.patches)

    refused = world.run("collect", "--resume")

    assert refused.returncode == 5
    assert "Put back: Deployment loadgenerator" in refused.stderr
    assert "fail metrics" in refused.stderr
    assert "checks failed: metrics; mend them, or start all the same with --skip-checks" in refused.stderr
    assert len(restored(world, killed)) == 1
    assert len(world.kubernetes.patches) == patches + 1, "nothing but what puts the cluster back"

    with world.start("collect", "--resume", "--skip-checks") as process:
        assert process.stderr is not None
        assert any(line.startswith("experiment 1/1") for line in process.stderr)
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 130
