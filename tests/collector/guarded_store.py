"""A store for Prometheus that lets in only whom it knows: over HTTPS if wanted, as a proxy if asked so."""

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.collector.fake_http import Answer, HttpServer, Request

Guard = Callable[[Request], bool]


@dataclass
class GuardedStore:
    """What was asked, and where."""

    url: str
    requests: list[Request] = field(default_factory=list)


@contextmanager
def serve_guarded(guard: Guard, context: ssl.SSLContext | None = None) -> Iterator[GuardedStore]:
    """Answer every query with one sample if `guard` says so, else with 401 and all that was sent."""

    def answer(request: Request) -> Answer:
        store.requests.append(request)
        if guard(request):
            result = [{"metric": {"destination_workload": "frontend"}, "value": [0, "1"]}]
            content = {"status": "success", "data": {"resultType": "vector", "result": result}}
            return 200, {}, json.dumps(content).encode()
        echo = json.dumps({"status": "error", "errorType": "no entry", "error": str(request.headers)})
        return 401, {"Set-Cookie": "session=kept"}, echo.encode()

    server = HttpServer(answer)
    scheme = "http"
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    store = GuardedStore(f"{scheme}://localhost:{server.server_port}")
    server.start()
    try:
        yield store
    finally:
        server.stop()
