"""The client over real HTTP: what it asks, what it makes of good answers, and of all kinds of bad ones."""

import logging
import socket
from base64 import b64encode
from collections.abc import Iterator

import pytest

from kpp.clock import ManualClock
from kpp.collector.cluster.services import Service
from kpp.collector.config import Config, read_config
from kpp.collector.prometheus_client import CpuSource, PrometheusClient, Signals
from kpp.errors import PrometheusError
from tests.collector import boutique_load
from tests.collector.fake_prometheus import (
    BAD_DATA,
    EMPTY,
    NOT_READY,
    RESET,
    TIMED_OUT,
    FakePrometheus,
    Request,
    Response,
    matrix,
    recorded,
    slow,
    vector,
)

AT = 1_700_000_610.125
FRONTEND = Service("web", "frontend")  # the service's name need not be the Deployment's
SERVICES = tuple(Service(name, name) for name in boutique_load.SERVICES)
THROUGHPUT = "sum by (destination_workload) (\n  rate(istio_requests_total{\n    reporter"
FEW_ATTEMPTS = 3


@pytest.fixture
def fake() -> Iterator[FakePrometheus]:
    with FakePrometheus() as fake:
        yield fake


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(AT)


def connect(
    url: str, clock: ManualClock | None = None, request_timeout_seconds: float = 20.0
) -> PrometheusClient:
    config = Config(prometheus_url=url, namespace="shop", request_timeout_seconds=request_timeout_seconds)
    return PrometheusClient(config, clock or ManualClock(AT))


def sample(fake: FakePrometheus, service: Service = FRONTEND, pods: dict[str, str] | None = None) -> Signals:
    with connect(fake.url) as client:
        pods = {"frontend-1": service.name} if pods is None else pods
        return client.sample(AT, pods, [service], CpuSource.CONTAINERS)[service.name]


# --- what is asked


@pytest.mark.parametrize(("cpu_source", "query_count"), [(CpuSource.CONTAINERS, 9), (CpuSource.PODS, 7)])
@pytest.mark.parametrize("service_count", [1, 500])
def test_a_tick_is_a_handful_of_queries_at_one_instant(
    fake: FakePrometheus, cpu_source: CpuSource, query_count: int, service_count: int
) -> None:
    services = [Service(f"service-{number}", f"service-{number}") for number in range(service_count)]
    pods = {f"{service.name}-{replica}": service.name for service in services for replica in range(3)}
    with connect(fake.url) as client:
        signals = client.sample(AT, pods, services, cpu_source)
    assert set(signals) == {service.name for service in services}
    assert len(fake.requests) == query_count
    assert all('"shop"' in request.query for request in fake.requests)
    of_rates = [request for request in fake.requests if request.path == "/api/v1/query"]
    assert {request.params["time"] for request in of_rates} == {"1700000610.125"}
    ranges = {"istio_": "[60s]", "container_": "[120s]"}  # cAdvisor's samples are fewer
    for request in of_rates:
        assert [text for name, text in ranges.items() if name in request.query and text in request.query]


def test_a_tick_asks_when_samples_were_taken_in_the_windows_and_beside_them(fake: FakePrometheus) -> None:
    sample(fake)
    found = {
        "istio_requests_total" in request.query: [request.params[name] for name in ("start", "end", "step")]
        for request in fake.requests
        if request.path == "/api/v1/query_range"
    }
    assert found == {  # three windows, and 30 s after them
        True: ["1700000430.125", "1700000642.125", "4.000"],
        False: ["1700000250.125", "1700000642.125", "8.000"],
    }


