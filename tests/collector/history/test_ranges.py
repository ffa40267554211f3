"""Chunks over real HTTP: small enough, at most so many at once, smaller where they are too much, patient."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest

from kpp.clock import ManualClock
from kpp.collector.history import ranges
from kpp.collector.history.instants import Grid
from kpp.collector.history.ranges import CHUNK_POINTS, Answered, Question, ask_all, count_chunks
from kpp.collector.prometheus.answer import Series
from kpp.collector.prometheus.api import PrometheusApi
from kpp.errors import PrometheusError, QueryError
from tests.collector.fake_http import Answer, HttpServer, Request, Silence

GRID = Grid(1_700_000_000.25, 60, 300)
QUESTIONS = (Question("one", "a"), Question("two", "b"))


@dataclass
class Store:
    """Answers with the instant itself, divided by 10,000, as the value of one series."""

    refuse: Callable[[Request, int], Answer | None] = lambda _request, _count: None
    requests: list[Request] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)  # of points asked for
    at_once: int = 0
    most_at_once: int = 0
    delay_seconds: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, request: Request) -> Answer | Silence:
        start, end, step = (float(request.query[name]) for name in ("start", "end", "step"))
        instants = [start + number * step for number in range(round((end - start) / step) + 1)]
        with self.lock:
            self.requests.append(request)
            self.counts.append(len(instants))
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        time.sleep(self.delay_seconds)
        refused = self.refuse(request, len(instants))
        with self.lock:
            self.at_once -= 1
        if refused is not None:
            return refused
        values = [(at, str(at / 10_000)) for at in instants]
        result = [{"metric": {"query": request.query["query"]}, "values": values}]
        content = {"status": "success", "data": {"resultType": "matrix", "result": result}}
        return 200, {}, json.dumps(content).encode()


@contextmanager
def serve(store: Store, clock: ManualClock | None = None) -> Iterator[PrometheusApi]:
    server = HttpServer(store.answer)
    server.start()
    api = PrometheusApi(server.url, "shop", timeout_seconds=20.0, clock=clock or ManualClock())
    try:
        yield api
    finally:
        api.close()
        server.stop()


def error(status: int, kind: str) -> Answer:
    return status, {}, json.dumps({"status": "error", "errorType": kind, "error": "no"}).encode()


def ask(store: Store, grid: Grid = GRID, parallel: int = 3, clock: ManualClock | None = None) -> int:
    """Ask both questions, and check every value; returns how often it was said that it goes on."""
    advanced: list[None] = []
    with serve(store, clock) as api:
        answers = ask_all(api, grid, QUESTIONS, parallel=parallel, advance=lambda: advanced.append(None))
    for question in QUESTIONS:
        (values,) = answers[question.name].by("query").values()
        np.testing.assert_allclose(values, grid.instants / 10_000, rtol=1e-12)
    return len(advanced)


def test_a_range_is_asked_in_chunks_that_respect_the_limit() -> None:
    store = Store()
    assert ask(store) == count_chunks(GRID, QUESTIONS) == 2 * 3
    assert sorted(store.counts) == [60, 60, 120, 120, 120, 120]
    assert {request.path for request in store.requests} == {"/api/v1/query_range"}
    assert {request.query["step"] for request in store.requests} == {"60.000"}
    assert min(request.query["start"] for request in store.requests) == "1700000000.250"


def test_at_most_so_many_are_asked_at_once() -> None:
    store = Store(delay_seconds=0.05)
    ask(store, Grid(1e9, 15, 8 * CHUNK_POINTS), parallel=3)
    assert store.most_at_once == 3
    alone = Store(delay_seconds=0.01)
    ask(alone, parallel=1)
    assert alone.most_at_once == 1


@pytest.mark.parametrize(
    "refusal", [error(422, "execution"), error(503, "timeout"), (413, {}, b""), (200, {}, b" " * (2**26 + 1))]
)
def test_what_is_too_much_is_asked_in_halves_without_waiting(refusal: Answer) -> None:
    clock = ManualClock()
    store = Store(refuse=lambda _, count: refusal if count > 40 else None)
    ask(store, Grid(1e9, 60, 130), clock=clock)
    assert sorted(store.counts) == sorted(2 * [120, 60, 60, 30, 30, 30, 30, 10])
    assert clock.now() == 0


def test_what_is_too_much_even_alone_is_told() -> None:
    store = Store(refuse=lambda _, count: error(422, "execution"))
    with (
        serve(store) as api,
        pytest.raises(QueryError, match="query 'one': refused with HTTP 422: execution"),
    ):
        ask_all(api, Grid(1e9, 60, 4), QUESTIONS[:1], parallel=1, advance=lambda: None)
    assert store.counts == [4, 2, 1]


def test_passing_faults_are_waited_for() -> None:
    clock = ManualClock()
    store = Store()
    store.refuse = lambda _, count: (503, {}, b"") if len(store.requests) <= 5 else None
    ask(store, Grid(1e9, 60, 10), parallel=1, clock=clock)
    assert clock.now() == 1 + 2 + 4 + 8 + 16


def test_when_one_fails_the_others_are_given_up() -> None:
    store = Store(delay_seconds=0.02)
    store.refuse = lambda request, count: error(400, "bad_data") if request.query["query"] == "b" else None
    with serve(store) as api, pytest.raises(QueryError, match="query 'two': refused with HTTP 400"):
        ask_all(api, Grid(1e9, 15, 100 * CHUNK_POINTS), QUESTIONS, parallel=2, advance=lambda: None)
    assert len(store.requests) < 20


class SlowClock(ManualClock):
    """A tenth as long as asked, in real time."""

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / 10)


def test_an_interruption_waits_for_no_retry() -> None:
    def advance() -> None:
        raise KeyboardInterrupt

    def refuse(request: Request, _count: int) -> Answer | None:
        return (503, {"Retry-After": "20"}, b"") if request.query["query"] == "b" else None

    store = Store(refuse=refuse)
    with serve(store, SlowClock()) as api, pytest.raises(KeyboardInterrupt):
        ask_all(api, Grid(1e9, 60, 10), QUESTIONS, parallel=2, advance=advance)
    assert len(store.requests) <= 2, "the one that failed was not asked again"


def test_the_same_labels_in_all_but_one_are_taken_together() -> None:
    answered = Answered(Grid(0.0, 60, 3))
    answered.add(
        [
            Series({"pod": "a", "uid": "1"}, [(0.0, 1.0), (60.0, 2.0)]),
            Series({"pod": "a", "uid": "2"}, [(120.0, 3.0), (180.0, 9.0), (30.0, 9.0)]),
            Series({"uid": "3"}, [(0.0, float("inf")), (60.0, -1.0), (120.0, float("nan"))]),
        ]
    )
    np.testing.assert_equal(answered.by("pod")["a",], [1.0, 2.0, 3.0])
    np.testing.assert_equal(answered.by("pod")["",], [np.nan, np.nan, np.nan])


def test_more_series_than_memory_is_meant_for_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "MOST_CELLS", 100)
    answered = Answered(Grid(0.0, 60, 30))
    with pytest.raises(PrometheusError, match="a query gives more than 4 series; import a shorter range"):
        answered.add(Series({"pod": str(number)}, []) for number in range(5))
    assert len(answered.series) == 4
