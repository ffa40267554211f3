"""The `/metrics` endpoints inside the cluster, over HTTP, for a real Prometheus and for people.

The server is an HTTP proxy into the cluster: with it as `proxy_url`, Prometheus asks for
`http://10.244.0.7:15020/stats/prometheus` as it would on a real cluster. Without a proxy the same is found
under `/targets/10.244.0.7:15020/stats/prometheus`; `/` lists all targets.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from kpp.simulator.cluster import Simulation
from kpp.simulator.kubernetes.objects.resources import NODES, PODS
from kpp.simulator.metrics.discovery import TargetGroup, describe_nodes, describe_pods
from kpp.simulator.metrics.text import CONTENT_TYPE, render_text

_PREFIX = "/targets/"
DISCOVERY_PATH = "/discovery/"  # followed by the role, pod or node


def create_metrics_app(simulation: Simulation, more_routes: Sequence[Route] = ()) -> ASGIApp:
    """An application that answers for all targets of the cluster, and for `more_routes`."""

    async def show(request: Request) -> Response:
        address, path = request.path_params["address"], f"/{request.path_params['path']}"
        text = await run_in_threadpool(_render, simulation, address, path)
        if text is None:
            return PlainTextResponse(f"there is no target {address}{path}\n", status_code=404)
        return Response(text, headers={"content-type": CONTENT_TYPE})

    async def list_all(_request: Request) -> Response:
        return PlainTextResponse(await run_in_threadpool(_list_targets, simulation))

    async def discover(request: Request) -> Response:
        role = request.path_params["role"]
        groups = await run_in_threadpool(_discover, simulation, role)
        return JSONResponse(groups) if groups is not None else PlainTextResponse("no such role\n", 404)

    routes = [
        Route("/", list_all),
        Route(_PREFIX + "{address}/{path:path}", show),
        Route(DISCOVERY_PATH + "{role}", discover),
    ]
    return _Proxy(Starlette(routes=[*routes, *more_routes]))


class _Proxy:
    """Turns what a proxy is asked, a whole URL, into a path of the application behind."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and "://" in scope["path"]:
            parts = urlsplit(scope["path"])
            scope = {**scope, "path": f"{_PREFIX}{parts.netloc}{parts.path}"}
        await self._app(scope, receive, send)


def _list_targets(simulation: Simulation) -> str:
    with simulation.lock:
        return "".join(f"{_PREFIX}{each.address}{each.path}\n" for each in simulation.sources.targets())


def _discover(simulation: Simulation, role: str) -> list[TargetGroup] | None:
    store = simulation.kubernetes.store
    if role == "pod":
        return describe_pods(store.list_all(PODS, simulation.settings.namespace))
    return describe_nodes(store.list_all(NODES)) if role == "node" else None


def _render(simulation: Simulation, address: str, path: str) -> str | None:
    with simulation.lock:
        for target in simulation.sources.targets():
            if (target.address, target.path) == (address, path):
                blocks = target.expose()
                break
        else:
            return None
    return render_text(blocks)
