"""`kpp import` as a process, against a Prometheus over HTTP."""

import csv
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.processes import Place, Process, environment_with
from tests.collector.boutique_load import SERVICES
from tests.collector.fake_prometheus import BAD_DATA, FakePrometheus, Request, Response, slow

RANGE = ("--from", "2023-11-14T22:00:00Z", "--to", "2023-11-14T22:09:00Z")


@dataclass
class World(Place):
    prometheus: FakePrometheus

    def start(self, *arguments: str) -> Process:
        return super().start("import", *arguments)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with FakePrometheus() as prometheus:
        found = environment_with(PROMETHEUS_URL=prometheus.url, KUBECONFIG="/nowhere")
        yield World(tmp_path, found, prometheus)


def test_a_table_is_imported_without_a_cluster(world: World) -> None:
    result = world.run(*RANGE, "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["services"] == sorted(SERVICES)
    assert report["rows"] == 10 * len(SERVICES)
    assert (report["from"], report["to"]) == ("2023-11-14T22:00:00Z", "2023-11-14T22:09:00Z")
    with (world.folder / report["measurements"]).open() as file:
        rows = list(csv.DictReader(file))
    assert {row["CPU Usage"] == "" for row in rows} == {False}, "pods are told by their names"
    assert {row["Replicas"] for row in rows} == {""}, "there is no kube-state-metrics"
    assert result.stderr == "asking Prometheus for 14 chunks\n"


def test_the_text_says_what_the_load_is_and_where_the_files_are(world: World) -> None:
    (world.folder / "users.csv").write_text(
        "start,end,User Count\n"
        "2023-11-14T22:00Z,2023-11-14T22:03Z,50\n"
        "2023-11-14T22:03Z,2023-11-14T22:06Z,80\n"
    )
    by_rate = world.run(*RANGE, "--output", "day.csv")
    assert by_rate.stdout.splitlines() == [
        "Imported 100 rows of 10 services in day.csv",
        "  who calls whom         day_calls.csv",
        "  settings and queries   day.json",
        "  User Count is the entry service's requests per second, rounded",
    ]
    by_file = world.run(*RANGE, "--output", "file.csv", "--users-file", "users.csv", "--step", "1m")
    assert by_file.stdout.splitlines()[0] == "Imported 40 rows of 10 services in file.csv"
    assert "6 of 10 instants have no load and are left out" in by_file.stdout
    with (world.folder / "file.csv").open() as file:
        assert [row["User Count"] for row in csv.DictReader(file)] == ["50"] * 20 + ["80"] * 20


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--from", "yesterday"), 2, "the instant 'yesterday' cannot be read; write 2026-11-25T08:00:00Z"),
        (("--from", "now", "--to", "-1h"), 2, "is empty; let --from be earlier than --to"),
        ((*RANGE, "--step", "0"), 2, "the duration '0' cannot be read"),
        (
            (*RANGE, "--users-query", "a", "--users-file", "b"),
            2,
            "--users-query and --users-file are both given",
        ),
        ((*RANGE, "--users-file", "nowhere.csv"), 3, "nowhere.csv: cannot be read: No such file"),
        ((*RANGE, "--users-query", "up"), 2, "the query for the users has no value in this range: up"),
        (
            (*RANGE, "--users-query", "sum(("),
            2,
            "unexpected end of input inside braces: sum((; paste it into Prometheus and mend it, or name",
        ),
        (
            (*RANGE, "--profile", "linkerd"),
            2,
            "linkerd: there is no such profile; name a file, or one of those",
        ),
        ((*RANGE, "--namespace", 'a"}) or up'), 2, "KPP_NAMESPACE is 'a\"}) or up': a name in Kubernetes"),
        ((*RANGE, "--entry-service", "web"), 2, "the service web, whose request rate is to be the load"),
        ((*RANGE, "--output", "taken.csv"), 2, "taken.csv: is there already; name another file"),
        (
            (*RANGE, "--prometheus-url", "http://127.0.0.1:1"),
            4,
            "Connection refused; check that Prometheus runs",
        ),
    ],
)
def test_what_cannot_be_is_one_line(arguments: tuple[str, ...], code: int, text: str, world: World) -> None:
    (world.folder / "taken.csv").touch()
    world.prometheus.answer(lambda request: request.query == "sum((", BAD_DATA)
    result = world.run(*arguments)
    assert result.returncode == code
    lines = [line for line in result.stderr.splitlines() if line.startswith("kpp: ")]
    assert len(lines) == 1
    assert text in lines[0]
    assert {path.name for path in world.folder.iterdir()} == {"taken.csv"}


def test_windows_longer_than_a_warm_up_are_fine(world: World) -> None:
    arguments = ("--rate-window-seconds", "300", "--cpu-rate-window-seconds", "600")
    assert world.run(*RANGE, *arguments).returncode == 0
    queries = [request.query for request in world.prometheus.requests]
    assert any("[600s]" in query and "container_cpu" in query for query in queries)
    assert any("[300s]" in query and "istio_requests" in query for query in queries)


def test_the_present_and_the_past_can_be_told_relatively(world: World) -> None:
    report = json.loads(world.run("--from", "-10m", "--json").stdout)
    starts = [float(each.params["start"]) for each in world.prometheus.requests if "start" in each.params]
    assert min(starts) % 60 == 0
    assert 10 <= report["instants"] <= 11, "the newest samples may not have arrived"


def test_an_interruption_leaves_nothing(world: World) -> None:
    world.prometheus.answer(lambda request: "range" in request.path, slow(Response(status=503), 0.5))
    with world.start(*RANGE) as process:
        deadline = time.monotonic() + 60
        while not any("range" in request.path for request in list(world.prometheus.requests)):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert list(world.folder.iterdir()) == []


def test_no_secret_is_in_the_record(world: World) -> None:
    def is_stranger(request: Request) -> bool:
        return request.headers.get("Authorization") != "Bearer planted-token"

    world.prometheus.answer(is_stranger, lambda request: Response(str(request.headers).encode(), status=401))
    (world.folder / ".env").write_text("PROMETHEUS_TOKEN=planted-token\n")
    result = world.run(*RANGE, "--output", "out/table.csv")
    assert result.returncode == 0, result.stderr
    texts = [result.stdout, result.stderr, *(path.read_text() for path in (world.folder / "out").iterdir())]
    assert len(texts) == 5
    assert [text for text in texts if "planted" in text] == []


def test_torch_is_not_loaded(world: World) -> None:
    code = (
        "import sys; from kpp.cli.main import app\n"
        f"app(['import', *{list(RANGE)!r}, '--prometheus-url', {world.prometheus.url!r}],\n"
        "    standalone_mode=False)\n"
        "assert 'torch' not in sys.modules"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=world.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
