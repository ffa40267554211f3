from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import (
    HTTPError,
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)

from kpp.clock import ManualClock
from kpp.collector.cluster.retries import ATTEMPTS, LONGEST_RETRY_AFTER_SECONDS, is_transient, with_retries

POOL: Any = None  # urllib3's errors name their pool


def make_error(status: int, **headers: str) -> ApiException:
    error = ApiException(status=status, reason="as the test asked for")
    error.headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return error


class Failing:
    """Fails with each of the errors in turn, then answers 42."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return 42


@pytest.mark.parametrize("status", [409, 410, 429, 500, 502, 503, 504])
def test_what_passes_by_itself_is_tried_again(status: int) -> None:
    function = Failing(make_error(status))

    assert with_retries(function, clock=ManualClock(), doing="it") == 42
    assert function.calls == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 415, 422])
def test_what_does_not_pass_is_not_tried_again(status: int) -> None:
    function = Failing(make_error(status))

    with pytest.raises(ApiException):
        with_retries(function, clock=ManualClock(), doing="it")
    assert function.calls == 1


@pytest.mark.parametrize(
    "error",
    [
        ProtocolError("Connection aborted."),
        ReadTimeoutError(POOL, "/", "Read timed out."),
        NewConnectionError(POOL, "Connection refused"),
        MaxRetryError(POOL, "/", NewConnectionError(POOL, "Connection refused")),
    ],
)
def test_lost_connections_are_transient(error: HTTPError) -> None:
    assert is_transient(error)


@pytest.mark.parametrize(
    "error", [SSLError("bad"), MaxRetryError(POOL, "/", SSLError("bad")), ValueError("x")]
)
def test_a_refused_certificate_and_other_errors_are_not(error: Exception) -> None:
    assert not is_transient(error)


def test_the_waits_double_until_the_attempts_are_used_up() -> None:
    clock = ManualClock()
    last = make_error(503)
    function = Failing(*(make_error(500) for _ in range(ATTEMPTS - 1)), last)

    with pytest.raises(ApiException) as caught:
        with_retries(function, clock=clock, doing="it")

    assert caught.value is last
    assert function.calls == ATTEMPTS
    assert clock.now() == 0.5 + 1 + 2 + 4 + 8 + 16


@pytest.mark.parametrize(
    ("retry_after", "waited_seconds"),
    [("7", 7), ("0", 0.5), ("86400", LONGEST_RETRY_AFTER_SECONDS), ("soon", 0.5), ("-5", 0.5)],
)
def test_retry_after_is_honored_within_reason(retry_after: str, waited_seconds: float) -> None:
    clock = ManualClock()

    with_retries(Failing(make_error(429, Retry_After=retry_after)), clock=clock, doing="it")

    assert clock.now() == waited_seconds


def test_every_new_attempt_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with_retries(Failing(make_error(503), ProtocolError("gone")), clock=ManualClock(), doing="list pods")

    assert caplog.messages == [
        "list pods failed (HTTP 503), next attempt in 0.5 s",
        "list pods failed (ProtocolError), next attempt in 1 s",
    ]
