"""What a guarded store asks for is sent over real HTTP(S), reaches nobody else, and is never shown."""

import json
import logging
import ssl
import traceback
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
import trustme

from kpp.clock import ManualClock
from kpp.collector.config import Config, read_config
from kpp.collector.prometheus.access_settings import ACCESS_VARIABLES
from kpp.collector.prometheus_client import PrometheusClient
from kpp.errors import ConfigError, PrometheusError
from tests.collector.fake_http import HttpServer
from tests.collector.guarded_store import GuardedStore, serve_guarded

SECRET = "s3same-0pen"
BASIC = f"Basic {b64encode(f'kpp:{SECRET}'.encode()).decode()}"
PREFIX = "/team a/prometheus"


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")
    return path


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return str(tmp_path / "ca.pem")


@pytest.fixture
def https(authority: trustme.CA) -> Iterator[GuardedStore]:
    with serve_guarded(lambda _: True, server_context(authority.issue_cert("localhost"))) as store:
        yield store


def server_context(
    certificate: trustme.LeafCert, *, client_authority: trustme.CA | None = None
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    if client_authority is not None:
        client_authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # a refusal comes within the handshake
    return context


def ask(url: str, **variables: str) -> None:
    """Ask for anything, with settings from the environment."""
    with PrometheusClient(settings(url, **variables), ManualClock()) as client:
        client.check_ready()


def settings(url: str, **variables: str) -> Config:
    return read_config({}, {"PROMETHEUS_URL": url, **variables}, None)


def refusal(url: str, **variables: str) -> str:
    """The one line that a person sees; nothing secret is in it, nor in a traceback."""
    with pytest.raises(PrometheusError) as caught:
        ask(url, **variables)
    text = str(caught.value)
    assert "\n" not in text
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    return text


# --- what is sent


@pytest.mark.parametrize(
    ("variables", "header", "value"),
    [
        ({"PROMETHEUS_TOKEN": SECRET}, "authorization", f"Bearer {SECRET}"),
        ({"PROMETHEUS_TOKEN_FILE": "{file}"}, "authorization", f"Bearer {SECRET}"),
        ({"PROMETHEUS_USER": "kpp", "PROMETHEUS_PASSWORD": SECRET}, "authorization", BASIC),
        ({"PROMETHEUS_USER": "kpp", "PROMETHEUS_PASSWORD_FILE": "{file}"}, "authorization", BASIC),
        ({"PROMETHEUS_HEADERS": f"A: b; X-Scope-OrgID: {SECRET}"}, "x-scope-orgid", SECRET),
    ],
    ids=lambda each: " and ".join(each) if isinstance(each, dict) else None,
)
def test_the_store_lets_in_who_shows_what_it_asks_for(
    variables: dict[str, str], header: str, value: str, secret_file: Path
) -> None:
    variables = {name: text.format(file=secret_file) for name, text in variables.items()}
    with serve_guarded(lambda request: request.headers.get(header) == value) as store:
        ask(store.url + PREFIX, **variables)
        line = refusal(store.url)
        wrong = {name: text.replace(SECRET, f"{SECRET}+") for name, text in variables.items()}
        secret_file.write_text(f"{SECRET}+")
        assert SECRET not in refusal(store.url, **wrong), "the store repeats what it was sent"
    assert store.requests[0].path == "/team%20a/prometheus/api/v1/query"
    assert "refused with HTTP 401: no entry: " in line
    assert "PROMETHEUS_TOKEN" in line


def test_headers_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "headers").write_text(f"X-Scope-OrgID: shop;1\n\nX-Key: {SECRET}\n")
    with serve_guarded(lambda _: True) as store:
        ask(store.url, PROMETHEUS_HEADERS_FILE=str(tmp_path / "headers"))
    assert store.requests[0].headers["x-scope-orgid"] == "shop;1"
    assert store.requests[0].headers["x-key"] == SECRET


def test_a_token_that_is_exchanged_meanwhile_is_sent_anew(secret_file: Path) -> None:
    with serve_guarded(lambda _: True) as store:
        config = settings(store.url, PROMETHEUS_TOKEN_FILE=str(secret_file))
        with PrometheusClient(config, ManualClock()) as client:
            client.check_ready()
            secret_file.write_text("another")
            client.check_ready()
            secret_file.unlink()
            with pytest.raises(PrometheusError, match=r"secret: a secret cannot be read: No such file"):
                client.check_ready()
    assert [each.headers["authorization"] for each in store.requests] == [
        f"Bearer {SECRET}",
        "Bearer another",
    ]


