import subprocess
from collections.abc import Iterator

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from kpp.simulator.loopback import LoopbackServer
from kpp.simulator.metrics_api import create_metrics_app
from tests.real_parts import require
from tests.simulator.simulations import boutique, run_for, set_load, simulate

# what promtool has against the real Istio, too
KNOWN_OF_ISTIO = {"no help text", 'use base unit "seconds" instead of "milliseconds"'}


@pytest.fixture(scope="module")
def server() -> Iterator[LoopbackServer]:
    simulation = simulate(boutique())
    set_load(simulation, 40)
    run_for(simulation, 120)
    with LoopbackServer(create_metrics_app(simulation)) as running:
        yield running


def fetch(url: str) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, timeout=30)


def target_paths(server: LoopbackServer) -> list[str]:
    return fetch(server.url).text.split()


def test_every_target_is_listed(server: LoopbackServer) -> None:
    paths = target_paths(server)
    assert sum(path.endswith(":15020/stats/prometheus") for path in paths) == len(boutique().services)
    assert "/targets/192.168.49.2:10250/metrics/cadvisor" in paths
    assert "/targets/kube-state-metrics.kube-system.svc:8080/metrics" in paths


def test_promtool_finds_nothing_that_the_real_ones_do_not_have(server: LoopbackServer) -> None:
    promtool = require("promtool")
    for path in target_paths(server):
        answer = fetch(server.url + path)
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        checked = subprocess.run(
            [promtool, "check", "metrics"], input=answer.text, text=True, capture_output=True, check=False
        )
        remarks = {line.partition(" ")[2] for line in checked.stderr.splitlines()}
        is_istio = "15020" in path
        assert checked.returncode in ((0, 3) if is_istio else (0,)), checked.stderr  # 3: only remarks
        assert remarks <= (KNOWN_OF_ISTIO if is_istio else set()), path


def test_another_parser_reads_every_target(server: LoopbackServer) -> None:
    names = {
        sample.name
        for path in target_paths(server)
        for family in text_string_to_metric_families(fetch(server.url + path).text)
        for sample in family.samples
    }
    assert names >= {
        "istio_requests_total",
        "istio_request_duration_milliseconds_bucket",
        "istio_tcp_received_bytes_total",
        "container_cpu_usage_seconds_total",
        "container_cpu_cfs_throttled_periods_total",
        "machine_cpu_cores",
        "kube_deployment_status_replicas_ready",
        "kube_pod_container_resource_limits",
    }


def test_it_is_a_proxy_into_the_cluster(server: LoopbackServer) -> None:
    path = next(each for each in target_paths(server) if "15020" in each)
    with requests.Session() as session:
        session.trust_env = False
        inside = session.get(
            f"http://{path.removeprefix('/targets/')}", proxies={"http": server.url}, timeout=30
        )
        outside = session.get("http://10.244.99.99/metrics", proxies={"http": server.url}, timeout=30)
    assert inside.status_code == 200
    assert "istio_build" in inside.text
    assert outside.status_code == 404


def test_pods_and_nodes_are_discovered_with_the_labels_of_kubernetes(server: LoopbackServer) -> None:
    pods = fetch(f"{server.url}/discovery/pod").json()
    (frontend,) = [
        group for group in pods if group["labels"]["__meta_kubernetes_pod_label_app"] == "frontend"
    ]
    labels = frontend["labels"]
    assert labels["__meta_kubernetes_pod_annotation_prometheus_io_scrape"] == "true"
    assert labels["__meta_kubernetes_pod_annotation_prometheus_io_port"] == "15020"
    assert labels["__meta_kubernetes_pod_phase"] == "Running"
    assert [labels["__meta_kubernetes_pod_ip"]] == frontend["targets"]
    (node,) = fetch(f"{server.url}/discovery/node").json()
    assert node["targets"] == ["192.168.49.2:10250"]
    assert node["labels"]["__meta_kubernetes_node_label_kubernetes_io_arch"] == "amd64"
    assert fetch(f"{server.url}/discovery/service").status_code == 404
