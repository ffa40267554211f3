"""An ASGI application served on 127.0.0.1 by a thread of its own."""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, cast

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from kpp.errors import ConfigError, KppError

ABORT = "kpp.abort"  # key in each request's scope: a function that resets the connection
_START_SECONDS = 30
_STOP_SECONDS = 10


class _AbortableProtocol(H11Protocol):
    """Gives each request the means to reset its connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection is there; over TCP, so that it can be written to and aborted."""
        stream = cast(asyncio.Transport, transport)
        super().connection_made(stream)
        served: Any = self.app

        def abort() -> None:
            linger_for_no_time = struct.pack("ii", 1, 0)  # closing then sends a reset
            stream.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, linger_for_no_time
            )
            stream.abort()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await served({**scope, ABORT: abort}, receive, send)

        self.app = app


class LoopbackServer:
    """Serves from `__enter__` to `__exit__`.

    Args:
        app: the application.
        port: 0 takes a free one.
        before_stop: called when the server is to stop, to end answers that would go on for ever.
        dates: whether to send the Date header; not where the application does, by another clock.

    Raises:
        ConfigError: the port is taken.
    """

    def __init__(
        self,
        app: ASGIApp,
        port: int = 0,
        before_stop: Callable[[], None] | None = None,
        *,
        dates: bool = True,
    ) -> None:
        self._socket = _bind(port)
        self.port = int(self._socket.getsockname()[1])
        self._before_stop = before_stop
        config = uvicorn.Config(
            app,
            http=_AbortableProtocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            date_header=dates,
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="loopback server", daemon=True
        )

    @property
    def url(self) -> str:
        """Where it is, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        """Start, and return when requests are served."""
        self._thread.start()
        pause = threading.Event()
        for _ in range(_START_SECONDS * 100):
            if self._server.started or not self._thread.is_alive():
                break
            pause.wait(0.01)
        if not self._server.started:
            raise KppError("the server did not start", where=self.url, mend="see the log: run with --debug")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and return when the thread has ended."""
        if self._before_stop is not None:
            self._before_stop()
        self._server.should_exit = True
        self._thread.join(_STOP_SECONDS)
        self._socket.close()


def _bind(port: int) -> socket.socket:
    # with the protocol named: only then does asyncio send without delay, else each answer takes 40 ms
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError as error:
        listening.close()
        raise ConfigError(
            f"port {port} cannot be served: {error.strerror}",
            where="127.0.0.1",
            mend="stop what listens there, or choose another port (0 takes a free one)",
        ) from error
    return listening
