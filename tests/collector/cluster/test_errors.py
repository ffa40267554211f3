import json

import pytest
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import ProtocolError, SSLError

from kpp.collector.cluster.errors import Call, is_forbidden, translate
from kpp.errors import KubernetesError

SERVER = "https://192.168.49.2:8443"
PATCH = Call("patch", "deployments", "shop", "loadgenerator")


def make_error(status: int, body: str | bytes | None) -> ApiException:
    error = ApiException(status=status, reason="Reason")
    vars(error)["body"] = body  # some versions of the client leave it in bytes
    return error


def make_status(status: int, message: str) -> ApiException:
    return make_error(status, json.dumps({"kind": "Status", "code": status, "message": message}))


def test_a_missing_permission_is_named_with_the_command_that_checks_it() -> None:
    text = str(translate(make_status(403, 'User "jo" cannot patch resource'), PATCH, SERVER))

    assert text == (
        "https://192.168.49.2:8443: does not allow to patch deployments/loadgenerator in namespace shop "
        '(HTTP 403: User "jo" cannot patch resource); the account needs the verb patch on deployments: '
        "`kubectl auth can-i patch deployments/loadgenerator --namespace shop`"
    )


@pytest.mark.parametrize(
    ("status", "parts"),
    [
        (
            401,
            [
                "did not accept the credentials to patch deployments/loadgenerator",
                "the verb patch on deployments",
            ],
        ),
        (404, ["found nothing to patch deployments/loadgenerator in namespace shop", "KPP_NAMESPACE"]),
        (409, ["could not patch", "for now"]),
        (422, ["refused to patch", "env is wrong"]),
        (503, ["could not patch", "/readyz"]),
    ],
)
def test_every_status_has_its_mend(status: int, parts: list[str]) -> None:
    text = str(translate(make_status(status, "env is wrong"), PATCH, SERVER))

    assert text.startswith(f"{SERVER}: ")
    for part in [*parts, f"(HTTP {status}: env is wrong)"]:
        assert part in text


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"message": "in bytes"}', "in bytes"),
        ("no JSON,\n  but text", "no JSON, but text"),
        ('["a list"]', '["a list"]'),
        (None, "Reason"),
        ("x" * 5000, "x" * 300 + "…"),
    ],
)
def test_the_server_s_own_words_are_kept_on_one_line(body: str | bytes | None, message: str) -> None:
    assert f"(HTTP 500: {message})" in str(translate(make_error(500, body), PATCH, SERVER))


def test_connection_certificate_and_nonsense_are_told_apart() -> None:
    list_nodes = Call("list", "nodes")

    lost = str(translate(ProtocolError("Connection aborted."), list_nodes, SERVER))
    certificate = str(translate(SSLError("self-signed"), list_nodes, SERVER))
    nonsense = str(translate(ValueError("no JSON"), list_nodes, SERVER))

    assert lost.startswith(
        f"{SERVER}: could not be reached to list nodes (ProtocolError: Connection aborted.)"
    )
    assert "no secure connection" in certificate
    assert "could not be read (no JSON)" in nonsense


def test_only_a_403_is_forbidden() -> None:
    for status, forbidden in [(401, False), (403, True), (404, False)]:
        error = make_status(status, "")
        translated = translate(error, PATCH, SERVER)
        translated.__cause__ = error
        assert is_forbidden(translated) is forbidden
    assert not is_forbidden(KubernetesError("x", mend="y"))
