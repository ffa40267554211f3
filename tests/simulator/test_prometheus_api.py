"""The embedded Prometheus over HTTP, as clients that nobody here wrote see it."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
from prometheus_api_client import PrometheusConnect

from kpp.clock import ManualClock
from kpp.simulator.promql import SampleStore, ScrapedTarget
from tests.real_parts import require
from tests.simulator.promql.servers import serve_embedded

STARTED_AT = 1_700_000_000.0
NOW = STARTED_AT + 600


@pytest.fixture(scope="module")
def store() -> SampleStore:
    store = SampleStore()
    for pod, per_second in (("cart-1", 2.0), ("cart-2", 3.0)):
        target = ScrapedTarget(store, {"job": "pods", "pod": pod})
        number = target.series_number({"__name__": "requests_total"})
        for second in range(0, 601, 15):
            target.scrape(STARTED_AT + second, [number], [1000 + per_second * second])
    return store


@pytest.fixture(scope="module")
def url(store: SampleStore) -> Iterator[str]:
    with serve_embedded(store, ManualClock(NOW)) as url:
        yield url


@pytest.fixture
def promtool() -> Path:
    return require("promtool")


def run(program: Path, *arguments: str) -> str:
    """Run promtool; returns what it printed."""
    finished = subprocess.run([program, *arguments], check=False, capture_output=True, text=True, timeout=60)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_promtool_asks_for_an_instant(promtool: Path, url: str) -> None:
    printed = run(
        promtool, "query", "instant", url, f"sum(rate(requests_total[1m] @ {NOW}))", f"--time={NOW:.0f}"
    )
    assert printed == f"{{}} => 5 @[{NOW:.0f}]\n"


def test_promtool_asks_for_a_range(promtool: Path, url: str) -> None:
    printed = run(
        promtool,
        "query",
        "range",
        url,
        'rate(requests_total{pod="cart-2"}[1m])',
        f"--start={STARTED_AT + 300:.0f}",
        f"--end={STARTED_AT + 360:.0f}",
        "--step=30s",
    )
    values = [f"3 @[{STARTED_AT + second:.0f}]" for second in (300, 330, 360)]
    assert printed.splitlines() == ['{job="pods", pod="cart-2"} =>', *values]


def test_promtool_lists_series_and_label_values(promtool: Path, url: str) -> None:
    bounds = (f"--start={STARTED_AT:.0f}", f"--end={NOW:.0f}")
    printed = run(promtool, "query", "series", url, '--match={pod=~"cart-.",job!=""}', *bounds)
    assert printed.splitlines() == [
        f'{{__name__="{name}", job="pods", pod="cart-{number}"}}'
        for name in ("requests_total", "up")
        for number in (1, 2)
    ]
    assert run(promtool, "query", "labels", url, "pod", *bounds).split() == ["cart-1", "cart-2"]


def test_promtool_says_why_a_query_was_refused(promtool: Path, url: str) -> None:
    finished = subprocess.run(
        [promtool, "query", "instant", url, "stddev(up)"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert finished.returncode != 0
    assert (
        'bad_data: invalid parameter "query": parse error: aggregation "stddev" is not supported'
        in finished.stderr
    )


def test_the_python_client_that_the_collector_uses(url: str) -> None:
    client = PrometheusConnect(url=url)
    assert client.check_prometheus_connection()
    assert client.all_metrics() == ["requests_total", "up"]
    assert client.get_label_values("pod") == ["cart-1", "cart-2"]
    (answer,) = client.custom_query("sum(rate(requests_total[1m]))")
    assert answer == {"metric": {}, "value": [NOW, "5"]}
    (answer,) = client.custom_query_range(
        "sum(up)", datetime.fromtimestamp(NOW - 60, UTC), datetime.fromtimestamp(NOW, UTC), "30"
    )
    assert answer == {"metric": {}, "values": [[NOW - 60, "2"], [NOW - 30, "2"], [NOW, "2"]]}


def test_now_is_what_the_clock_says(store: SampleStore) -> None:
    clock = ManualClock(NOW)
    with serve_embedded(store, clock) as url:
        ask = f"{url}/api/v1/query?query=time()"
        assert requests.get(ask, timeout=10).json()["data"]["result"] == [NOW, f"{NOW:.0f}"]
        clock.sleep(7.25)
        assert requests.get(ask, timeout=10).json()["data"]["result"] == [NOW + 7.25, f"{NOW + 7.25}"]


def test_what_is_scraped_next_is_seen_next(url: str, store: SampleStore) -> None:
    ask = f"{url}/api/v1/query?query=fresh&time={NOW}"
    assert requests.get(ask, timeout=10).json()["data"]["result"] == []
    store.append(store.series_number({"__name__": "fresh"}), round(NOW * 1000), 1.0)
    assert requests.get(ask, timeout=10).json()["data"]["result"] == [
        {"metric": {"__name__": "fresh"}, "value": [NOW, "1"]}
    ]


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("query?query=up", {"resultType": "vector", "result": []}),
        ("query?query=up[5m]", {"resultType": "matrix", "result": []}),
        ("query_range?query=sum(rate(up[1m]))&start=0&end=9&step=1", {"resultType": "matrix", "result": []}),
        ("series?match[]=up", []),
        ("labels", []),
        ("label/job/values", []),
    ],
)
def test_an_empty_store_has_nothing(path: str, data: object) -> None:
    with serve_embedded(SampleStore(), ManualClock(NOW)) as url:
        answer = requests.get(f"{url}/api/v1/{path}", timeout=10)
    assert answer.json() == {"status": "success", "data": data}
