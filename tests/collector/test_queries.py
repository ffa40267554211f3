"""What the queries measure, as the real Prometheus evaluates them over series with rates set by hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from kpp.clock import ManualClock
from kpp.collector.cluster.services import Service
from kpp.collector.config import Config
from kpp.collector.profiles.profile import Signal
from kpp.collector.profiles.reading import read_profile
from kpp.collector.prometheus.api import PrometheusApi
from kpp.collector.prometheus_client import Call, CpuSource, PrometheusClient, Signals
from kpp.collector.queries import Query, quote
from tests.collector.boutique_series import AMBIENT, NEIGHBOR, ODD_NAME, POD_LABELS, SHOP, boutique_series
from tests.collector.real_prometheus import ENDED_AT, serve_series

QUERIES = read_profile("istio-sidecar").queries
SERVICES = tuple(
    Service(name, name)
    for name in ("frontend", "cartservice", "adservice", "checkoutservice", "emailservice")
)
PODS = {
    "frontend-1": "frontend",
    "cartservice-1": "cartservice",
    "cartservice-2": "cartservice",
    "adservice-1": "adservice",
    "emailservice-1": "emailservice",
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve_series(boutique_series(), tmp_path_factory.mktemp("prometheus")) as url:
        yield url


def connect(url: str, namespace: str, profile: str = "istio-sidecar") -> PrometheusClient:
    config = Config(prometheus_url=url, namespace=namespace, profile=profile)
    return PrometheusClient(config, ManualClock(ENDED_AT))


def sample(url: str, namespace: str = SHOP, at: float = ENDED_AT) -> dict[str, Signals]:
    with connect(url, namespace) as client:
        return client.sample(at, PODS, SERVICES, client.detect_cpu_source(at))


# between two scrapes as well, where `rate` has to extrapolate: of evenly growing counters, without error
@pytest.mark.parametrize("at", [ENDED_AT, ENDED_AT - 7.321])
def test_counts_each_request_and_each_core_once(url: str, at: float) -> None:
    frontend = sample(url, at=at)["frontend"]
    assert vars(frontend) == pytest.approx(
        {
            "response_time_seconds": 0.020,  # the server's; the client saw 60 ms
            "throughput_rps": 2.0 + 0.4 + 0.2 + 0.1 + 0.3,
            "cpu_cores": 0.3,  # `server`, not its pod's cgroup, nor the pause container, nor the dead pod
            "sidecar_cpu_cores": 0.1,
            "throttled": 2.0 / 10.0,  # the sidecar is throttled all the time
            "error_rate_rps": 0.2 + 0.1,  # 500 and 0, not 302 and 404
            "response_time_p95_seconds": (25 + 25 * (0.95 - 0.9) / (1.0 - 0.9)) / 1000,
        }
    )


@pytest.mark.parametrize("at", [ENDED_AT, ENDED_AT - 7.321])
def test_adds_up_pods_though_one_restarted(url: str, at: float) -> None:
    cart = sample(url, at=at)["cartservice"]
    assert vars(cart) == pytest.approx(
        {
            "response_time_seconds": 0.004,
            "throughput_rps": 0.6 + 0.3 + 0.1 + 0.05 + 0.15,  # the last from another namespace
            "cpu_cores": 0.2 + 0.1,
            "sidecar_cpu_cores": 0.04 + 0.05,
            "throttled": (1.0 + 2.0) / (9.0 + 3.0),
            "error_rate_rps": 0.1 + 0.05,  # gRPC's failures, the one that is HTTP's too counted once
            "response_time_p95_seconds": (5 + 5 * 0.95) / 1000,
        }
    )


def test_an_idle_service_has_no_response_time(url: str) -> None:
    idle = sample(url)["adservice"]
    assert (idle.throughput_rps, idle.response_time_seconds, idle.response_time_p95_seconds) == (
        0,
        None,
        None,
    )
    assert idle.error_rate_rps is None
    assert idle.cpu_cores == pytest.approx(0.01 + 0.02)
    assert (idle.sidecar_cpu_cores, idle.throttled) == (None, None)  # it has no sidecar and no limit


def test_a_service_without_failures_has_an_error_rate_of_zero(url: str) -> None:
    assert sample(url)["checkoutservice"].error_rate_rps == 0.0


def test_a_service_without_pods_has_no_cpu_usage(url: str) -> None:
    assert sample(url)["checkoutservice"].cpu_cores is None


def test_a_service_without_series_has_nothing(url: str) -> None:
    assert set(vars(sample(url)["emailservice"]).values()) == {None}


def test_a_window_without_scrapes_has_nothing(url: str) -> None:
    assert set(vars(sample(url, at=ENDED_AT + 3600)["frontend"]).values()) == {None}


def test_takes_the_pods_series_where_the_runtime_labels_only_pods(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with connect(url, POD_LABELS) as client:
        assert client.detect_cpu_source(ENDED_AT) is CpuSource.PODS
        assert "application and sidecar can't be told apart" in caplog.text
        signals = client.sample(ENDED_AT, {"frontend-1": "frontend"}, SERVICES, CpuSource.PODS)
    assert signals["frontend"].cpu_cores == pytest.approx(0.4)
    assert (signals["frontend"].sidecar_cpu_cores, signals["frontend"].throttled) == (None, None)


def test_prefers_the_containers_series(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with connect(url, SHOP) as client:
        assert client.detect_cpu_source(ENDED_AT) is CpuSource.CONTAINERS
    assert not caplog.records


def test_warns_where_there_is_no_cpu_usage_at_all(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with connect(url, "deserted") as client:
        assert client.detect_cpu_source(ENDED_AT) is CpuSource.CONTAINERS
    assert "no CPU usage in namespace deserted" in caplog.text


def test_measures_calls_per_request_served(url: str) -> None:
    with connect(url, SHOP) as client:
        calls = client.measure_calls(ENDED_AT - 300, ENDED_AT, SERVICES)
    expected = {
        ("checkoutservice", "cartservice"): 0.05 / 0.02,
        ("frontend", "cartservice"): (0.6 + 0.3 + 0.1) / 3.0,  # not those of the frontend next door
        ("frontend", "checkoutservice"): 0.02 / 3.0,
    }  # no loadgenerator, no unknown, no idle adservice
    assert {(call.caller, call.callee): call.calls for call in calls} == pytest.approx(expected)
    assert list(calls) == sorted(calls, key=lambda call: (call.caller, call.callee))
    assert all(isinstance(call, Call) for call in calls)


def test_keeps_to_its_namespace(url: str) -> None:
    neighbor = sample(url, NEIGHBOR)["frontend"]
    assert neighbor.throughput_rps == pytest.approx(100.0)
    assert neighbor.error_rate_rps == pytest.approx(100.0)


def test_asks_the_waypoints_of_an_ambient_mesh(url: str) -> None:
    with connect(url, AMBIENT, "istio-ambient") as client:
        signals = client.sample(ENDED_AT, {}, SERVICES, CpuSource.CONTAINERS)
        calls = client.measure_calls(ENDED_AT - 300, ENDED_AT, SERVICES)
    assert signals["frontend"].throughput_rps == pytest.approx(2.0)
    assert signals["frontend"].response_time_seconds == pytest.approx(0.030)
    assert signals["cartservice"].error_rate_rps == pytest.approx(0.5)
    assert [(call.caller, call.callee) for call in calls] == [("frontend", "cartservice")]
    assert calls[0].calls == pytest.approx(0.25)
    assert set(vars(sample(url, AMBIENT)["frontend"]).values()) == {None}, "sidecars there are none"


def test_a_profile_of_ones_own_is_asked_and_what_it_lacks_stays_empty(url: str, tmp_path: Path) -> None:
    profile = tmp_path / "renamed.toml"
    profile.write_text(
        """