def test_nothing_is_sent_that_was_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login kpp password {SECRET}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with (
        serve_guarded(lambda _: False) as store,
        PrometheusClient(settings(store.url.replace("localhost", "127.0.0.1")), ManualClock()) as client,
    ):
        for _ in range(2):  # the first answer sets a cookie
            with pytest.raises(PrometheusError, match="HTTP 401"):
                client.check_ready()
    assert len(store.requests) == 2
    assert all({"authorization", "cookie"}.isdisjoint(each.headers) for each in store.requests)


def test_a_redirect_takes_nothing_elsewhere() -> None:
    with serve_guarded(lambda _: True) as elsewhere:
        server = HttpServer(lambda _: (307, {"Location": f"{elsewhere.url}/api/v1/query?query=1"}, b""))
        server.start()
        try:
            line = refusal(server.url, PROMETHEUS_TOKEN=SECRET)
        finally:
            server.stop()
    assert elsewhere.requests == []
    assert f"it sends elsewhere (HTTP 307), to {elsewhere.url}/api/v1/query, and kpp does not follow" in line


def test_a_proxy_is_asked_with_its_password() -> None:
    with serve_guarded(lambda request: "proxy-authorization" in request.headers) as proxy:
        ask("http://store.invalid", PROMETHEUS_PROXY=proxy.url.replace("//", f"//kpp:{SECRET}@"))
        assert "HTTP 401" in refusal("http://store.invalid", PROMETHEUS_PROXY=proxy.url)
    assert proxy.requests[0].headers["proxy-authorization"] == BASIC
    assert proxy.requests[0].headers["host"] == "store.invalid"


def test_a_proxy_that_is_gone_is_told_without_its_password() -> None:
    with serve_guarded(lambda _: True) as proxy:
        url = proxy.url
    line = refusal("https://store.invalid", PROMETHEUS_PROXY=url.replace("//", f"//kpp:{SECRET}@"))
    assert "the proxy does not let through: " in line


# --- whom to trust


def test_a_certificate_of_a_known_authority_is_trusted(https: GuardedStore, ca_file: str) -> None:
    ask(https.url, PROMETHEUS_CA_FILE=ca_file)
    assert len(https.requests) == 1


def test_an_unknown_certificate_is_refused(https: GuardedStore) -> None:
    line = refusal(https.url, PROMETHEUS_TOKEN=SECRET)
    assert "no secure connection: [SSL: CERTIFICATE_VERIFY_FAILED]" in line
    assert "PROMETHEUS_CA_FILE" in line
    assert https.requests == []


def test_a_certificate_of_another_host_is_refused(authority: trustme.CA, ca_file: str) -> None:
    with serve_guarded(lambda _: True, server_context(authority.issue_cert("other.example"))) as store:
        assert "Hostname mismatch" in refusal(store.url, PROMETHEUS_CA_FILE=ca_file)
    assert store.requests == []


def test_a_client_certificate_is_shown(authority: trustme.CA, ca_file: str, tmp_path: Path) -> None:
    client = authority.issue_cert("kpp@example.org")
    client.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    client.cert_chain_pems[0].write_to_path(tmp_path / "client.pem")
    client.private_key_pem.write_to_path(tmp_path / "client.key")
    context = server_context(authority.issue_cert("localhost"), client_authority=authority)
    with serve_guarded(lambda _: True, context) as store:
        known = {"PROMETHEUS_CA_FILE": ca_file}
        ask(store.url, **known, PROMETHEUS_CLIENT_CERTIFICATE=str(tmp_path / "both.pem"))
        pair = {
            "PROMETHEUS_CLIENT_CERTIFICATE": str(tmp_path / "client.pem"),
            "PROMETHEUS_CLIENT_KEY": str(tmp_path / "client.key"),
        }
        ask(store.url, **known, **pair)
        assert "PROMETHEUS_CLIENT_CERTIFICATE" in refusal(store.url, **known)
        pair["PROMETHEUS_CLIENT_KEY"] = ca_file  # holds no key
        assert "no secure connection: " in refusal(store.url, **known, **pair)
    assert len(store.requests) == 2


