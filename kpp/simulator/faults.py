"""Faults on demand: a script of what goes wrong with which requests, and the ASGI layer that plays it.

The layer goes around any application that a `LoopbackServer` serves: the Kubernetes API or Prometheus.
"""

import asyncio
import logging
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send

from kpp.clock import Clock
from kpp.simulator.loopback import ABORT

logger = logging.getLogger(__name__)

# makes the body of a faulty answer, from its code, the request's method and path, and the seconds to wait
BodyMaker = Callable[[int, str, str, int | None], bytes]


@dataclass(frozen=True)
class Refuse:
    """Answer with an error code instead of doing what was asked."""

    code: int
    retry_after_seconds: int | None = None


@dataclass(frozen=True)
class Reset:
    """Cut the connection: the client sees a reset, and cannot know whether anything was done.

    With `is_done` the request takes effect first; only its answer is lost.
    """

    is_done: bool = False


@dataclass(frozen=True)
class Delay:
    """Answer as ever, but only after this many seconds of the client's time."""

    seconds: float


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong with requests that match; `times` None means each time."""

    action: Refuse | Reset | Delay
    method: str | None = None  # None: any
    path: str = ""  # a regular expression that has to be found in the path
    times: int | None = 1
    begins_at: float = float("-inf")  # Unix seconds on the cluster's clock
    ends_at: float = float("inf")

    def matches(self, method: str, path: str, now: float) -> bool:
        """Whether the fault is meant for this request."""
        right_method = self.method in (None, method)
        return right_method and self.begins_at <= now < self.ends_at and bool(re.search(self.path, path))


@dataclass
class FaultScript:
    """The faults that are still to come; may be added to while a server plays them.

    >>> script = FaultScript()
    >>> script.add(Fault(Refuse(500), method="PATCH", path="/deployments/"))
    >>> script.take("PATCH", "/apis/apps/v1/namespaces/a/deployments/b", now=0.0).action
    Refuse(code=500, retry_after_seconds=None)
    >>> script.take("PATCH", "/apis/apps/v1/namespaces/a/deployments/b", now=0.0) is None
    True
    """

    _waiting: list[tuple[Fault, int | None]] = field(default_factory=list)  # with the times left
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, *faults: Fault) -> None:
        """Let these happen, after the ones that are there."""
        with self._lock:
            self._waiting += [(fault, fault.times) for fault in faults]

    def clear(self) -> None:
        """Let nothing more happen."""
        with self._lock:
            self._waiting = []

    def take(self, method: str, path: str, now: float) -> Fault | None:
        """The fault that happens to this request, which is then used up once more; None for none."""
        with self._lock:
            for place, (fault, times_left) in enumerate(self._waiting):
                if not fault.matches(method, path, now):
                    continue
                if times_left == 1:
                    del self._waiting[place]
                elif times_left is not None:
                    self._waiting[place] = (fault, times_left - 1)
                return fault
            return None


class FaultyApp:
    """An ASGI application around another one, whose requests fare as the script says."""

    def __init__(self, app: ASGIApp, script: FaultScript, clock: Clock, make_body: BodyMaker) -> None:
        self._app = app
        self._script = script
        self._clock = clock
        self._make_body = make_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        fault = None
        if scope["type"] == "http":
            fault = self._script.take(scope["method"], scope["path"], self._clock.now())
        if fault is None:
            await self._app(scope, receive, send)
            return
        logger.info("scripted fault for %s %s: %s", scope["method"], scope["path"], fault.action)
        match fault.action:
            case Delay(seconds):
                await asyncio.sleep(seconds)
                await self._app(scope, receive, send)
            case Refuse():
                await self._refuse(scope, send, fault.action)
            case Reset(is_done):
                if is_done:
                    await self._app(scope, receive, _drop)
                scope[ABORT]()
                while (await receive())["type"] != "http.disconnect":
                    pass  # what is left of the request

    async def _refuse(self, scope: Scope, send: Send, refuse: Refuse) -> None:
        wait = refuse.retry_after_seconds
        body = self._make_body(refuse.code, scope["method"], scope["path"], wait)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        if wait is not None:
            headers.append((b"retry-after", str(wait).encode()))
        await send({"type": "http.response.start", "status": refuse.code, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _drop(_message: object) -> None:
    """Take an answer that nobody gets to see."""
