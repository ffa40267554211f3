"""An HTTP session for Prometheus that trusts no answer: no redirects, no cookies, a bound on what is read."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import requests
from requests.auth import AuthBase

from kpp import __version__
from kpp.collector.prometheus.access import PrometheusAccess

MOST_BYTES = 64 * 2**20  # of an answer, unpacked; a chunk of history of 5,000 series has a third of it
_PIECE_BYTES = 2**16


@dataclass(frozen=True)
class Reply:
    """An answer as it came over the wire, read whole."""

    status: int
    reason: str
    media_type: str
    retry_after: str
    content: bytes
    location: str = ""  # where it sends the client instead


class EndlessAnswerError(ValueError):
    """An answer was larger than `MOST_BYTES`, or took too long to come."""


class _Signature(AuthBase):
    """Puts the access into each request. That there is one keeps requests from looking into ~/.netrc."""

    def __init__(self, access: PrometheusAccess) -> None:
        self._access = access

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        for name, value in self._access.headers.items():
            request.headers[name] = value.get_secret_value()
        authorization = self._access.authorization()
        if authorization is not None:
            request.headers["Authorization"] = authorization
        return request


def open_session(access: PrometheusAccess) -> requests.Session:
    """A session with the access's secrets, certificates and proxy; answers are to be read by `read_reply`."""
    session = requests.Session()
    session.headers["User-Agent"] = f"kpp/{__version__}"
    session.auth = _Signature(access)
    session.stream = True  # nothing is read before `read_reply`
    if access.ca_file is not None:
        session.verify = str(access.ca_file)
    if access.client_certificate is not None:
        certificate = str(access.client_certificate)
        session.cert = certificate if access.client_key is None else (certificate, str(access.client_key))
    if access.proxy is not None:
        session.proxies = dict.fromkeys(("http", "https"), access.proxy.get_secret_value())
        session.trust_env = False  # else HTTPS_PROXY and the like would win
    return session


def read_reply(response: requests.Response, timeout_seconds: float) -> Reply:
    """Read an answer, within bounds; of a redirect, only where it leads.

    Raises:
        EndlessAnswerError: it has no end that kpp would wait for.
        requests.RequestException, urllib3.exceptions.HTTPError: the connection broke.
    """
    is_elsewhere = response.is_redirect
    content = b"" if is_elsewhere else _read_content(response, timeout_seconds)
    response.close()
    return Reply(
        status=response.status_code,
        reason=response.reason or "",
        media_type=response.headers.get("Content-Type", "unknown").partition(";")[0].strip().lower(),
        retry_after=response.headers.get("Retry-After", ""),
        content=content,
        location=response.headers.get("Location", "") if is_elsewhere else "",
    )


def _read_content(response: requests.Response, timeout_seconds: float) -> bytes:
    """The body, whose pieces may each come in time and yet never end."""
    content, started_at = bytearray(), time.monotonic()
    for piece in _pieces(response):
        content += piece
        if len(content) > MOST_BYTES:
            raise EndlessAnswerError(f"the answer is larger than {MOST_BYTES // 2**20} MiB")
        if time.monotonic() - started_at > timeout_seconds:
            raise EndlessAnswerError(f"the answer has not come to its end within {timeout_seconds:g} s")
    return bytes(content)


def _pieces(response: requests.Response) -> Iterator[bytes]:
    """The body as it comes: what waits until a piece is full could be held up forever by single bytes."""
    while piece := response.raw.read1(_PIECE_BYTES, decode_content=True):
        yield piece