def test_later_ticks_look_no_more_often_than_it_was_scraped(fake: FakePrometheus) -> None:
    def scraped_every_15_s(request: Request) -> Response:
        start, end, step = (float(request.params[name]) for name in ("start", "end", "step"))
        looks = [start + number * step for number in range(round((end - start) / step) + 1)]
        return matrix([({"pod": "frontend-1"}, [(at, str(at // 15 * 15)) for at in looks])])

    fake.answer(lambda request: "range" in request.path, scraped_every_15_s)
    with connect(fake.url) as client:
        for tick in range(3):
            client.sample(AT + 60 * tick, {"frontend-1": "web"}, [FRONTEND], CpuSource.CONTAINERS)
    steps = [request.params["step"] for request in fake.requests if "range" in request.path]
    assert steps == ["4.000", "8.000", *["14.250"] * 4]


def test_calls_are_measured_over_the_whole_experiment(fake: FakePrometheus) -> None:
    with connect(fake.url) as client:
        calls = client.measure_calls(AT - 600.4, AT, SERVICES)
    assert len(fake.requests) == 2
    assert all("[600s]" in request.query for request in fake.requests)
    assert {request.params["time"] for request in fake.requests} == {"1700000610.125"}
    by_pair = {(call.caller, call.callee): call.calls for call in calls}
    assert by_pair.keys() == boutique_load.CALLS.keys()
    assert by_pair["frontend", "currencyservice"] == pytest.approx(2.904, rel=0.06)
    assert by_pair["recommendationservice", "productcatalogservice"] == pytest.approx(1.0, rel=0.06)


def test_the_password_is_sent_and_not_shown(fake: FakePrometheus, clock: ManualClock) -> None:
    fake.fail_next(recorded("sign_in.html", status=401))
    url = fake.url.replace("http://", "http://kpp:secret@")
    with (
        PrometheusClient(read_config({}, {"PROMETHEUS_URL": url}, None), clock) as client,
        pytest.raises(PrometheusError) as caught,
    ):
        client.check_ready()
    assert fake.requests[0].headers["Authorization"] == f"Basic {b64encode(b'kpp:secret').decode()}"
    assert "secret" not in str(caught.value)
    assert fake.url in str(caught.value)


# --- good answers


def test_every_service_of_the_boutique_has_its_signals(fake: FakePrometheus) -> None:
    with connect(fake.url) as client:
        client.check_ready()
        assert client.detect_cpu_source(AT) is CpuSource.CONTAINERS
        signals = client.sample(AT, fake.pods, SERVICES, CpuSource.CONTAINERS)
    for name, measured in signals.items():
        rps = boutique_load.rate_of(name, AT, fake.user_count)
        assert measured.throughput_rps == pytest.approx(rps)
        assert measured.cpu_cores == pytest.approx(rps * boutique_load.SERVICES[name][2] + 0.002)
        assert measured.throttled == pytest.approx(0.02)
        assert measured.error_rate_rps == pytest.approx(0.002 * rps if name == "frontend" else 0.0)
        assert None not in vars(measured).values()


def test_signals_come_under_the_services_name_from_its_deployments_series(fake: FakePrometheus) -> None:
    fake.answer("istio_", recorded("vector.json"))
    assert sample(fake).throughput_rps == pytest.approx(3.0)


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf"])
def test_what_is_not_finite_is_missing(fake: FakePrometheus, value: str) -> None:
    labels = {"destination_workload": "frontend", "pod": "frontend-1", "container": "server"}
    fake.answer("", vector([(labels, value)]))
    assert set(vars(sample(fake)).values()) == {None}


def test_recorded_nan_is_missing(fake: FakePrometheus) -> None:
    fake.answer("duration_milliseconds_sum", recorded("not_finite.json"))
    assert sample(fake, Service("adservice", "adservice")).response_time_seconds is None
    assert sample(fake, Service("frontend", "frontend")).response_time_seconds == pytest.approx(0.02)


def test_infinities_of_a_division_are_missing(fake: FakePrometheus) -> None:
    fake.answer("duration_milliseconds_sum", recorded("infinite.json"))
    assert sample(fake).response_time_seconds is None


def test_a_replica_without_series_makes_the_sum_missing(fake: FakePrometheus) -> None:
    fake.pods = {"frontend-1": "frontend", "frontend-2": "frontend"}
    known = {"frontend-1": "web", "frontend-2": "web"}
    assert sample(fake, pods=known).cpu_cores is not None
    with_a_new_one = sample(fake, pods={**known, "frontend-3": "web"})
    assert (with_a_new_one.cpu_cores, with_a_new_one.sidecar_cpu_cores) == (None, None)
    assert with_a_new_one.throttled == pytest.approx(0.02), "a share of the others"


# --- missing data is said once


def test_missing_signals_are_reported_once(fake: FakePrometheus, caplog: pytest.LogCaptureFixture) -> None:
    fake.answer("", EMPTY)
    with connect(fake.url) as client:
        for tick in range(3):
            client.sample(AT + 60 * tick, {"frontend-1": "web"}, [FRONTEND], CpuSource.CONTAINERS)
    assert [record.getMessage() for record in caplog.records] == [
        "Service web has no data for: Response Time (s), Throughput (req/s), CPU Usage, Error Rate (req/s), "
        "Response Time p95 (s); such cells stay empty (this is said once)"
    ]


def test_a_signal_that_goes_missing_later_is_reported_then(
    fake: FakePrometheus, caplog: pytest.LogCaptureFixture
) -> None:
    with connect(fake.url) as client:
        pods = {pod: "web" for pod, service in fake.pods.items() if service == "frontend"}
        client.sample(AT, pods, [FRONTEND], CpuSource.CONTAINERS)
        assert not caplog.records
        fake.answer("histogram_quantile", EMPTY)
        client.sample(AT, pods, [FRONTEND], CpuSource.CONTAINERS)
    assert "Service web has no data for: Response Time p95 (s);" in caplog.text


def test_a_service_without_limit_and_sidecar_is_no_cause_for_a_warning(
    fake: FakePrometheus, caplog: pytest.LogCaptureFixture
) -> None:
    fake.answer("cfs", EMPTY)
    fake.answer("container_cpu_usage", vector([({"pod": "frontend-1", "container": "server"}, 0.1)]))
    with caplog.at_level(logging.INFO, logger="kpp"):
        sample(fake)
    (record,) = [record for record in caplog.records if record.name.startswith("kpp")]
    assert record.levelno == logging.INFO
    assert "no data for: Sidecar CPU Usage, Throttled;" in record.getMessage()


def test_warnings_of_prometheus_are_passed_on_once(
    fake: FakePrometheus, caplog: pytest.LogCaptureFixture
) -> None:
    fake.answer("vector(1)", recorded("warnings.json"))
    with connect(fake.url) as client:
        client.check_ready()
        client.check_ready()
    assert [record.getMessage() for record in caplog.records] == [
        "Prometheus about query 'self-test': remote read: store is incomplete",
        "Prometheus about query 'self-test': PromQL info: metric might not be a counter, name does not end "
        'in _total/_sum/_count/_bucket: "up" (1:6)',
    ]


def test_a_partial_answer_of_victoriametrics_is_told(
    fake: FakePrometheus, caplog: pytest.LogCaptureFixture
) -> None:
    body = recorded("vector.json").body.replace(b'"status"', b'"isPartial":true,"status"', 1)
    fake.answer("vector(1)", Response(body, headers={"Content-Type": "application/json"}))
    with connect(fake.url) as client:
        client.check_ready()
    assert "query 'self-test': the store says that the answer is partial" in caplog.text


# --- faults that pass


@pytest.mark.parametrize(
    "failure", [NOT_READY, TIMED_OUT, Response(status=500), Response(status=502), Response(status=429), RESET]
)
def test_passing_faults_are_tried_again(fake: FakePrometheus, clock: ManualClock, failure: Response) -> None:
    fake.fail_next(failure, times=2)
    with connect(fake.url, clock) as client:
        client.check_ready()
    assert len(fake.requests) == FEW_ATTEMPTS
    assert len({str(request.params) for request in fake.requests}) == 1, "the same question each time"
    assert clock.now() == AT + 1 + 2


@pytest.mark.parametrize(
    ("failure", "text"),
    [
        (NOT_READY, "refused with HTTP 503: Service Unavailable; wait until Prometheus is ready"),
        (TIMED_OUT, "refused with HTTP 503: timeout: query timed out in expression evaluation"),
        (recorded("sign_in.html", status=502), "refused with HTTP 502: Bad Gateway (text/html)"),
        (RESET, "the connection failed: "),
        (
            Response(b"x" * 99, cut_after=9),
            "the connection failed: IncompleteRead(9 bytes read, 90 more expected)",
        ),
        (slow(EMPTY, 30), "no answer within 0.2 s; raise KPP_REQUEST_TIMEOUT_SECONDS"),
    ],
)
def test_passing_faults_that_stay_are_given_up(
    fake: FakePrometheus, clock: ManualClock, failure: Response, text: str
) -> None:
    fake.answer("vector(1)", failure)
    client = connect(fake.url, clock, request_timeout_seconds=0.2 if failure.delay_seconds else 20.0)
    with client, pytest.raises(PrometheusError) as caught:
        client.check_ready()
    assert f"{fake.url}: query 'self-test': {text}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(fake.requests) == FEW_ATTEMPTS


@pytest.mark.parametrize(
    ("retry_after", "waited_seconds"),
    [("7", 7), ("86400", 30), ("Wed, 21 Oct 2015 07:28:00 GMT", 1), ("-3", 1), ("0", 0)],
)
def test_retry_after_is_heeded_within_reason(
    fake: FakePrometheus, clock: ManualClock, retry_after: str, waited_seconds: float
) -> None:
    fake.fail_next(Response(status=429, headers={"Retry-After": retry_after}))
    with connect(fake.url, clock) as client:
        client.check_ready()
    assert clock.now() == AT + waited_seconds


def test_nobody_listens(clock: ManualClock) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with connect(url, clock) as client, pytest.raises(PrometheusError) as caught:
            client.check_ready()
    assert f"{url}: query 'self-test': the connection failed: " in str(caught.value)
    assert "Connection refused; check that Prometheus runs" in str(caught.value)


# --- faults that stay


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (BAD_DATA, 'refused with HTTP 400: bad_data: invalid parameter "query": 1:8: parse error'),
        (recorded("execution.json", status=422), "refused with HTTP 422: execution: found duplicate series"),
        (
            recorded("not_found.txt", status=404),
            "refused with HTTP 404: 404 page not found; check PROMETHEUS_URL",
        ),
        (
            recorded("sign_in.html", status=403),
            "refused with HTTP 403: Forbidden (text/html); ask for access",
        ),
        (recorded("bad_data.json"), "refused with HTTP 200: bad_data: "),
        (Response(status=204), "refused with HTTP 204"),
        (recorded("sign_in.html"), "this is no Prometheus: it answers with a document of type text/html"),
        (Response(), "this is no Prometheus: it answers with a document of type unknown"),
        (
            Response(recorded("vector.json").body[:-40], headers={"Content-Type": "application/json"}),
            "the answer is cut off or damaged",
        ),
        (recorded("scalar.json"), "the answer is not an instant vector: data.resultType"),
        (recorded("string.json"), "the answer is not an instant vector: data.resultType"),
        (recorded("matrix.json"), "the answer is not an instant vector: data.resultType"),
        (
            recorded("partial.json"),
            "the answer is not an instant vector: data.result.0.value.1: Field required",
        ),
        (
            recorded("not_a_number.json"),
            "the answer is not an instant vector: data.result.0.value.1: Input should",
        ),
        (Response(b"{}"), "the answer is not an instant vector: status: Field required"),
        (Response(b"[]"), "the answer is not an instant vector: the whole"),
        (Response(b'{"status": "success", "data": null}'), "the answer is not an instant vector: data"),
        (Response(b'{"status": "error"}'), "refused with HTTP 200"),
    ],
)
def test_other_faults_are_told_at_once(fake: FakePrometheus, answer: Response, text: str) -> None:
    fake.answer(THROUGHPUT, answer)
    with pytest.raises(PrometheusError) as caught:
        sample(fake)
    assert f"{fake.url}: query 'throughput': {text}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    assert len(fake.requests) == 1


def test_a_redirect_to_a_sign_in_page_is_no_prometheus(fake: FakePrometheus) -> None:
    fake.answer("vector(1)", recorded("sign_in.html", status=302, Location="/login?state=1"))
    with connect(fake.url) as client, pytest.raises(PrometheusError, match=r"\(HTTP 302\), to /login, and"):
        client.check_ready()
    assert len(fake.requests) == 1


def test_a_server_without_tls_is_told_so(fake: FakePrometheus) -> None:
    with (
        connect(fake.url.replace("http:", "https:")) as client,
        pytest.raises(PrometheusError, match=r"no secure connection: .*check the certificate"),
    ):
        client.check_ready()


def test_a_tick_after_a_failed_one_works(fake: FakePrometheus) -> None:
    fake.fail_next(BAD_DATA)
    with connect(fake.url) as client:
        with pytest.raises(PrometheusError):
            client.sample(AT, {}, [FRONTEND], CpuSource.CONTAINERS)
        assert client.sample(AT, {}, [FRONTEND], CpuSource.CONTAINERS)["web"].throughput_rps is not None