# --- settings


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        ({"PROMETHEUS_TOKEN": f"{SECRET}\nX-Evil: 1"}, "PROMETHEUS_TOKEN holds a line break"),
        ({"PROMETHEUS_HEADERS": f"X Y: {SECRET}"}, "PROMETHEUS_HEADERS is not written as `Name: value`"),
        ({"PROMETHEUS_HEADERS": f"X-Y: {SECRET}\u2028{SECRET}"}, "header X-Y, holds a line break"),
        ({"PROMETHEUS_HEADERS": SECRET}, "PROMETHEUS_HEADERS is not written as"),
        ({"PROMETHEUS_HEADERS": "X-Y:"}, "header X-Y, is empty"),
        ({"PROMETHEUS_USER": "kpp"}, "belong together"),
        ({"PROMETHEUS_PASSWORD": SECRET}, "belong together"),
        (
            {"PROMETHEUS_TOKEN": SECRET, "PROMETHEUS_USER": "k", "PROMETHEUS_PASSWORD": SECRET},
            "only one of them",
        ),
        ({"PROMETHEUS_TOKEN": SECRET, "PROMETHEUS_TOKEN_FILE": "{file}"}, "remove one of them"),
        (
            {"PROMETHEUS_TOKEN": "x", "PROMETHEUS_HEADERS": f"authorization: {SECRET}"},
            "sets Authorization, and so",
        ),
        ({"PROMETHEUS_TOKEN_FILE": "/nowhere"}, "PROMETHEUS_TOKEN_FILE is '/nowhere': there is no such file"),
        ({"PROMETHEUS_TOKEN_FILE": "{empty}"}, "PROMETHEUS_TOKEN_FILE is empty"),
        ({"PROMETHEUS_CA_FILE": "/nowhere"}, "PROMETHEUS_CA_FILE is '/nowhere': there is no such file"),
        ({"PROMETHEUS_CLIENT_KEY": "{file}"}, "PROMETHEUS_CLIENT_KEY is set without"),
        ({"PROMETHEUS_PROXY": f"socks5://kpp:{SECRET}@p:1"}, "PROMETHEUS_PROXY is no URL of an HTTP proxy"),
        ({"PROMETHEUS_URL": f"ftp://kpp:{SECRET}@host"}, "PROMETHEUS_URL is 'ftp://host': URL scheme"),
        ({"PROMETHEUS_URL": f"http://kpp:{SECRET}@[host"}, "PROMETHEUS_URL is 'http://***@[host': "),
        (
            {"PROMETHEUS_URL": f"http://host?token={SECRET}"},
            "PROMETHEUS_URL is 'http://host?***': must end with",
        ),
        (
            {"PROMETHEUS_URL": "http://k:p@host", "PROMETHEUS_USER": "kpp"},
            "in PROMETHEUS_URL and in PROMETHEUS_USER",
        ),
    ],
    ids=str,
)
def test_a_setting_that_cannot_be_is_told_without_its_secret(
    variables: dict[str, str], text: str, secret_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").touch()
    variables = {
        name: value.format(file=secret_file, empty=tmp_path / "empty") if "{" in value else value
        for name, value in variables.items()
    }
    with pytest.raises(ConfigError) as caught:
        read_config({}, variables, None)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_password_in_an_option_is_refused_and_in_the_environment_taken() -> None:
    url = f"http://kpp:{SECRET}@localhost:9090/base/"
    with pytest.raises(ConfigError, match="--prometheus-url holds a user or a password") as caught:
        read_config({"prometheus_url": url}, {}, None)
    assert SECRET not in str(caught.value)
    # the command line hands over what it found in the environment
    config = read_config({"prometheus_url": url}, {"PROMETHEUS_URL": url}, None)
    assert config.prometheus_url == "http://localhost:9090/base"
    assert config.prometheus_access.authorization() == BASIC


@pytest.mark.parametrize(("url", "is_told"), [("http://store.example", True), ("http://127.0.0.1:9", False)])
def test_a_secret_that_travels_unencrypted_is_told(
    url: str, is_told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    settings(url, PROMETHEUS_TOKEN=SECRET)
    settings(url.replace("http:", "https:"), PROMETHEUS_TOKEN=SECRET)
    settings(url)
    assert len(caplog.records) == is_told
    assert SECRET not in caplog.text


def test_a_record_of_the_settings_holds_no_secret(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        f"PROMETHEUS_URL=http://kpp:{SECRET}@localhost\nPROMETHEUS_HEADERS='X-Key: {SECRET}'\n"
        f"PROMETHEUS_PROXY=http://kpp:{SECRET}@localhost:1\n"
    )
    config = read_config({}, {}, tmp_path / ".env")
    for text in (repr(config), str(config), json.dumps(asdict(config), default=str)):
        assert "X-Key" in text
        assert SECRET not in text


def test_variables_are_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "prometheus.md").read_text()
    assert [name for name in ACCESS_VARIABLES if f"`{name}`" not in page] == []
