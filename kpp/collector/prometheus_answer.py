"""What Prometheus answered: the result of a query, or what is wrong with the answer and how to mend it."""

from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Annotated, Any, Literal

import requests
from pydantic import BeforeValidator, TypeAdapter, ValidationError
from urllib3.exceptions import HTTPError

TOO_MANY_REQUESTS = 429
SHOWN_CHARACTERS = 200  # of a text that the server sent


@dataclass(frozen=True)
class Sample:
    """One series of an instant vector: labels, and (Unix seconds, value), which may be NaN or infinite."""

    metric: dict[str, str]
    value: tuple[float, float]


@dataclass(frozen=True)
class _Vector:
    resultType: Literal["vector"]  # noqa: N815 - Prometheus's name
    result: list[Sample]


_Texts = Annotated[list[str], BeforeValidator(lambda texts: texts or [])]


@dataclass(frozen=True)
class Answer:
    """The envelope of a successful answer of the query API."""

    status: Literal["success"]
    data: _Vector
    warnings: _Texts = field(default_factory=list)
    infos: _Texts = field(default_factory=list)


_ANSWER = TypeAdapter(Answer)


class AnswerFaultError(Exception):
    """An answer that holds no result; `is_passing` when the same question may be answered a little later."""

    def __init__(self, what: str, *, mend: str, is_passing: bool = False, retry_after: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.mend = mend
        self.is_passing = is_passing
        self.retry_after = retry_after


def read_answer(response: requests.Response) -> Answer:
    """Read the answer to an instant query.

    Raises:
        AnswerFaultError: it is an error, or not what Prometheus answers.
    """
    if response.status_code != requests.codes.ok:
        raise _read_refusal(response)
    try:
        content = response.json()
    except requests.JSONDecodeError as error:
        raise _not_prometheus(response) from error
    if isinstance(content, dict) and content.get("status") == "error":
        raise _read_refusal(response)
    try:
        return _ANSWER.validate_python(content)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise AnswerFaultError(
            f"the answer is not an instant vector: {place or 'the whole'}: {fault['msg']}",
            mend="check that PROMETHEUS_URL names a Prometheus, version 2 or later",
        ) from error


def read_failure(error: requests.RequestException, timeout_seconds: float) -> AnswerFaultError:
    """Say why there was no answer at all."""
    if isinstance(error, requests.exceptions.SSLError):
        return AnswerFaultError(
            f"no secure connection: {_root_of(error)}", mend="check the certificate and PROMETHEUS_URL"
        )
    if isinstance(error, requests.Timeout):
        return AnswerFaultError(
            f"no answer within {timeout_seconds:g} s",
            mend="raise KPP_REQUEST_TIMEOUT_SECONDS, or see what keeps Prometheus busy",
            is_passing=True,
        )
    return AnswerFaultError(
        f"the connection failed: {_root_of(error)}",
        mend="check that Prometheus runs and PROMETHEUS_URL is right (is the port-forward still up?)",
        is_passing=isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError),
    )


def _read_refusal(response: requests.Response) -> AnswerFaultError:
    code = response.status_code
    is_passing = code == TOO_MANY_REQUESTS or code >= requests.codes.internal_server_error
    return AnswerFaultError(
        f"refused with HTTP {code}: {_reason_of(response)}",
        mend=_mend_of(code),
        is_passing=is_passing,
        retry_after=response.headers.get("Retry-After", ""),
    )


def _reason_of(response: requests.Response) -> str:
    """The reason in Prometheus's own words where it gave one, else what came instead of it."""
    try:
        content: Any = response.json()
        return shorten(f"{content['errorType']}: {content['error']}")
    except (requests.JSONDecodeError, KeyError, TypeError):
        media_type = _media_type_of(response)
        plain_text = shorten(response.text) if media_type == "text/plain" else ""
        return plain_text or f"{response.reason} ({media_type})"


def _mend_of(code: int) -> str:
    if code in (requests.codes.unauthorized, requests.codes.forbidden):
        return "ask for access, or put user and password into PROMETHEUS_URL (http://user:password@host)"
    if code in (requests.codes.bad_request, requests.codes.unprocessable_entity):
        return "run with --debug and paste the query into Prometheus to see what it objects to"
    if code == TOO_MANY_REQUESTS or code >= requests.codes.internal_server_error:
        return "wait until Prometheus is ready and not overloaded, then try again"
    return "check PROMETHEUS_URL, with its path when Prometheus stands behind a proxy"


def _not_prometheus(response: requests.Response) -> AnswerFaultError:
    media_type = _media_type_of(response)
    if media_type == "application/json":
        return AnswerFaultError(
            "the answer is cut off or damaged",
            mend="try again, and check what stands between here and Prometheus",
        )
    return AnswerFaultError(
        f"this is no Prometheus: it answers with a document of type {media_type}",
        mend="let PROMETHEUS_URL name Prometheus itself, not a login page or a dashboard",
    )


def _media_type_of(response: requests.Response) -> str:
    return response.headers.get("Content-Type", "unknown").partition(";")[0].strip().lower()


def shorten(text: str) -> str:
    """A text from elsewhere as part of one line."""
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]}…"


def _root_of(error: BaseException) -> str:
    """The fault at the bottom: the layers above it wrap it in addresses of objects and internal names."""
    while isinstance(inner := error.__cause__ or error.__context__, OSError | HTTPError | HTTPException):
        error = inner
    return shorten(str(error)) or type(error).__name__
