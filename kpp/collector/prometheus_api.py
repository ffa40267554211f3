"""Questions to Prometheus over HTTP: patient with faults that pass, clear about those that stay."""

import logging
from urllib.parse import urlsplit

import requests
from prometheus_api_client import PrometheusConnect
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from urllib3.util import Retry

from kpp.clock import Clock
from kpp.collector.prometheus_answer import (
    Answer,
    AnswerFaultError,
    Sample,
    read_answer,
    read_failure,
    shorten,
)
from kpp.collector.queries import Query
from kpp.errors import PrometheusError

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
LONGEST_WAIT_SECONDS = 30.0  # however long the server asks to be left alone


class _PassingError(PrometheusError):
    """May be over when asked again."""

    def __init__(self, what: str, *, mend: str, where: str | None = None, retry_after: str = "") -> None:
        super().__init__(what, mend=mend, where=where)
        self.retry_after = retry_after


class PrometheusApi:
    """Runs instant queries for one namespace.

    `PrometheusConnect` speaks to the server. Its own retries are off: they sleep past kpp's clock, wait as
    long as any Retry-After says, and lose the reason that the last answer gave.
    """

    def __init__(self, url: str, namespace: str, timeout_seconds: float, clock: Clock) -> None:
        self._namespace = namespace
        self._timeout_seconds = timeout_seconds
        self._shown_url = _without_password(url)
        self._logged: set[str] = set()
        self._session = requests.Session()
        self._session.hooks["response"].append(self._check_answer)
        self._answer: Answer | None = None
        self._connect = PrometheusConnect(
            url=url, session=self._session, retry=Retry(0, read=False), timeout=timeout_seconds
        )
        self._retrying = Retrying(
            retry=retry_if_exception_type(_PassingError),
            stop=stop_after_attempt(MAX_ATTEMPTS),
            wait=_wait_seconds,
            sleep=clock.sleep,
            before_sleep=_log_retry,
            reraise=True,
        )

    @property
    def url(self) -> str:
        """Where it is asked, as it may be shown."""
        return self._shown_url

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def query(self, query: Query, at: float | None, window_seconds: int) -> list[Sample]:
        """Evaluate one query at the instant `at` (Unix seconds); None is the server's present.

        Connection errors, time-outs, HTTP 429 and 5xx are tried again, three times in all.

        Raises:
            PrometheusError: one line with the query's name, the URL (without its password) and the mend.
        """
        text = query.text(self._namespace, window_seconds)
        logger.debug("Query %r at %s:\n%s", query.name, at, text)
        answer: Answer = self._retrying(self._query_once, query.name, text, at)
        for message in (*answer.warnings, *answer.infos):
            self._log_once(f"Prometheus about query {query.name!r}: {shorten(message)}")
        return answer.data.result

    def _query_once(self, name: str, text: str, at: float | None) -> Answer:
        try:
            self._connect.custom_query(text, params={} if at is None else {"time": f"{at:.3f}"})
        except AnswerFaultError as fault:
            raise self._error(name, fault) from fault
        except requests.RequestException as error:
            raise self._error(name, read_failure(error, self._timeout_seconds)) from error
        assert self._answer is not None, "the hook has seen an answer, or raised"
        return self._answer

    def _check_answer(self, response: requests.Response, *_args: object, **_kwargs: object) -> None:
        """Read each answer as it comes: the library keeps neither type nor warnings nor reasons."""
        if not response.is_redirect:
            self._answer = read_answer(response)

    def _error(self, name: str, fault: AnswerFaultError) -> PrometheusError:
        what, where = f"query {name!r}: {fault.what}", self._shown_url
        if fault.is_passing:
            return _PassingError(what, mend=fault.mend, where=where, retry_after=fault.retry_after)
        return PrometheusError(what, mend=fault.mend, where=where)

    def _log_once(self, message: str) -> None:
        if message not in self._logged:
            self._logged.add(message)
            logger.warning("%s", message)


def _wait_seconds(state: RetryCallState) -> float:
    """1 s, then 2 s; or what the server asked for with Retry-After, within reason."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, _PassingError) else ""
    wanted_seconds = float(asked) if asked.isdecimal() else 2.0 ** (state.attempt_number - 1)
    return min(wanted_seconds, LONGEST_WAIT_SECONDS)


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    seconds = state.next_action.sleep if state.next_action else 0.0
    logger.info("%s. Trying again in %g s.", error, seconds)


def _without_password(url: str) -> str:
    """The URL as it may be shown.

    >>> _without_password("https://kpp:secret@monitoring:9090/prom")
    'https://monitoring:9090/prom'
    """
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
