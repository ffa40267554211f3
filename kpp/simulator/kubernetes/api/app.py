"""The API server as a Starlette application."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from kpp.simulator.kubernetes.api.access import AccessControl, attributes_of
from kpp.simulator.kubernetes.api.discovery import discovery_documents
from kpp.simulator.kubernetes.api.representations import choose_representation, encode
from kpp.simulator.kubernetes.api.requests import ApiRequest
from kpp.simulator.kubernetes.api.target import parse_path
from kpp.simulator.kubernetes.api.verbs import Verbs, refuse
from kpp.simulator.kubernetes.api.watches import Closing, Watch, parse_watch_options
from kpp.simulator.kubernetes.cluster import SimulatedCluster
from kpp.simulator.kubernetes.objects.resources import SELF_SUBJECT_ACCESS_REVIEWS
from kpp.simulator.kubernetes.objects.status_errors import StatusError, method_not_allowed

logger = logging.getLogger(__name__)

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_HEALTH_PATHS = ("/healthz", "/livez", "/readyz")


class KubernetesApi:
    """Serves a cluster over HTTP; `app` is what an ASGI server runs.

    Args:
        cluster: what is served.
        advance: called before each request, to bring the cluster up to the present; None where someone else
            moves it.
        tick_seconds: how often `advance` is called besides, so that watches see what happens by itself.
        access: what may be done; everything by default.
    """

    def __init__(
        self,
        cluster: SimulatedCluster,
        advance: Callable[[], None] | None = None,
        tick_seconds: float = 0.02,
        access: AccessControl | None = None,
    ) -> None:
        self._access = access or AccessControl()
        self._cluster = cluster
        self._advance = advance
        self._tick_seconds = tick_seconds
        self._verbs = Verbs(cluster, self._access)
        self._documents = discovery_documents("127.0.0.1")
        self._closing = Closing()
        self.app = Starlette(
            routes=[Route("/{path:path}", self._serve, methods=_METHODS)], lifespan=self._lifespan
        )

    def close(self) -> None:
        """End all watches, so that the server can stop."""
        self._closing.set()

    async def _serve(self, http: Request) -> Response:
        if self._advance is not None:
            self._advance()
        path = http.url.path.rstrip("/")
        if path in _HEALTH_PATHS:
            return PlainTextResponse("ok")
        try:
            if path in self._documents:
                if http.method != "GET":
                    raise method_not_allowed()
                return _json(200, self._documents[path])
            return await self._serve_resource(http)
        except StatusError as error:
            (code, body), headers = refuse(error)
            return _json(code, body, headers)
        except ClientDisconnect:  # in the middle of its request: killed, say
            return Response(status_code=400)

    async def _serve_resource(self, http: Request) -> Response:
        target = parse_path(http.url.path)
        if target is None:
            return PlainTextResponse("404 page not found\n", 404)
        request = ApiRequest(
            method=http.method,
            target=target,
            query=http.query_params,
            content_type=http.headers.get("content-type", "").partition(";")[0].strip().lower(),
            accept=http.headers.get("accept", ""),
            body=await http.body(),
        )
        is_watch = request.method == "GET" and target.name is None and request.flag("watch")
        if target.resource is not SELF_SUBJECT_ACCESS_REVIEWS:  # everybody may ask what they may
            self._access.check(attributes_of(request.method, target, is_watch=is_watch))
        if is_watch:
            return self._watch(request)
        with self._cluster.store.lock:
            return _json(*self._verbs.answer(request))

    def _watch(self, request: ApiRequest) -> Response:
        watch = Watch(
            self._cluster.store,
            request.selection(),
            parse_watch_options(request, self._cluster.store.version),
            choose_representation(request.accept, request.query.get("includeObject", "")),
            self._closing,
        )
        return StreamingResponse(watch.lines(), media_type="application/json")

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        ticking = asyncio.create_task(self._tick())
        try:
            yield
        finally:
            ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ticking

    async def _tick(self) -> None:
        while self._advance is not None:
            self._advance()
            await asyncio.sleep(self._tick_seconds)


def _json(code: int, body: dict[str, object], headers: dict[str, str] | None = None) -> Response:
    return Response(encode(body), code, headers, media_type="application/json")
