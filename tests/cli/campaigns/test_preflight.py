"""`kpp collect --check` as a process on a served cluster: text, JSON, exit codes, and nothing touched."""

import json
import subprocess
from collections.abc import Iterator

import pytest

from kpp.clock import SystemClock
from kpp.simulator.cluster import Simulation
from kpp.simulator.pace import RealPace
from kpp.simulator.serving import KUBECONFIG
from tests.cli.processes import Place, environment_with
from tests.collector.preflight.checked_worlds import everything_but
from tests.end_to_end.campaigns import World, serve_world
from tests.simulator.simulations import three_tier

PROMPT = "$ "


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    simulation = Simulation(three_tier(), SystemClock().now() - 60)
    folder = tmp_path_factory.mktemp("checked")
    with serve_world(simulation, folder, RealPace(simulation)) as serving:
        yield serving


@pytest.fixture(autouse=True)
def everything_is_allowed(world: World) -> Iterator[None]:
    yield
    world.served.access.grant_only(None)


def kpp(
    world: World, *arguments: str, columns: int = 80, **environment: str
) -> "subprocess.CompletedProcess[str]":
    settings = {
        "KUBECONFIG": str(world.folder / KUBECONFIG),
        "PROMETHEUS_URL": world.served.prometheus_url,
        "KPP_ENTRY_SERVICE": "web",
        "KPP_EXCLUDED_SERVICES": "database",
        "COLUMNS": str(columns),
    }
    return Place(world.folder, environment_with(**settings | environment)).run("collect", *arguments)


def test_all_well_is_exit_code_0(world: World) -> None:
    result = kpp(world, "--check")
    assert result.returncode == 0, result.stdout + result.stderr
    assert {line[:4] for line in result.stdout.splitlines()[:-1]} == {"pass", "    "}
    assert result.stdout.splitlines()[-1].endswith("warnings: 0, failed: 0")


@pytest.mark.parametrize("columns", [80, 120])
def test_no_line_but_a_command_is_wider_than_the_terminal(world: World, columns: int) -> None:
    world.served.access.grant_only(everything_but("list", "replicasets"))
    result = kpp(world, "--check", "--load-generator", "nobody", "--excluded-services", "", columns=columns)
    lines = [line for line in result.stdout.splitlines() if not line.lstrip().startswith(PROMPT)]
    assert columns - 25 < max(map(len, lines)) <= columns


def test_a_failure_is_exit_code_5_with_the_command_that_mends_it(world: World) -> None:
    result = kpp(world, "--check", "--load-generator", "nobody")
    assert result.returncode == 5
    assert "fail load generator there is no Deployment nobody" in result.stdout
    assert f"{PROMPT}kubectl get deployments --namespace default" in result.stdout
    assert len(result.stderr.strip().splitlines()) == 1
    assert "checks failed: load generator" in result.stderr


def test_the_report_as_json(world: World) -> None:
    result = kpp(world, "--check", "--json", "--load-generator", "nobody")
    report = json.loads(result.stdout)
    assert result.returncode == 5
    assert report["passed"] is False
    (failed,) = [
        each for each in report["findings"] if (each["check"], each["outcome"]) == ("load generator", "fail")
    ]
    assert failed["mend"]
    assert failed["command"]


def test_nothing_reached_is_exit_code_4(world: World) -> None:
    missing = str(world.folder / "missing")
    result = kpp(world, "--check", KUBECONFIG=missing, PROMETHEUS_URL="http://127.0.0.1:1")
    assert result.returncode == 4
    assert "fail Kubernetes" in result.stdout
    assert "fail Prometheus" in result.stdout
    assert "pass disk" in result.stdout


def test_without_credentials_the_rest_is_checked(world: World) -> None:
    result = kpp(world, "--check", KUBECONFIG=str(world.folder / "missing"))
    assert result.returncode == 5
    assert "pass Prometheus" in result.stdout
    assert "pass rate window" in result.stdout


def test_a_campaign_does_not_start_while_a_check_fails(world: World) -> None:
    world.served.access.grant_only(everything_but("patch", "deployments"))
    world.served.access.asked.clear()
    result = kpp(world, "--output-directory", str(world.folder / "out"))
    assert result.returncode == 5
    assert "may not patch deployments/loadgenerator" in result.stderr
    assert "pass" not in result.stderr
    assert {asked.verb for asked in world.served.access.asked} == {"get", "list"}
    assert not (world.folder / "out").exists()


def test_a_campaign_may_be_started_all_the_same(world: World) -> None:
    world.served.access.grant_only(everything_but("patch", "deployments"))
    result = kpp(world, "--skip-checks", "--output-directory", str(world.folder / "out"))
    assert result.returncode == 4  # the API refuses the patch itself
    assert "does not allow to patch deployments/loadgenerator" in result.stderr


def test_what_a_campaign_can_do_without_is_a_warning(world: World) -> None:
    world.served.access.grant_only(everything_but("list", "nodes"))
    result = kpp(world, "--check")
    assert result.returncode == 0
    assert "warn permissions    may not list nodes, to record the nodes' CPU cores" in result.stdout
