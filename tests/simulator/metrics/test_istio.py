from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import pytest

from kpp.simulator.application import service_of
from kpp.simulator.engine import Engine, EngineSnapshot
from kpp.simulator.metrics.istio import expose_sidecar, reports_by_pod
from kpp.simulator.metrics.mesh import Mesh
from kpp.simulator.metrics.series import Block
from kpp.simulator.workloads import service_accounts
from tests.simulator.simulations import boutique, true_count

# istio.io/latest/docs/reference/config/metrics
SIDES = [f"{side}_{what}" for side in ("source", "destination") for what in (
    "workload", "workload_namespace", "principal", "app", "version",
    "canonical_service", "canonical_revision", "cluster",
)]  # fmt: skip
LABELS = {
    "reporter", *SIDES, "destination_service", "destination_service_name", "destination_service_namespace",
    "request_protocol", "response_code", "grpc_response_status", "response_flags",
    "connection_security_policy",
}  # fmt: skip
ENVOY_BOUNDS = [
    "0.5", "1", "5", "10", "25", "50", "100", "250", "500", "1000", "2500", "5000", "10000", "30000", "60000",
    "300000", "600000", "1800000", "3600000", "+Inf",
]  # fmt: skip


@dataclass(frozen=True)
class Sample:
    name: str
    labels: dict[str, str]
    value: float
    pod: str


def samples_of(blocks: Iterable[Block], pod: str = "") -> Iterator[Sample]:
    for each in blocks:
        for labels, value in zip(each.label_sets(), each.values, strict=True):
            name = labels.pop("__name__")
            present = {key: text for key, text in labels.items() if text}
            yield Sample(name, present, float(value), pod)


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    return Mesh.of(boutique(), "default", service_accounts(boutique()))


@pytest.fixture(scope="module")
def engine() -> Engine:
    engine = Engine.with_pods(boutique(), seed=1, replicas={"currencyservice": 2})
    engine.set_users(60, 20)
    engine.advance(120)
    return engine


@pytest.fixture(scope="module")
def snapshot(engine: Engine) -> EngineSnapshot:
    return engine.snapshot()


@pytest.fixture(scope="module")
def samples(mesh: Mesh, snapshot: EngineSnapshot) -> list[Sample]:
    reports = reports_by_pod(snapshot.reports)
    return [
        sample
        for pod, its in reports.items()
        for sample in samples_of(expose_sidecar(mesh, "1.29.0", its, its), pod)
    ]


def test_a_request_has_istios_25_labels_and_tcp_23(samples: list[Sample]) -> None:
    http = [each for each in samples if each.name == "istio_requests_total"]
    tcp = [each for each in samples if each.name == "istio_tcp_sent_bytes_total"]

    # a label with an empty value counts as absent, and HTTP has no gRPC status
    assert {frozenset(each.labels) for each in http} == {
        frozenset(LABELS),
        frozenset(LABELS - {"grpc_response_status"}),
    }
    assert {frozenset(each.labels) for each in tcp} == {
        frozenset(LABELS - {"response_code", "grpc_response_status"})
    }


def test_the_labels_of_a_known_request(samples: list[Sample]) -> None:
    (found,) = [
        each.labels
        for each in samples
        if each.name == "istio_request_duration_milliseconds_count"
        and each.labels["reporter"] == "destination"
        and each.labels["source_workload"] == "checkoutservice"
        and each.labels["destination_workload"] == "paymentservice"
    ]
    assert found == {
        "reporter": "destination",
        "source_workload": "checkoutservice",
        "source_workload_namespace": "default",
        "source_principal": "spiffe://cluster.local/ns/default/sa/checkoutservice",
        "source_app": "checkoutservice",
        "source_version": "unknown",
        "source_canonical_service": "checkoutservice",
        "source_canonical_revision": "latest",
        "source_cluster": "Kubernetes",
        "destination_workload": "paymentservice",
        "destination_workload_namespace": "default",
        "destination_principal": "spiffe://cluster.local/ns/default/sa/paymentservice",
        "destination_app": "paymentservice",
        "destination_version": "unknown",
        "destination_canonical_service": "paymentservice",
        "destination_canonical_revision": "latest",
        "destination_cluster": "Kubernetes",
        "destination_service": "paymentservice.default.svc.cluster.local",
        "destination_service_name": "paymentservice",
        "destination_service_namespace": "default",
        "request_protocol": "grpc",
        "response_code": "200",
        "grpc_response_status": "0",
        "response_flags": "-",
        "connection_security_policy": "mutual_tls",
    }


