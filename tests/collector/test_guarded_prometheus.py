"""A real Prometheus that asks for TLS, a client certificate, a password and a path."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import trustme

from kpp.clock import ManualClock
from kpp.collector.config import read_config
from kpp.collector.prometheus_client import PrometheusClient
from kpp.errors import PrometheusError
from tests.prometheus_process import run_prometheus

PASSWORD = "s3same-0pen"
BCRYPT = "$2b$05$abcdefghijklmnopqrstuuXlbUQdagLttUsMgwDZ34mevw24LAijC"  # of it


@dataclass(frozen=True)
class Guarded:
    """Where it answers, and what lets one in."""

    url: str
    access: dict[str, str]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder, authority = tmp_path_factory.mktemp("guarded"), trustme.CA()
    server, client = authority.issue_cert("127.0.0.1"), authority.issue_cert("kpp@example.org")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    server.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    client.private_key_and_cert_chain_pem.write_to_path(folder / "client.pem")
    (folder / "web.yml").write_text(
        "tls_server_config: {cert_file: server.pem, key_file: server.pem, client_ca_file: ca.pem, "
        "client_auth_type: RequireAndVerifyClientCert}\n"
        f"basic_auth_users: {{kpp: '{BCRYPT}'}}\n"
    )
    access = {
        "PROMETHEUS_CA_FILE": str(folder / "ca.pem"),
        "PROMETHEUS_CLIENT_CERTIFICATE": str(folder / "client.pem"),
        "PROMETHEUS_USER": "kpp",
        "PROMETHEUS_PASSWORD": PASSWORD,
    }
    options = ("--web.config.file=web.yml", "--web.route-prefix=/team/prometheus")
    with run_prometheus(folder, *options) as address:
        yield Guarded(f"https://{address}/team/prometheus", access)


def ask(guarded: Guarded, url: str | None = None, **changes: str) -> None:
    variables = {"PROMETHEUS_URL": url or guarded.url, **guarded.access, **changes}
    with PrometheusClient(read_config({}, variables, None), ManualClock()) as client:
        client.check_ready()


def test_who_has_everything_is_let_in(guarded: Guarded) -> None:
    ask(guarded)
    ask(
        guarded,
        guarded.url.replace("//", f"//kpp:{PASSWORD}@"),
        PROMETHEUS_USER="",
        PROMETHEUS_PASSWORD="",
    )


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"PROMETHEUS_PASSWORD": "another"}, "refused with HTTP 401: Unauthorized"),
        ({"PROMETHEUS_CLIENT_CERTIFICATE": ""}, "PROMETHEUS_CLIENT_CERTIFICATE"),
        ({"PROMETHEUS_CA_FILE": ""}, "no secure connection: [SSL: CERTIFICATE_VERIFY_FAILED]"),
    ],
)
def test_who_lacks_something_is_told_what(guarded: Guarded, changes: dict[str, str], text: str) -> None:
    with pytest.raises(PrometheusError) as caught:
        ask(guarded, **changes)
    assert text in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_a_wrong_path_is_told(guarded: Guarded) -> None:
    with pytest.raises(
        PrometheusError, match="refused with HTTP 404: 404 page not found; check PROMETHEUS_URL"
    ):
        ask(guarded, guarded.url.removesuffix("/prometheus"))
