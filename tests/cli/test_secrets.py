"""Planted secrets are found in nothing that kpp prints and in no file that it leaves."""

import subprocess
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.collecting import QUICK
from tests.cli.processes import Place, environment_with
from tests.collector.boutique_load import SERVICES
from tests.collector.fake_kubernetes import FakeKubernetes
from tests.collector.fake_prometheus import FakePrometheus, Request, Response

SECRETS = {"token": "t0ken-planted", "password": "p4ss-planted", "header": "h3ader-planted"}
FORMS = (*SECRETS.values(), b64encode(f"kpp:{SECRETS['password']}".encode()).decode())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text(SECRETS["token"])
    return tmp_path


@pytest.fixture
def kubernetes() -> Iterator[FakeKubernetes]:
    with FakeKubernetes(polls_per_step=0) as kubernetes:
        yield kubernetes


@pytest.fixture
def prometheus(kubernetes: FakeKubernetes) -> Iterator[FakePrometheus]:
    """Lets nobody in who shows no secret, and repeats what was sent when it refuses."""
    with FakePrometheus() as prometheus:
        prometheus.pods = {
            pod["metadata"]["name"]: service
            for service in SERVICES
            for pod in kubernetes.cluster.pods_of(service)
        }
        prometheus.answer(is_unknown, lambda request: Response(str(request.headers).encode(), status=403))
        yield prometheus


def is_unknown(request: Request) -> bool:
    known = (f"Bearer {SECRETS['token']}", f"Basic {FORMS[-1]}")
    return (
        request.headers.get("Authorization") not in known or request.headers.get("X-Key") != SECRETS["header"]
    )


def access(kind: str, folder: Path, prometheus: FakePrometheus) -> dict[str, str]:
    headers = {"PROMETHEUS_HEADERS": f"X-Key: {SECRETS['header']}", "PROMETHEUS_URL": prometheus.url}
    if kind == "token":
        return {**headers, "PROMETHEUS_TOKEN_FILE": str(folder / "token")}
    return {**headers, "PROMETHEUS_URL": prometheus.url.replace("//", f"//kpp:{SECRETS['password']}@")}


def run(folder: Path, environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return Place(folder, environment_with(**QUICK, **environment, COLUMNS="10000")).run(*arguments)


def assert_hidden(result: "subprocess.CompletedProcess[str]", folder: Path) -> None:
    given = {folder / "token", folder / "kubeconfig"}
    left = [path for path in folder.rglob("*") if path.is_file() and path not in given]
    for text in (result.stdout, result.stderr, *(path.read_text() for path in left)):
        assert [form for form in FORMS if form in text] == []


@pytest.mark.parametrize("kind", ["token", "url"])
def test_a_campaign_leaves_no_secret(
    kind: str, folder: Path, kubernetes: FakeKubernetes, prometheus: FakePrometheus
) -> None:
    environment = access(kind, folder, prometheus)
    environment["KUBECONFIG"] = str(kubernetes.write_kubeconfig(folder / "kubeconfig"))
    result = run(folder, environment, "--debug", "collect", "--json")
    assert result.returncode == 0, result.stderr
    assert list((folder / "dataset").glob("performance_campaign_*.json")), "the record of the settings"
    assert_hidden(result, folder)
    for option in ("--dry-run", "--check"):
        assert_hidden(run(folder, environment, "--debug", "collect", option, "--json"), folder)


@pytest.mark.parametrize("kind", ["token", "url"])
def test_a_refusal_shows_no_secret(
    kind: str, folder: Path, kubernetes: FakeKubernetes, prometheus: FakePrometheus
) -> None:
    environment = access(kind, folder, prometheus)
    environment["KUBECONFIG"] = str(kubernetes.write_kubeconfig(folder / "kubeconfig"))
    prometheus.answer(
        "", lambda request: Response(str(request.headers).encode(), 403, {"Content-Type": "text/plain"})
    )
    result = run(folder, environment, "--debug", "collect")
    assert result.returncode == 4
    assert "***" in result.stderr, "the server's own words, without the secrets in them"
    assert "Traceback" in result.stderr
    assert_hidden(result, folder)
