"""An HTTP server in a thread that hands every request to one function, and can fall silent."""

import contextlib
import json
import socket
import struct
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


class Silence(Enum):
    """Faults without an answer."""

    RESET = "the connection is reset"
    HANG = "no answer comes until the server stops"


@dataclass(frozen=True)
class Request:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case
    body: Any  # as JSON, None where there is none


Answer = tuple[int, dict[str, str], bytes]  # status, headers, body


class HttpServer(ThreadingHTTPServer):
    """Serves from a free port of 127.0.0.1 between `start` and `stop`."""

    def __init__(self, answer: Callable[[Request], Answer | Silence]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.stopping = threading.Event()
        self.connections: set[socket.socket] = set()
        self.faults: list[BaseException] = []
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.server_port}"

    def start(self) -> None:
        """Serve in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End all connections and threads, and raise the first fault of the answering function."""
        self.stopping.set()
        self.shutdown()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):  # the client was faster
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()
        self._thread.join()
        if self.faults:
            raise self.faults[0]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep the fault of a handler for `stop`; that a client goes away is none."""
        fault = sys.exception()
        if fault is not None and not isinstance(fault, OSError):
            self.faults.append(fault)


class _Handler(BaseHTTPRequestHandler):
    server: HttpServer
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def setup(self) -> None:
        self.server.connections.add(self.request)
        super().setup()

    def finish(self) -> None:
        self.server.connections.discard(self.request)
        super().finish()

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True  # the client was killed while it was asking
            return
        request = Request(
            self.command,
            url.path,
            dict(parse_qsl(url.query)),
            {name.lower(): value for name, value in self.headers.items()},
            json.loads(body) if length else None,
        )
        answer = self.server.answer(request)
        if isinstance(answer, Silence):
            self._break_off(answer)
        else:
            self._send(*answer)

    def log_message(self, *_args: Any, **_named: Any) -> None:
        """Not to stderr."""

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # the client may have been killed
            self.wfile.write(body)

    def _break_off(self, silence: Silence) -> None:
        self.close_connection = True
        if silence is Silence.HANG:
            self.server.stopping.wait()
        else:  # without lingering, closing sends RST
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


for _verb in ("PATCH", "POST", "PUT", "DELETE"):  # the request's own command tells them apart
    setattr(_Handler, f"do_{_verb}", _Handler.do_GET)