def test_only_the_server_knows_the_security_policy(samples: list[Sample]) -> None:
    policies = {
        (each.labels["reporter"], each.labels["connection_security_policy"])
        for each in samples
        if each.name == "istio_requests_total"
    }
    assert policies == {("source", "unknown"), ("destination", "mutual_tls")}


def test_redis_has_no_account_of_its_own(samples: list[Sample]) -> None:
    principals = {
        each.labels["destination_principal"] for each in samples if each.name == "istio_tcp_sent_bytes_total"
    }
    assert principals == {"spiffe://cluster.local/ns/default/sa/default"}


def test_each_request_is_counted_once_by_each_reporter(
    samples: list[Sample], snapshot: EngineSnapshot
) -> None:
    for service in ("frontend", "currencyservice", "checkoutservice", "recommendationservice"):
        counted = {
            reporter: sum(
                each.value
                for each in samples
                if each.name == "istio_requests_total"
                and each.labels["reporter"] == reporter
                and each.labels["destination_workload"] == service
            )
            for reporter in ("source", "destination")
        }
        true = true_count(snapshot, service)
        # a request in flight is ended in the application, and not yet at the sidecars
        assert counted["destination"] == pytest.approx(true, abs=5)
        assert counted["source"] == pytest.approx(true, abs=5)
        assert sum(counted.values()) == pytest.approx(2 * true, abs=10)


@pytest.mark.parametrize(
    "family", ["istio_request_duration_milliseconds", "istio_request_bytes", "istio_response_bytes"]
)
def test_histograms_have_envoys_buckets_which_grow_up_to_the_count(
    samples: list[Sample], family: str
) -> None:
    def series(sample: Sample) -> tuple[str, frozenset[tuple[str, str]]]:
        return sample.pod, frozenset(pair for pair in sample.labels.items() if pair[0] != "le")

    counts = {series(each): each.value for each in samples if each.name == f"{family}_count"}
    buckets: dict[tuple[str, frozenset[tuple[str, str]]], list[tuple[str, float]]] = {}
    for each in samples:
        if each.name == f"{family}_bucket":
            buckets.setdefault(series(each), []).append((each.labels["le"], each.value))

    assert buckets.keys() == counts.keys()
    for its_series, its_buckets in buckets.items():
        assert [bound for bound, _ in its_buckets] == ENVOY_BOUNDS
        heights = [height for _, height in its_buckets]
        assert heights == sorted(heights)
        assert heights[-1] == counts[its_series]


def test_durations_are_whole_milliseconds_below_the_true_ones(
    samples: list[Sample], snapshot: EngineSnapshot
) -> None:
    shown = sum(
        each.value
        for each in samples
        if each.name == "istio_request_duration_milliseconds_sum" and each.labels["reporter"] == "destination"
    )
    reports = [each for each in snapshot.reports if each.reporter == "destination" and each.protocol != "tcp"]
    exact = 1000 * sum(each.seconds_sum for each in reports)
    assert shown == int(shown)
    assert 0 < exact - shown < sum(each.count for each in reports)


def test_bytes_add_up_and_lie_in_the_bucket_of_their_size(
    samples: list[Sample], snapshot: EngineSnapshot
) -> None:
    sizes = {each.request_bytes for _, each in boutique().operations()}
    assert sizes == {300}, "the boutique's requests all have the same size"
    by_bound = {
        bound: sum(
            each.value
            for each in samples
            if each.name == "istio_request_bytes_bucket" and each.labels["le"] == bound
        )
        for bound in ("250", "500", "+Inf")
    }
    assert by_bound["250"] == 0
    assert by_bound["500"] == by_bound["+Inf"] > 0


def test_a_label_set_appears_with_its_first_request(mesh: Mesh) -> None:
    engine = Engine.with_pods(boutique(), seed=1)
    engine.advance(30)
    assert reports_by_pod(engine.snapshot().reports) == {}
    engine.set_users(1, 1)
    engine.advance(31)  # the user's first request is for the start page
    reports = reports_by_pod(engine.snapshot().reports)
    served = {
        (each.labels["source_workload"], each.labels["destination_workload"])
        for each in samples_of(expose_sidecar(mesh, "1.29.0", reports["frontend-0"], ()))
        if each.name == "istio_requests_total" and each.labels["reporter"] == "destination"
    }
    assert served == {("loadgenerator", "frontend")}
    assert "checkoutservice-0" not in reports


