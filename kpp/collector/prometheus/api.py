"""Questions to Prometheus over HTTP: patient with faults that pass, clear about those that stay."""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from prometheus_api_client import PrometheusConnect
from pydantic import TypeAdapter
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, stop_when_event_set
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from kpp.clock import Clock
from kpp.collector.prometheus.access import PrometheusAccess
from kpp.collector.prometheus.answer import (
    MATRIX,
    VECTOR,
    Answer,
    Matrix,
    Sample,
    Series,
    Vector,
    read_answer,
)
from kpp.collector.prometheus.faults import AnswerFaultError, read_failure, shorten
from kpp.collector.prometheus.session import open_session, read_reply
from kpp.collector.queries import Query
from kpp.errors import QueryError

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 3  # of a query at one instant: the next tick comes soon
RANGE_ATTEMPTS = 6  # of a query over a range, half a minute in all: a server restarts in less
LONGEST_WAIT_SECONDS = 30.0  # however long the server asks to be left alone


class _Read(requests.Response):
    """An answer that was read already: what the library takes for its data is the whole of it, checked.

    Its headers are not in it, so no cookie of theirs is kept.
    """

    def __init__(self, answer: object) -> None:
        super().__init__()
        self.status_code = requests.codes.ok
        self._answer = answer

    def json(self, **_kwargs: object) -> Any:
        return {"data": {"result": self._answer}}


class PrometheusApi:
    """Runs queries for one namespace; several threads may ask at once.

    `PrometheusConnect` speaks to the server. Its own retries are off: they sleep past kpp's clock, wait as
    long as any Retry-After says, and lose the reason that the last answer gave.
    """

    def __init__(
        self,
        url: str,
        namespace: str,
        timeout_seconds: float,
        clock: Clock,
        access: PrometheusAccess | None = None,
    ) -> None:
        self._namespace = namespace
        self._timeout_seconds = timeout_seconds
        self._url = url
        self._access = access or PrometheusAccess()
        self._logged: set[str] = set()
        self._session = open_session(self._access)
        self._session.hooks["response"].append(self._check_answer)
        self._connect = PrometheusConnect(
            url=self._url, session=self._session, retry=Retry(0, read=False), timeout=timeout_seconds
        )
        self._clock = clock
        self._given_up = threading.Event()
        self._retrying = self._make_retrying(MAX_ATTEMPTS, _is_passing)
        self._retrying_range = self._make_retrying(RANGE_ATTEMPTS, _is_passing_and_not_too_much)

    @property
    def url(self) -> str:
        """Where it is asked, as it may be shown."""
        return self._url

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def query(self, query: Query, at: float | None, window_seconds: int) -> list[Sample]:
        """Evaluate one query at the instant `at` (Unix seconds); None is the server's present.

        Connection errors, time-outs, HTTP 429 and 5xx are tried again, three times in all.

        Raises:
            QueryError: one line with the query's name, the URL (without its password) and the mend.
        """
        text = query.text(self._namespace, window_seconds)
        logger.debug("Query %r at %s:\n%s", query.name, at, text)
        params = {} if at is None else {"time": f"{at:.3f}"}
        answer: Answer[Vector] = self._ask(
            self._retrying, query.name, lambda: self._connect.custom_query(text, params=params)
        )
        return answer.data.result

    def query_range(
        self, name: str, text: str, start: float, end: float, step_seconds: float
    ) -> list[Series]:
        """Evaluate a text at `start`, every step after it, and at the latest at `end` (Unix seconds).

        Raises:
            QueryError: as by `query`, after six attempts. If `is_too_much`, after one: a part of the range
                may have an answer.
        """
        logger.debug("Query %r from %.3f to %.3f by %g s:\n%s", name, start, end, step_seconds, text)
        # the library would round the instants to whole seconds
        params = {"start": f"{start:.3f}", "end": f"{end:.3f}"}
        instants = [datetime.fromtimestamp(at, UTC) for at in (start, end)]
        answer: Answer[Matrix] = self._ask(
            self._retrying_range,
            name,
            lambda: self._connect.custom_query_range(text, *instants, f"{step_seconds:.3f}", params=params),
        )
        return answer.data.result

    def give_up(self) -> None:
        """Ask nothing again from now on, and let nobody wait for it: to be called from another thread."""
        self._given_up.set()

    def _make_retrying(self, attempts: int, is_worth_it: Callable[[BaseException], bool]) -> Retrying:
        return Retrying(
            retry=retry_if_exception(is_worth_it),
            stop=stop_after_attempt(attempts) | stop_when_event_set(self._given_up),
            wait=_wait_seconds,
            sleep=self._sleep,
            before_sleep=_log_retry,
            reraise=True,
        )

    def _sleep(self, seconds: float) -> None:
        while seconds > 0 and not self._given_up.is_set():
            self._clock.sleep(min(seconds, 1.0))
            seconds -= 1.0

    def _ask(self, retrying: Retrying, name: str, ask: Callable[[], Any]) -> Any:
        answer = retrying(self._ask_once, name, ask)
        partial = ["the store says that the answer is partial"] if answer.is_partial else []
        for message in (*answer.warnings, *answer.infos, *partial):
            self._log_once(self._access.redact(f"Prometheus about query {name!r}: {shorten(message)}"))
        return answer

    def _ask_once(self, name: str, ask: Callable[[], Any]) -> Any:
        if self._given_up.is_set():
            raise QueryError(f"query {name!r} is given up", mend="ask again", where=self._url)
        try:
            return ask()
        except AnswerFaultError as error:
            fault = error
        except (OSError, HTTPError, ValueError) as error:  # a RequestException is an OSError
            fault = read_failure(error, self._timeout_seconds)
        # not chained: a traceback of the libraries may quote what was sent
        raise self._tell(name, fault)

    def _tell(self, name: str, fault: AnswerFaultError) -> QueryError:
        hide = self._access.redact
        error = QueryError(hide(f"query {name!r}: {fault.what}"), mend=hide(fault.mend), where=self._url)
        error.is_passing, error.is_too_much = fault.is_passing, fault.is_too_much
        error.is_refused, error.retry_after, error.query = fault.is_refused, fault.retry_after, name
        return error

    def _check_answer(self, response: requests.Response, *_args: object, **_kwargs: object) -> _Read:
        """Read each answer as it comes: the library keeps neither type nor warnings nor reasons."""
        kind: TypeAdapter[Any] = MATRIX if urlsplit(response.url).path.endswith("/query_range") else VECTOR
        return _Read(read_answer(read_reply(response, self._timeout_seconds), kind))

    def _log_once(self, message: str) -> None:
        if message not in self._logged:
            self._logged.add(message)
            logger.warning("%s", message)


def _is_passing_and_not_too_much(error: BaseException) -> bool:
    """Of a range: what takes too long is better asked in parts than asked again."""
    return isinstance(error, QueryError) and error.is_passing and not error.is_too_much


def _is_passing(error: BaseException) -> bool:
    return isinstance(error, QueryError) and error.is_passing


def _wait_seconds(state: RetryCallState) -> float:
    """1 s, then 2 s; or what the server asked for with Retry-After, within reason."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, QueryError) else ""
    is_number = asked.isascii() and asked.isdecimal()
    wanted_seconds = float(asked) if is_number else 2.0 ** (state.attempt_number - 1)
    return min(wanted_seconds, LONGEST_WAIT_SECONDS)


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    seconds = state.next_action.sleep if state.next_action else 0.0
    logger.info("%s. Trying again in %g s.", error, seconds)
