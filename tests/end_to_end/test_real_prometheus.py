"""A real Prometheus scrapes a simulated cluster in real time, and the real collector measures with it."""

from pathlib import Path
from statistics import fmean

import pytest
import requests

from kpp.clock import SystemClock
from kpp.collector.preflight.findings import Outcome
from kpp.simulator.cluster import Simulation, SimulationSettings
from kpp.simulator.pace import RealPace
from kpp.simulator.serving import SCRAPE_CONFIGURATION
from tests.collector.preflight.checked_worlds import check
from tests.end_to_end.campaigns import serve_world
from tests.real_parts import require
from tests.simulator.promql.servers import serve_real
from tests.simulator.simulations import three_tier

SCRAPE_SECONDS = 0.75


def ask(url: str, query: str) -> dict[tuple[str, ...], float]:
    """The answer of an instant query, by the values of its labels, sorted by their names."""
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(f"{url}/api/v1/query", params={"query": query}, timeout=30).json()
    return {
        tuple(value for _, value in sorted(each["metric"].items())): float(each["value"][1])
        for each in answer["data"]["result"]
    }


def test_the_collector_measures_with_a_real_prometheus(tmp_path: Path) -> None:
    require("prometheus")
    clock = SystemClock()
    settings = SimulationSettings(scrape_seconds=SCRAPE_SECONDS)
    simulation = Simulation(three_tier(), clock.now(), settings)
    with serve_world(simulation, tmp_path, RealPace(simulation)) as world:
        configuration = (tmp_path / SCRAPE_CONFIGURATION).read_text(encoding="utf-8")
        with serve_real(tmp_path, configuration) as real_url:
            campaign = world.collect(
                clock,
                prometheus_url=real_url,
                user_counts=(30,),
                spawn_rate=30,
                rate_window_seconds=6,
                warmup_seconds=8,
                sampling_interval_seconds=6,
                cpu_rate_window_seconds=6,
                measured_seconds=18,
                evaluation_lag_seconds=3,
            )
            windows = {"rate_window_seconds": 6, "cpu_rate_window_seconds": 6}
            report = check(world, clock, None, prometheus_url=real_url, **windows)
            up = ask(real_url, "sum by (job) (up)")
            jobs = ask(world.served.prometheus_url, "sum by (job) (up)")
            labels = ask(real_url, 'group by (__name__) ({__name__=~"istio_.+|container_.+|kube_.+"})')
            embedded = ask(
                world.served.prometheus_url,
                'group by (__name__) ({__name__=~"istio_.+|container_.+|kube_.+"})',
            )
    assert (
        up
        == jobs
        == {
            ("kubernetes-pods",): 6,
            ("kubernetes-nodes-cadvisor",): 1,
            ("kube-state-metrics",): 1,
        }
    )
    assert labels.keys() == embedded.keys()
    assert [each for each in report.findings if each.outcome is not Outcome.PASS] == []

    assert len(campaign.rows) == 3 * 2
    for service in ("web", "api"):
        rows = [row for row in campaign.rows if row.service == service]
        truths = [campaign.truth_of(row) for row in rows]
        assert fmean(row.throughput_rps or 0 for row in rows) == pytest.approx(
            fmean(truth.throughput_rps for truth in truths), rel=0.2
        )
        assert fmean(row.response_time_seconds or 0 for row in rows) == pytest.approx(
            fmean(truth.reported_milliseconds / 1000 for truth in truths), rel=0.25
        )
        assert fmean(row.cpu_cores or 0 for row in rows) == pytest.approx(
            fmean(truth.cpu_cores for truth in truths), rel=0.25
        )
        assert {row.replicas for row in rows} == {2}
        assert {row.cpu_limit_cores for row in rows} == {0.5}
