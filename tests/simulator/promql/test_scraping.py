"""What becomes of scraped samples, as in a real Prometheus that scrapes the same target."""

import json
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
import requests

from kpp.simulator.promql import NO_OWN_TIMESTAMP, SampleStore, ScrapedTarget, query_instant
from tests.simulator.promql.exposition import Exposed, Exposition, serve_exposition
from tests.simulator.promql.servers import serve_real

LIMIT_SECONDS = 60
SHOWN = '{__name__!~"scrape_.*",__name__=~".+"}'

Names = set[frozenset[tuple[str, str]]]


def names_of(result: Iterable[dict[str, dict[str, str]]]) -> Names:
    return {frozenset(series["metric"].items()) for series in result}


class EmbeddedScrapes:
    """The embedded counterpart of a Prometheus that scrapes one target under two jobs."""

    def __init__(self, instance: str) -> None:
        self.store = SampleStore()
        self.now = 1_700_000_000.0
        self.targets = [
            ScrapedTarget(
                self.store, {"job": job, "instance": instance, "zone": "here"}, honor_labels=job == "honest"
            )
            for job in ("plain", "honest")
        ]

    def scrape(self, samples: Iterable[Exposed] | None) -> None:
        self.now += 0.2
        for target in self.targets:
            if samples is None:
                target.fail(self.now)
                continue
            shown = list(samples)
            target.scrape(
                self.now,
                [target.series_number(labels) for labels, _, _ in shown],
                [value for _, value, _ in shown],
                [NO_OWN_TIMESTAMP if own is None else round(self.now * 1000) - 60_000 for _, _, own in shown],
            )

    def vanish(self) -> None:
        self.now += 0.2
        for target in self.targets:
            target.vanish(self.now)

    def names(self) -> Names:
        return names_of(query_instant(self.store, SHOWN, round(self.now * 1000))["result"])


def settings(*instances: str) -> str:
    return json.dumps(  # JSON is YAML
        {
            "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms"},
            "scrape_configs": [
                {
                    "job_name": job,
                    "honor_labels": job == "honest",
                    "static_configs": [{"targets": list(instances), "labels": {"zone": "here"}}],
                }
                for job in ("plain", "honest")
            ],
        }
    )


def samples(*names: str) -> list[Exposed]:
    """Some of what the target can show; `lagging` has a timestamp of its own, as cAdvisor's samples have."""
    own_ms = round(time.time() * 1000) - 60_000
    all_samples: list[Exposed] = [
        ({"__name__": "steady", "path": "/"}, 1.0, None),
        ({"__name__": "passing", "path": "/"}, 2.0, None),
        ({"__name__": "lagging", "path": "/"}, 3.0, own_ms),
        ({"__name__": "rival", "job": "own", "zone": "there", "exported_zone": "taken"}, 4.0, None),
    ]
    return [sample for sample in all_samples if sample[0]["__name__"] in names]


def await_names(url: str, expected: Names) -> None:
    """Wait until the real one shows the same series."""
    deadline = time.monotonic() + LIMIT_SECONDS
    found: Names = set()
    while time.monotonic() < deadline:
        answer = requests.get(f"{url}/api/v1/query", params={"query": SHOWN}, timeout=10)
        found = names_of(answer.json()["data"]["result"])
        if found == expected:
            return
        time.sleep(0.1)
    raise AssertionError(f"only here: {expected - found}; only there: {found - expected}")


def show(exposition: Exposition, embedded: EmbeddedScrapes, shown: list[Exposed] | None) -> None:
    exposition.samples = shown
    embedded.scrape(shown)


def test_series_come_and_go_as_in_a_real_prometheus(tmp_path: Path) -> None:
    with (
        serve_exposition() as exposition,
        serve_real(tmp_path, settings(exposition.address)) as url,
    ):
        embedded = EmbeddedScrapes(exposition.address)
        show(exposition, embedded, samples("steady", "passing", "lagging", "rival"))
        await_names(url, embedded.names())
        assert len(embedded.names()) == 2 * (4 + 1)

        show(exposition, embedded, samples("steady"))
        await_names(url, embedded.names())
        assert len(embedded.names()) == 2 * (1 + 1 + 1)  # `lagging` lingers, and there is `up`

        show(exposition, embedded, None)
        await_names(url, embedded.names())
        assert len(embedded.names()) == 2 * (1 + 1)

        show(exposition, embedded, samples("steady", "passing"))
        await_names(url, embedded.names())

        (tmp_path / "prometheus.yml").write_text(settings())
        requests.post(f"{url}/-/reload", timeout=10).raise_for_status()
        embedded.vanish()
        await_names(url, embedded.names())
        assert len(embedded.names()) == 2  # only what never ends


@pytest.fixture
def store() -> SampleStore:
    return SampleStore()


def values(store: SampleStore, query: str, at: float) -> list[str]:
    return [series["value"][1] for series in query_instant(store, query, round(at * 1000))["result"]]


def test_up_tells_whether_the_scrape_went_well(store: SampleStore) -> None:
    target = ScrapedTarget(store, {"job": "a", "instance": "b"})
    target.scrape(10.0, [], [])
    assert values(store, "up", 10) == ["1"]
    target.fail(20.0)
    assert values(store, "up", 20) == ["0"]
    target.vanish(30.0)
    assert values(store, "up", 30) == []


def test_a_series_that_is_gone_ends_at_once_and_may_return(store: SampleStore) -> None:
    target = ScrapedTarget(store, {"job": "a", "instance": "b"})
    number = target.series_number({"__name__": "x"})
    target.scrape(10.0, [number], [1.0])
    target.scrape(20.0, [], [])
    assert values(store, "x", 19) == ["1"]
    assert values(store, "x", 20) == []
    target.scrape(30.0, [number], [2.0])
    assert values(store, "x", 30) == ["2"]


def test_own_timestamps_collapse_and_never_end(store: SampleStore) -> None:
    target = ScrapedTarget(store, {"job": "a", "instance": "b"})
    number = target.series_number({"__name__": "x"})
    for scraped_at in (10.0, 15.0, 20.0):
        target.scrape(scraped_at, [number], [1.0], 5_000)
    target.scrape(25.0, [], [])
    assert values(store, "count_over_time(x[1m])", 30) == ["1"]
    assert values(store, "x", 5 + 300) == ["1"]
    assert values(store, "x", 5 + 301) == []