[labels]
workload = "workload"
sidecar = "log-shipper"

[requests]
throughput = '''
label_replace(
  sum by (destination_workload) (rate(istio_requests_total{
    reporter="destination", destination_workload_namespace=$namespace, destination_workload!~"check.*$$"
  }[$window])),
  "workload", "$$1", "destination_workload", "(.*)"
)
'''
response_time = "label_replace(vector(0.25), 'workload', 'adservice', '', '')"

[cpu]
by_container = '''
sum by (pod, container) (rate(container_cpu_usage_seconds_total{namespace=$namespace}[$window]))
'''
"""
    )
    with connect(url, SHOP, str(profile)) as client:
        signals = client.sample(ENDED_AT, PODS, SERVICES, CpuSource.CONTAINERS)
        assert client.measure_calls(ENDED_AT - 300, ENDED_AT, SERVICES) == ()
    assert signals["frontend"].throughput_rps == pytest.approx(3.0)
    assert signals["checkoutservice"].throughput_rps is None
    assert signals["adservice"].response_time_seconds == 0.25
    assert signals["adservice"].sidecar_cpu_cores == pytest.approx(0.02)
    assert {signals["frontend"].error_rate_rps, signals["frontend"].throttled} == {None}


def test_finds_a_namespace_of_any_name(url: str) -> None:
    api = PrometheusApi(url, ODD_NAME, timeout_seconds=10, clock=ManualClock())
    (found,) = api.query(QUERIES[Signal.THROUGHPUT], ENDED_AT, 60)
    api.close()
    assert found.value[1] == pytest.approx(3.0)


@pytest.mark.parametrize("query", QUERIES.values(), ids=lambda query: query.name)
def test_prometheus_takes_each_text_as_it_is(url: str, query: Query) -> None:
    text = query.text(SHOP, 60)
    answer = requests.get(
        f"{url}/api/v1/query", params={"query": text, "time": str(ENDED_AT)}, timeout=10
    ).json()
    assert answer["status"] == "success"
    assert answer["data"]["result"], "the series of the shop have something for every query"


@settings(max_examples=50, deadline=None)
@given(text=st.text(min_size=1))
def test_prometheus_reads_a_quoted_text_as_it_was(url: str, text: str) -> None:
    # joining two absent labels gives the separator
    query = f'label_join(vector(1), "joined", {quote(text)}, "absent", "absent")'
    answer = requests.get(f"{url}/api/v1/query", params={"query": query}, timeout=10).json()
    assert answer["data"]["result"][0]["metric"] == {"joined": text}
