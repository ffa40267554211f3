"""Which failures of the Kubernetes API pass by themselves, and how long to wait for that."""

import logging
from collections.abc import Callable
from typing import TypeVar

import urllib3
from kubernetes.client.exceptions import ApiException
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential
from urllib3.exceptions import HTTPError, InvalidHeader, MaxRetryError, SSLError

from kpp.clock import Clock

logger = logging.getLogger(__name__)

ATTEMPTS = 7  # with the waits below half a minute: an API server restarts in less
LONGEST_RETRY_AFTER_SECONDS = 60.0
_TRANSIENT = (
    409,  # somebody else wrote at the same time
    410,  # a list's continue token has expired: the list is begun anew
    429,
)
_backoff = wait_exponential(multiplier=0.5, max=16)  # 0.5, 1, 2, 4, 8, 16 s

Answer = TypeVar("Answer")


def with_retries(
    function: Callable[[], Answer],
    *,
    clock: Clock,
    doing: str,
    passes: Callable[[BaseException], bool] | None = None,
) -> Answer:
    """Call `function` until it succeeds, fails for good, or has failed `ATTEMPTS` times.

    Args:
        function: makes one call of the API; it must be safe to repeat.
        clock: waits between the attempts.
        doing: what the call does, for the log.
        passes: which failures are tried again; None takes `is_transient`.

    Raises:
        ApiException, urllib3.exceptions.HTTPError: the last failure, as it came.
    """

    def report(state: RetryCallState) -> None:
        assert state.outcome is not None
        assert state.next_action is not None
        error = state.outcome.exception()
        assert error is not None
        reason = (
            f"HTTP {error.status}" if isinstance(error, ApiException) else type(find_reason(error)).__name__
        )
        logger.warning("%s failed (%s), next attempt in %g s", doing, reason, state.next_action.sleep)

    retrying = Retrying(
        retry=retry_if_exception(passes or is_transient),
        stop=stop_after_attempt(ATTEMPTS),
        wait=seconds_to_wait,
        sleep=clock.sleep,
        before_sleep=report,
        reraise=True,
    )
    return retrying(function)


def is_transient(error: BaseException) -> bool:
    """Whether the same call may well succeed a little later."""
    if isinstance(error, ApiException):
        return error.status in _TRANSIENT or 500 <= (error.status or 0) <= 599
    return isinstance(error, HTTPError) and not is_tls_fault(error)


def is_tls_fault(error: BaseException) -> bool:
    """Whether the server's certificate, or ours, was not accepted."""
    return isinstance(find_reason(error), SSLError)


def find_reason(error: BaseException) -> BaseException:
    """What went wrong in the one attempt that urllib3 is allowed; it wraps some errors and others not."""
    return error.reason if isinstance(error, MaxRetryError) and error.reason is not None else error


def seconds_to_wait(state: RetryCallState) -> float:
    """Exponential back-off, and at least what the server asked for in Retry-After, within reason."""
    assert state.outcome is not None
    asked = _read_retry_after(state.outcome.exception())
    return max(_backoff(state), min(asked, LONGEST_RETRY_AFTER_SECONDS))


def _read_retry_after(error: BaseException | None) -> float:
    header = (getattr(error, "headers", None) or {}).get("Retry-After")
    if header is None:
        return 0.0
    try:
        return float(urllib3.Retry().parse_retry_after(header))
    except InvalidHeader:
        return 0.0
