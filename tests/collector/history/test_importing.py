"""Imports from a real Prometheus that holds series with rates set by hand."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import requests

from kpp.clock import ManualClock
from kpp.collector.config import Config
from kpp.collector.history.importing import Request, import_history, make_questions
from kpp.collector.history.instants import Grid
from kpp.collector.history.ranges import Question, ask_all
from kpp.collector.profiles.reading import read_profile
from kpp.collector.prometheus.api import PrometheusApi
from kpp.errors import ConfigError, QueryError
from kpp.schema import (
    CPU_LIMIT,
    CPU_REQUEST,
    CPU_USAGE,
    ERROR_RATE,
    REPLICAS,
    RESPONSE_TIME,
    RESPONSE_TIME_P95,
    SERVICE,
    SIDECAR_CPU_USAGE,
    THROTTLED,
    THROUGHPUT,
    TIMESTAMP,
    USER_COUNT,
    read_measurements,
)
from tests.collector.boutique_series import POD_LABELS, SHOP, boutique_series
from tests.collector.real_prometheus import ENDED_AT, STARTED_AT, serve_series

HOSTILE = "hostile"
NAMES = ('quote"d', "new\nline", "../../etc", "-dash", "fine")
GRID = Grid(STARTED_AT, 60, 11)  # the first instant has a single scrape behind it


class Quiet:
    """An observer that sees nothing."""

    def started(self, chunk_count: int) -> None:
        """Nothing."""

    def advanced(self) -> None:
        """Nothing."""


def hostile_series() -> Iterator[str]:
    for name in NAMES:
        labels = f'reporter="destination",destination_workload_namespace="{HOSTILE}"'
        labels += f",destination_workload={json.dumps(name)}"
        for number in range(41):
            yield f"istio_requests_total{{{labels}}} {30 * number} {STARTED_AT + 15 * number}"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    series = [*boutique_series(), *hostile_series()]
    with serve_series(series, tmp_path_factory.mktemp("prometheus")) as url:
        yield url


def config(url: str, folder: Path, **settings: Any) -> Config:
    found: dict[str, Any] = {
        "prometheus_url": url,
        "namespace": SHOP,
        "cpu_rate_window_seconds": 60,
        "output_directory": folder,
    }
    return Config(**{**found, **settings})


def table_of(url: str, folder: Path, request: Request | None = None, **settings: Any) -> pd.DataFrame:
    request = request or Request(GRID)
    imported = import_history(config(url, folder, **settings), request, ManualClock(ENDED_AT), Quiet())
    frame = pd.read_csv(imported.files.measurements)
    assert len(frame) == imported.row_count
    read_measurements([imported.files.measurements])
    return frame


def test_each_row_has_the_rates_that_were_set(url: str, tmp_path: Path) -> None:
    frame = table_of(url, tmp_path)
    assert sorted(frame[SERVICE].unique()) == ["adservice", "cartservice", "checkoutservice", "frontend"]
    assert frame[TIMESTAMP].min() == STARTED_AT + 60, "before, the entry service's rate is not known"
    frontend = frame[frame[SERVICE] == "frontend"].drop(columns=SERVICE)
    assert len(frontend) == 10
    for column, value in {
        USER_COUNT: 3,
        THROUGHPUT: 3.0,
        RESPONSE_TIME: 0.020,
        RESPONSE_TIME_P95: 0.0375,
        ERROR_RATE: 0.3,
        CPU_USAGE: 0.3,
        SIDECAR_CPU_USAGE: 0.1,
        THROTTLED: 0.2,
        REPLICAS: 1,
        CPU_REQUEST: 0.1,
        CPU_LIMIT: 0.2,
    }.items():
        assert frontend[column].to_numpy() == pytest.approx(value), column


def test_pods_add_up_and_what_is_not_known_stays_empty(url: str, tmp_path: Path) -> None:
    last = table_of(url, tmp_path).groupby(SERVICE).last()
    assert last.loc["cartservice", CPU_USAGE] == pytest.approx(0.3)
    assert last.loc["cartservice", REPLICAS] == 2
    assert last.loc["cartservice", CPU_LIMIT] == pytest.approx(0.3), "of one replica"
    assert last.loc["adservice", [CPU_LIMIT, RESPONSE_TIME, THROTTLED]].isna().all(), (
        "a container has no limit"
    )
    assert last.loc["adservice", CPU_USAGE] == pytest.approx(0.03)
    assert last.loc["checkoutservice", [CPU_USAGE, CPU_REQUEST]].isna().all(), "it has no pod"
    assert last.loc["checkoutservice", REPLICAS] == 0


def test_calls_and_record_stand_beside_the_table(url: str, tmp_path: Path) -> None:
    table_of(url, tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    stamp = "20231114-222330"
    assert names == [
        f"performance_calls_{stamp}.csv",
        f"performance_import_{stamp}.json",
        f"performance_results_{stamp}.csv",
    ]
    calls = pd.read_csv(tmp_path / names[0]).set_index(["Caller", "Callee"])["Calls"]
    assert calls["frontend", "cartservice"] == pytest.approx(1 / 3)
    record = json.loads((tmp_path / names[1]).read_text())
    assert (record["from"], record["load"]) == ("2023-11-14T22:13:30Z", "request rate")
    answer = requests.get(
        f"{url}/api/v1/query",
        params={"query": record["queries"]["requests.throughput"], "time": str(ENDED_AT)},
        timeout=10,
    ).json()
    assert len(answer["data"]["result"]) == 5, "the record's text can be pasted"


def test_a_runtime_that_labels_only_pods_is_asked_for_those(url: str, tmp_path: Path) -> None:
    # its pods are not in kube-state-metrics either, and have no names of a Deployment's pods
    with pytest.raises(ConfigError, match="no service of the namespace pod-labels served a request"):
        table_of(url, tmp_path, namespace=POD_LABELS)


def test_names_that_mean_harm_are_left_out_with_one_line(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "inside"
    frame = table_of(url, folder, namespace=HOSTILE, entry_service="fine")
    assert list(frame[SERVICE].unique()) == ["fine"]
    (record,) = [each for each in caplog.records if "DNS-1123" in each.getMessage()]
    assert "\n" not in record.getMessage()
    assert {path.name for path in tmp_path.iterdir()} == {"inside"}


def test_more_instants_than_prometheus_gives_in_one_answer(url: str) -> None:
    grid = Grid(ENDED_AT - 12_000, 1, 12_001)
    api = PrometheusApi(url, SHOP, 20, ManualClock())
    text = next(
        each.text
        for each in make_questions(config(url, Path()), Request(GRID), read_profile("istio-sidecar"))
    )
    try:
        with pytest.raises(QueryError, match="exceeded maximum resolution of 11,000 points"):
            api.query_range("whole", text, grid.start, grid.end, 1)
        answers = ask_all(api, grid, [Question("parts", text)], parallel=4, advance=lambda: None)
    finally:
        api.close()
    values = answers["parts"].by("destination_workload")["frontend",]
    assert values[-1] == pytest.approx(3.0)


@pytest.mark.parametrize("is_interrupted", [False, True])
def test_what_goes_wrong_leaves_no_file(is_interrupted: bool, url: str, tmp_path: Path) -> None:
    class Impatient(Quiet):
        def advanced(self) -> None:
            raise KeyboardInterrupt

    folder = tmp_path / "out"
    request = Request(GRID, users_query="vector(1)" if is_interrupted else "sum(")
    with pytest.raises(KeyboardInterrupt if is_interrupted else ConfigError):
        import_history(
            config(url, folder), request, ManualClock(), Impatient() if is_interrupted else Quiet()
        )
    assert not folder.exists()


def test_a_file_that_is_there_is_not_touched(url: str, tmp_path: Path) -> None:
    (tmp_path / "table_calls.csv").write_text("kept")
    with pytest.raises(ConfigError, match=r"table_calls\.csv: is there already"):
        table_of(url, tmp_path, Request(GRID, output=tmp_path / "table.csv"))
    with pytest.raises(ConfigError, match=r"table\.txt: the table is written as CSV"):
        table_of(url, tmp_path, Request(GRID, output=tmp_path / "table.txt"))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"table_calls.csv": "kept"}


def test_an_entry_service_that_is_not_there_is_told(url: str, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="the service web, whose request rate is to be the load, served no request"
    ):
        table_of(url, tmp_path, entry_service="web")
    with pytest.raises(ConfigError, match="nowhere more than 0 in this range: vector"):
        table_of(url, tmp_path, Request(GRID, users_query="vector(0)"))


def test_rates_look_back_over_the_step(url: str, tmp_path: Path) -> None:
    request = Request(Grid(STARTED_AT + 300, 300, 2))
    texts = {
        each.name: each.text
        for each in make_questions(config(url, tmp_path), request, read_profile("istio-sidecar"))
    }
    assert "[300s]" in texts["requests.throughput"]
    assert "[300s]" in texts["cpu.by_container"]
    frame = table_of(url, tmp_path, request)
    assert frame[frame[SERVICE] == "frontend"][THROUGHPUT].to_numpy() == pytest.approx(3.0)
