"""What is wrong with an answer of Prometheus, or with there being none, and how to mend it."""

from dataclasses import dataclass
from http.client import HTTPException
from typing import Annotated, Literal
from urllib.parse import urlsplit

import requests
from pydantic import Field, TypeAdapter, ValidationError
from urllib3.exceptions import HTTPError, ReadTimeoutError

from kpp.collector.prometheus.session import EndlessAnswerError, Reply

OK, UNAUTHORIZED, FORBIDDEN, BAD_REQUEST, TOO_LARGE, UNPROCESSABLE = 200, 401, 403, 400, 413, 422
TOO_MANY_REQUESTS, SERVER_ERRORS = 429, 500
SHOWN_CHARACTERS = 200  # of a text that the server sent


@dataclass(frozen=True)
class _Refusal:
    status: Literal["error"]
    error_type: Annotated[str, Field(alias="errorType")] = ""
    error: str = ""


_REFUSAL = TypeAdapter(_Refusal)


class AnswerFaultError(Exception):
    """An answer that holds no result.

    Attributes:
        is_passing: the same question may be answered a little later.
        is_too_much: a smaller question may be answered.
        is_refused: the server objects to what is asked.
    """

    def __init__(
        self,
        what: str,
        *,
        mend: str,
        is_passing: bool = False,
        is_too_much: bool = False,
        is_refused: bool = False,
        retry_after: str = "",
    ) -> None:
        super().__init__(what)
        self.what = what
        self.mend = mend
        self.is_passing = is_passing
        self.is_too_much = is_too_much
        self.is_refused = is_refused
        self.retry_after = retry_after


def read_failure(error: Exception, timeout_seconds: float) -> AnswerFaultError:
    """Say why there was no answer at all."""
    if isinstance(error, EndlessAnswerError):
        return AnswerFaultError(
            str(error),
            mend="check that PROMETHEUS_URL names a Prometheus, or raise KPP_REQUEST_TIMEOUT_SECONDS",
            is_too_much=True,
        )
    if isinstance(error, requests.exceptions.SSLError):
        return AnswerFaultError(
            f"no secure connection: {_root_of(error)}",
            mend="check the certificate and PROMETHEUS_URL; whom to trust is set by PROMETHEUS_CA_FILE, what "
            "to show by PROMETHEUS_CLIENT_CERTIFICATE and PROMETHEUS_CLIENT_KEY",
        )
    if isinstance(error, requests.exceptions.ProxyError):
        return AnswerFaultError(
            f"the proxy does not let through: {_root_of(error)}",
            mend="check PROMETHEUS_PROXY, or HTTP_PROXY, HTTPS_PROXY and NO_PROXY",
            is_passing=True,
        )
    if isinstance(error, requests.Timeout | ReadTimeoutError):
        return AnswerFaultError(
            f"no answer within {timeout_seconds:g} s",
            mend="raise KPP_REQUEST_TIMEOUT_SECONDS, or see what keeps Prometheus busy",
            is_passing=True,
            is_too_much=True,
        )
    return AnswerFaultError(
        f"the connection failed: {_root_of(error)}",
        mend="check that Prometheus runs and PROMETHEUS_URL is right (is the port-forward still up?)",
        is_passing=isinstance(
            error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError | HTTPError
        ),
    )


def read_redirect(reply: Reply) -> AnswerFaultError:
    """A redirect is not followed: it could lead the credentials to anybody."""
    parts = urlsplit(reply.location)
    target = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    return AnswerFaultError(
        f"it sends elsewhere (HTTP {reply.status}), to {shorten(target)}, and kpp does not follow",
        mend="let PROMETHEUS_URL name Prometheus itself; if this is a page for signing in, set "
        "PROMETHEUS_TOKEN or what else it asks for",
    )


def read_refusal(reply: Reply) -> AnswerFaultError:
    """An answer that is an error."""
    code = reply.status
    return AnswerFaultError(
        f"refused with HTTP {code}: {_reason_of(reply)}",
        mend=_mend_of(code),
        is_passing=code == TOO_MANY_REQUESTS or code >= SERVER_ERRORS,
        is_too_much=code in (TOO_LARGE, UNPROCESSABLE) or _is_timeout(reply),
        is_refused=code in (BAD_REQUEST, UNPROCESSABLE),
        retry_after=reply.retry_after,
    )


def _is_timeout(reply: Reply) -> bool:
    """Whether Prometheus itself gave up on the query."""
    try:
        return _REFUSAL.validate_json(reply.content).error_type == "timeout"
    except ValidationError:
        return False


def is_refusal(reply: Reply) -> bool:
    """Whether an answer says of itself that it is an error."""
    try:
        _REFUSAL.validate_json(reply.content)
    except ValidationError:
        return False
    return True


def _reason_of(reply: Reply) -> str:
    """The reason in Prometheus's own words where it gave one, else what came instead of it."""
    try:
        refusal = _REFUSAL.validate_json(reply.content)
        if refusal.error_type or refusal.error:
            return shorten(f"{refusal.error_type}: {refusal.error}")
    except ValidationError:
        pass
    text = reply.content[: 10 * SHOWN_CHARACTERS].decode("utf-8", errors="replace")
    plain_text = shorten(text) if reply.media_type == "text/plain" else ""
    return plain_text or f"{shorten(reply.reason)} ({shorten(reply.media_type)})"


def _mend_of(code: int) -> str:
    if code in (UNAUTHORIZED, FORBIDDEN):
        return (
            "ask for access, and set PROMETHEUS_TOKEN, or PROMETHEUS_USER and PROMETHEUS_PASSWORD, "
            "or PROMETHEUS_HEADERS"
        )
    if code in (BAD_REQUEST, UNPROCESSABLE):
        return "run with --debug and paste the query into Prometheus to see what it objects to"
    if code == TOO_MANY_REQUESTS or code >= SERVER_ERRORS:
        return "wait until Prometheus is ready and not overloaded, then try again"
    return "check PROMETHEUS_URL, with its path when Prometheus stands behind a proxy"


def not_prometheus(reply: Reply) -> AnswerFaultError:
    """An answer that cannot be read."""
    if reply.media_type == "application/json":
        return AnswerFaultError(
            "the answer is cut off or damaged",
            mend="try again, and check what stands between here and Prometheus",
        )
    return AnswerFaultError(
        f"this is no Prometheus: it answers with a document of type {shorten(reply.media_type)}",
        mend="let PROMETHEUS_URL name Prometheus itself, not a login page or a dashboard",
    )


def shorten(text: str) -> str:
    r"""A text from elsewhere as part of one line, without what could move a terminal's cursor.

    >>> shorten("two\nlines \x1b[2J")
    'two lines \ufffd[2J'
    """
    line = " ".join(text.split())[: SHOWN_CHARACTERS + 1]
    shown = "".join(each if each.isprintable() else "\ufffd" for each in line)
    return shown if len(shown) <= SHOWN_CHARACTERS else f"{shown[:SHOWN_CHARACTERS]}…"


def _root_of(error: BaseException) -> str:
    """The fault at the bottom: the layers above it wrap it in addresses of objects and internal names."""
    while isinstance(inner := error.__cause__ or error.__context__, OSError | HTTPError | HTTPException):
        error = inner
    return shorten(str(error)) or type(error).__name__
