"""A Prometheus over real HTTP: answers what a test tells it to, else for Online Boutique under load."""

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from tests.collector import boutique_load

RECORDED = Path(__file__).parent / "recorded" / "prometheus"
MEDIA_TYPES = {".json": "application/json", ".html": "text/html", ".txt": "text/plain; charset=utf-8"}


@dataclass(frozen=True)
class Request:
    """What arrived on the wire."""

    path: str
    params: dict[str, str]
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def query(self) -> str:
        """The PromQL; empty where there is none."""
        return self.params.get("query", "")


@dataclass(frozen=True)
class Response:
    """What goes back over the wire, and how it goes wrong there."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    cut_after: int | None = None  # bytes of the body, then the connection ends
    is_reset: bool = False  # no answer, the connection is reset


Matcher = str | Callable[[Request], bool]
Answer = Response | Callable[[Request], Response]


def recorded(name: str, status: int = 200, **more: str) -> Response:
    """A recorded answer, by file name; `more` headers have `_` for `-`."""
    path = RECORDED / name
    headers = {"Content-Type": MEDIA_TYPES[path.suffix]} | {key.replace("_", "-"): more[key] for key in more}
    return Response(path.read_bytes(), status, headers)


def vector(samples: Iterable[tuple[Mapping[str, str], float | str]], at: float = 0.0) -> Response:
    """An instant vector: labels and value of each series."""
    result = [{"metric": dict(labels), "value": [at, str(value)]} for labels, value in samples]
    content = {"status": "success", "data": {"resultType": "vector", "result": result}}
    return Response(json.dumps(content).encode(), headers={"Content-Type": "application/json"})


def matrix(series: Iterable[tuple[Mapping[str, str], Sequence[tuple[float, str]]]]) -> Response:
    """A range of values: labels, and (instant, value) of each series."""
    result = [{"metric": dict(labels), "values": values} for labels, values in series]
    content = {"status": "success", "data": {"resultType": "matrix", "result": result}}
    return Response(json.dumps(content).encode(), headers={"Content-Type": "application/json"})


RESET = Response(is_reset=True)
NOT_READY = recorded("not_ready.txt", status=503)
BAD_DATA = recorded("bad_data.json", status=400)
TIMED_OUT = recorded("timeout.json", status=503)
EMPTY = recorded("empty.json")


def slow(response: Response, delay_seconds: float) -> Response:
    """The same answer, later."""
    return replace(response, delay_seconds=delay_seconds)


def _matches(matcher: Matcher, request: Request) -> bool:
    if isinstance(matcher, str):
        return request.path == "/api/v1/query" and matcher in request.query
    return matcher(request)


class FakePrometheus:
    """A server on 127.0.0.1, from `with` on until its end.

    `pods` and `user_count` shape the default answers and may be changed at any time.
    """

    def __init__(self, pods: Mapping[str, str] | None = None, user_count: float = 50) -> None:
        self.pods = pods or {f"{service}-7c5d8f9b6d-x2v4q": service for service in boutique_load.SERVICES}
        self.user_count = user_count
        self.requests: list[Request] = []
        self._answers: list[tuple[Matcher, Answer]] = []
        self._failures: list[Response] = []
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, matcher: Matcher, answer: Answer) -> None:
        """Answer so to instant queries with this text, or requests that fit; the latest rule wins."""
        with self._lock:
            self._answers.insert(0, (matcher, answer))

    def fail_next(self, response: Response, times: int = 1) -> None:
        """Answer so to the next requests, whatever they are; after what was asked for before."""
        with self._lock:
            self._failures += [response] * times

    def respond(self, request: Request) -> Response:
        """Record a request and choose the answer."""
        with self._lock:
            self.requests.append(request)
            if self._failures:
                return self._failures.pop(0)
            for matcher, answer in self._answers:
                if _matches(matcher, request):
                    return answer(request) if callable(answer) else answer
        return self._default(request)

    def wait(self, seconds: float) -> None:
        """Wait, but not past the end of the server."""
        self._stopped.wait(seconds)

    def _default(self, request: Request) -> Response:
        if request.path == "/-/ready":
            return Response(b"Prometheus Server is Ready.\n", headers={"Content-Type": MEDIA_TYPES[".txt"]})
        if request.path not in ("/api/v1/query", "/api/v1/query_range"):
            return recorded("not_found.txt", status=404)
        if "query" not in request.params:
            return BAD_DATA
        if request.path == "/api/v1/query_range":
            return self._default_range(request)
        at = float(request.params.get("time", "0"))
        return vector(boutique_load.evaluate(request.query, at, self.user_count, self.pods), at)

    def _default_range(self, request: Request) -> Response:
        start, end, step = (float(request.params[name]) for name in ("start", "end", "step"))
        found: dict[str, list[tuple[float, str]]] = {}
        for number in range(int((end - start) / step + 1e-6) + 1):
            at = start + number * step
            for labels, value in boutique_load.evaluate(request.query, at, self.user_count, self.pods):
                found.setdefault(json.dumps(labels), []).append((at, str(value)))
        return matrix((json.loads(labels), values) for labels, values in found.items())


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, fake: FakePrometheus, *args: Any) -> None:
        self._fake = fake
        super().__init__(*args)  # answers the request

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        params = dict(parse_qsl(parts.query, keep_blank_values=True))
        response = self._fake.respond(Request(parts.path, params, dict(self.headers.items())))
        if response.delay_seconds:
            self._fake.wait(response.delay_seconds)
        if response.is_reset:
            no_lingering = struct.pack("ii", 1, 0)  # so that closing sends RST instead of FIN
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_lingering)
            self.connection.close()
            return
        with contextlib.suppress(ConnectionError):  # the client may have left by now
            self._send(response)

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        self.wfile.write(response.body[: response.cut_after])

    def log_message(self, *_args: object) -> None:
        pass
