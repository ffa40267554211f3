"""Prometheus's HTTP API over a store of samples, with "now" taken from a clock.

Paths, parameters, status codes and the error envelope are those of Prometheus 2.42; what it would do and this
one does not is refused by name.
"""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from kpp import __version__
from kpp.clock import Clock
from kpp.simulator.promql.errors import BadDataError, QueryError
from kpp.simulator.promql.labels import LabelSet
from kpp.simulator.promql.parameters import Parameters
from kpp.simulator.promql.parsing import parse_selector
from kpp.simulator.promql.query import query_instant, query_range
from kpp.simulator.promql.samples import SampleStore

EMULATED_VERSION = "2.42.0"

Answerer = Callable[[Parameters], Any]  # the request's parameters in, the answer's `data` out
Endpoint = Callable[[Request], Awaitable[Response]]

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_EARLIEST_MS, _LATEST_MS = 0, 2**53


def create_prometheus_app(store: SampleStore, clock: Clock) -> Starlette:
    """An application that answers for the samples of `store`.

    Args:
        store: may be fed at the same time, from another thread.
        clock: tells the instant of a query that names none.
    """
    api = _Api(store, clock)
    both = ["GET", "POST"]
    return Starlette(
        routes=[
            Route("/api/v1/query", _endpoint(api.query), methods=both),
            Route("/api/v1/query_range", _endpoint(api.query_range), methods=both),
            Route("/api/v1/series", _endpoint(api.series), methods=both),
            Route("/api/v1/labels", _endpoint(api.labels), methods=both),
            Route("/api/v1/label/{label}/values", _endpoint(api.label_values), methods=["GET"]),
            Route("/api/v1/status/buildinfo", _endpoint(_build_info)),
            Route("/", _plain("A simulated Prometheus, without web pages: ask /api/v1/query.\n")),
            Route("/-/ready", _plain("Prometheus Server is Ready.\n")),
            Route("/-/healthy", _plain("Prometheus Server is Healthy.\n")),
        ],
        exception_handlers={HTTPException: _refuse_path},
    )


class _Api:
    """What the paths under /api/v1 answer."""

    def __init__(self, store: SampleStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def query(self, parameters: Parameters) -> Any:
        instant_ms = parameters.instant_ms("time", round(self._clock.now() * 1000))
        _check_timeout(parameters)
        with _naming("query"):
            return query_instant(self._store, parameters.get("query"), instant_ms)

    def query_range(self, parameters: Parameters) -> Any:
        start_ms, end_ms = parameters.instant_ms("start"), parameters.instant_ms("end")
        step_ms = parameters.duration_ms("step")
        _check_timeout(parameters)
        return query_range(self._store, parameters.get("query"), start_ms, end_ms, step_ms)

    def series(self, parameters: Parameters) -> Any:
        if not parameters.get_all("match[]"):
            raise BadDataError("no match[] parameter provided")
        return [labels.as_dict() for labels in self._find(parameters)]

    def labels(self, parameters: Parameters) -> Any:
        return sorted({name for labels in self._find(parameters) for name, _ in labels.pairs})

    def label_values(self, parameters: Parameters) -> Any:
        label = parameters.get("label")
        if not _LABEL_NAME.fullmatch(label):
            raise BadDataError(f'invalid label name: "{label}"')
        return sorted({labels.get(label) for labels in self._find(parameters)} - {""})

    def _find(self, parameters: Parameters) -> list[LabelSet]:
        """The label sets that meet any `match[]`, or all, and have samples from `start` to `end`; sorted."""
        start_ms = parameters.instant_ms("start", _EARLIEST_MS)
        end_ms = parameters.instant_ms("end", _LATEST_MS)
        with _naming("match[]"):
            selectors = [parse_selector(text) for text in parameters.get_all("match[]")] or [()]
        with self._store.lock:
            found = np.unique(np.concatenate([self._store.select(selector) for selector in selectors]))
            return sorted(
                self._store.index.labels[series]
                for series in self._store.seen_between(found, start_ms, end_ms)
            )


@contextmanager
def _naming(parameter: str) -> Iterator[None]:
    """Say in a refusal which parameter is at fault."""
    try:
        yield
    except BadDataError as error:
        raise BadDataError(f'invalid parameter "{parameter}": {error}') from error


def _check_timeout(parameters: Parameters) -> None:
    if parameters.get("timeout"):
        parameters.duration_ms("timeout")


def _build_info(_parameters: Parameters) -> Mapping[str, str]:
    return {
        "version": EMULATED_VERSION,
        "revision": f"kpp {__version__}",
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    }


def _endpoint(answer: Answerer) -> Endpoint:
    async def respond(request: Request) -> Response:
        form = (await request.body()).decode("utf-8", errors="replace")
        parameters = Parameters(form, request.url.query, request.path_params)
        try:
            data = await run_in_threadpool(answer, parameters)
        except QueryError as error:
            envelope = {"status": "error", "errorType": error.error_type, "error": str(error)}
            return JSONResponse(envelope, status_code=error.status_code)
        return JSONResponse({"status": "success", "data": data})

    return respond


def _plain(text: str) -> Endpoint:
    async def respond(_request: Request) -> Response:
        return PlainTextResponse(text)

    return respond


async def _refuse_path(_request: Request, error: Exception) -> Response:
    status_code = error.status_code if isinstance(error, HTTPException) else 500
    text = "404 page not found" if status_code == 404 else "Method Not Allowed"
    return PlainTextResponse(f"{text}\n", status_code=status_code)
