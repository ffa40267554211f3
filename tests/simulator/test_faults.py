import json
from collections.abc import Iterator

import pytest
import requests
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from kpp.clock import ManualClock
from kpp.simulator.faults import Fault, FaultScript, FaultyApp, Refuse, Reset
from kpp.simulator.loopback import LoopbackServer


def make_body(code: int, method: str, path: str, retry_after_seconds: int | None) -> bytes:
    return json.dumps([code, method, path, retry_after_seconds]).encode()


class Counter:
    """An application that counts what it is asked."""

    def __init__(self) -> None:
        self.count = 0
        self.app = Starlette(routes=[Route("/{path:path}", self._serve, methods=["GET", "POST"])])

    async def _serve(self, _request: Request) -> PlainTextResponse:
        self.count += 1
        return PlainTextResponse("fine")


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
def script() -> FaultScript:
    return FaultScript()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1000.0)


@pytest.fixture
def url(counter: Counter, script: FaultScript, clock: ManualClock) -> Iterator[str]:
    with LoopbackServer(FaultyApp(counter.app, script, clock, make_body)) as server:
        yield server.url


def ask(url: str, method: str = "GET") -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, timeout=30)


def test_refusals_come_as_often_as_the_script_says(url: str, script: FaultScript, counter: Counter) -> None:
    script.add(Fault(Refuse(503, retry_after_seconds=2), method="GET", path="/query", times=2))
    assert ask(f"{url}/other").status_code == 200
    assert ask(f"{url}/query", "POST").status_code == 200
    refused = [ask(f"{url}/query") for _ in range(3)]
    assert [each.status_code for each in refused] == [503, 503, 200]
    assert refused[0].json() == [503, "GET", "/query", 2]
    assert refused[0].headers["Retry-After"] == "2"
    assert counter.count == 3  # a refused request never gets through


def test_faults_last_as_long_as_the_script_says(url: str, script: FaultScript, clock: ManualClock) -> None:
    script.add(Fault(Refuse(500), times=None, begins_at=1010.0, ends_at=1020.0))
    codes = []
    for _ in range(5):
        codes.append(ask(url).status_code)
        clock.sleep(6)
    assert codes == [200, 200, 500, 500, 200]  # at 1000, 1006, 1012, 1018 and 1024
    script.clear()
    assert ask(url).status_code == 200


def test_faults_happen_one_after_the_other(url: str, script: FaultScript) -> None:
    script.add(Fault(Refuse(500)), Fault(Refuse(502)))
    script.add(Fault(Refuse(503)))
    assert [ask(url).status_code for _ in range(4)] == [500, 502, 503, 200]


@pytest.mark.parametrize("is_done", [False, True])
def test_a_reset_cuts_the_connection_before_or_after_the_work(
    url: str, script: FaultScript, counter: Counter, is_done: bool
) -> None:
    script.add(Fault(Reset(is_done)))
    with pytest.raises(requests.ConnectionError, match=r"[Rr]eset"):
        ask(url)
    assert counter.count == is_done
    assert ask(url).text == "fine"
