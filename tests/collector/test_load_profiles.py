"""Other load generators than that of Online Boutique, by settings alone, against the simulated API server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes.config import new_client_from_config

from kpp.clock import SystemClock
from kpp.collector.cluster.load_profile import parse_load_variables
from kpp.collector.cluster.state import Restored
from kpp.collector.config import Config
from kpp.collector.kubernetes_client import KubernetesClient
from kpp.errors import ConfigError, KubernetesError
from kpp.simulator.kubernetes.objects.resources import DEPLOYMENTS
from tests.simulator.kubernetes.conftest import Served, serve
from tests.simulator.kubernetes.kubectl import Kubectl

K6 = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: k6, labels: {app: k6}}
spec:
  replicas: 0
  selector: {matchLabels: {app: k6}}
  template:
    metadata: {labels: {app: k6}}
    spec:
      containers:
        - name: log
          image: fluent-bit:3
        - name: k6
          image: grafana/k6:1
          args: [run, /scripts/shop.js]
"""
LOCUST = K6.replace("k6", "locust").replace(
    "args: [run, /scripts/shop.js]",
    "env: [{name: LOCUST_HOST, value: 'http://web'}, {name: LOCUST_USERS, value: '1'}]",
)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serve(tmp_path) as serving:
        yield serving


def spec(served: Served, name: str) -> Any:
    return served.cluster.store.get(DEPLOYMENTS, name, "default")["spec"]


def environment(served: Served, name: str) -> dict[str, str]:
    containers = spec(served, name)["template"]["spec"]["containers"]
    return {each["name"]: each["value"] for each in containers[1].get("env", [])}


def drive(served: Served, tmp_path: Path, manifest: str, **settings: Any) -> Iterator[KubernetesClient]:
    """Start 40 users; the caller looks; then everything is put back."""
    Kubectl(served.kubeconfig, tmp_path)("apply", "-f", "-", stdin=manifest)
    config = Config(**settings)
    before = spec(served, config.load_generator)
    with KubernetesClient(
        config, SystemClock(), new_client_from_config(config_file=str(served.kubeconfig))
    ) as client:
        state = client.read_state()
        client.stop_load()
        client.set_load(40, 5)
        client.start_load(40)
        yield client
        (change,) = client.restore(state).changes
        assert change.startswith(f"Deployment {config.load_generator}: replicas ")
        assert client.restore(state) == Restored()
    assert spec(served, config.load_generator) == before


def test_k6_gets_variables_that_it_did_not_have(served: Served, tmp_path: Path) -> None:
    for _ in drive(
        served,
        tmp_path,
        K6,
        load_generator="k6",
        load_container="k6",
        load_variables="K6_VUS={users} K6_DURATION=24h 'K6_TAGS=rate {rate}'",
    ):
        assert environment(served, "k6") == {"K6_VUS": "40", "K6_DURATION": "24h", "K6_TAGS": "rate 5"}
        assert spec(served, "k6")["replicas"] == 1


def test_another_locust_is_found_by_its_variable(served: Served, tmp_path: Path) -> None:
    for _ in drive(
        served,
        tmp_path,
        LOCUST,
        load_generator="locust",
        load_variables="LOCUST_USERS={users} LOCUST_SPAWN_RATE={rate}",
    ):
        assert environment(served, "locust") == {
            "LOCUST_HOST": "http://web",
            "LOCUST_USERS": "40",
            "LOCUST_SPAWN_RATE": "5",
        }


def test_where_the_replicas_are_the_load_nothing_else_is_changed(served: Served, tmp_path: Path) -> None:
    for _ in drive(served, tmp_path, K6, load_generator="k6", users_per_replica=20):
        assert spec(served, "k6")["replicas"] == 2
        assert environment(served, "k6") == {}


def test_a_container_that_is_not_there_is_told(served: Served, tmp_path: Path) -> None:
    Kubectl(served.kubeconfig, tmp_path)("apply", "-f", "-", stdin=K6)
    config = Config(load_generator="k6", load_container="main")
    with (
        KubernetesClient(
            config, SystemClock(), new_client_from_config(config_file=str(served.kubeconfig))
        ) as client,
        pytest.raises(KubernetesError, match=r"Deployment k6: has no container main, only log, k6"),
    ):
        client.read_load()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("USERS", "'USERS' is not"),
        ("2X={users}", "'2X={users}' is not"),
        ("USERS={users} USERS={users}", "each variable once"),
        ("RATE={rate}", "has to hold {users}"),
        ("'USERS={users}", "No closing quotation"),
    ],
)
def test_variables_that_are_wrong_are_told(text: str, fault: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - its text is what matters
        parse_load_variables(text)
    assert fault in str(caught.value)
    assert not isinstance(caught.value, ConfigError)