def test_counters_of_a_new_pod_begin_at_0(mesh: Mesh) -> None:
    engine = Engine.with_pods(boutique(), seed=1)
    engine.set_users(20, 20)
    engine.advance(60)
    engine.remove_pod("frontend-0")
    engine.add_pod("frontend", "frontend-new", ready_after_seconds=0)
    served_before = true_count(engine.snapshot(), "frontend")
    assert _requests(mesh, engine, "frontend-new") == []
    engine.advance(120)
    counted = sum(
        each.value
        for each in _requests(mesh, engine, "frontend-new")
        if each.labels["reporter"] == "destination"
    )
    served = true_count(engine.snapshot(), "frontend") - served_before
    assert counted == pytest.approx(served, abs=2)
    assert served_before > 100


def _requests(mesh: Mesh, engine: Engine, pod: str) -> list[Sample]:
    reports = reports_by_pod(engine.snapshot().reports).get(pod, [])
    return [
        each
        for each in samples_of(expose_sidecar(mesh, "1", reports, ()))
        if each.name == "istio_requests_total"
    ]


def test_a_series_stands_once_although_some_outcomes_look_alike_to_the_caller(mesh: Mesh) -> None:
    """A container that is down and one that is full both answer 503 without a flag that the caller knows."""
    engine = Engine.with_pods(boutique(), seed=3, replicas={"productcatalogservice": 1})
    engine.set_users(200, 100)
    engine.advance(30)
    engine.restart_container("productcatalogservice-0")
    engine.advance(60)
    reports = reports_by_pod(engine.snapshot().reports)
    for pod, its_reports in reports.items():
        blocks = expose_sidecar(mesh, "1", its_reports, its_reports)
        names = [tuple(sorted(labels.items())) for each in blocks for labels in each.label_sets()]
        assert len(names) == len(set(names)), pod
    codes = {
        each.labels.get("grpc_response_status")
        for each in samples_of(expose_sidecar(mesh, "1", reports["frontend-0"], ()))
        if each.labels.get("destination_service_name") == "productcatalogservice"
    }
    assert codes >= {"0", "14"}, "the failure is there to be seen"


def test_histograms_are_those_of_the_last_flush(mesh: Mesh, engine: Engine) -> None:
    flushed = reports_by_pod(engine.snapshot().reports)["frontend-0"]
    engine.advance(engine.now_seconds + 5)
    live = reports_by_pod(engine.snapshot().reports)["frontend-0"]

    samples = list(samples_of(expose_sidecar(mesh, "1", live, flushed)))

    counted = sum(each.value for each in samples if each.name == "istio_requests_total")
    measured = sum(each.value for each in samples if each.name == "istio_request_duration_milliseconds_count")
    assert counted == sum(each.count for each in live)
    assert measured == sum(each.count for each in flushed) < counted


def test_without_the_clients_sidecar_only_the_server_reports_and_does_not_know_the_client() -> None:
    services = dict(boutique().services)
    services["loadgenerator"] = replace(services["loadgenerator"], sidecar=False)
    bare = replace(boutique(), services=services)
    engine = Engine.with_pods(bare, seed=1)
    engine.set_users(5, 5)
    engine.advance(30)
    mesh = Mesh.of(bare, "default", service_accounts(bare))
    found = [
        each.labels
        for reports in reports_by_pod(engine.snapshot().reports).values()
        for each in samples_of(expose_sidecar(mesh, "1", reports, ()))
        if each.name == "istio_requests_total" and each.labels["destination_service_name"] == "frontend"
    ]
    assert {(each["reporter"], each["source_workload"]) for each in found} == {("destination", "unknown")}
    assert {each["connection_security_policy"] for each in found} == {"none"}


def test_every_callee_of_the_application_is_reported_by_its_caller(samples: list[Sample]) -> None:
    described = {
        (service_of(key), service_of(call.operation))
        for key, operation in boutique().operations()
        for call in operation.calls
    }
    seen = {
        (each.labels["source_workload"], each.labels["destination_workload"])
        for each in samples
        if each.name in ("istio_requests_total", "istio_tcp_sent_bytes_total")
        and each.labels["reporter"] == "source"
    }
    assert seen == described | {("loadgenerator", "frontend")}
