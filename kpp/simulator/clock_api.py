"""The cluster's time over HTTP, for clients in other processes: what a clock has, `now` and `sleep`."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kpp.simulator.pace import Pace

CLOCK_PATH = "/clock"
_LONGEST_SLEEP_SECONDS = 86_400.0


def clock_routes(pace: Pace) -> list[Route]:
    """`GET /clock` tells the time; `POST /clock/sleep?seconds=60` returns when so much has passed."""

    def tell() -> Response:
        return JSONResponse({"now": pace.now(), "speed": pace.speed})

    async def now(_request: Request) -> Response:
        return tell()

    async def sleep(request: Request) -> Response:
        try:
            seconds = float(request.query_params["seconds"])
        except (KeyError, ValueError):
            seconds = -1.0
        if not 0 <= seconds <= _LONGEST_SLEEP_SECONDS:
            return JSONResponse({"error": "seconds is a number from 0 to 86400"}, status_code=400)
        await run_in_threadpool(pace.sleep, seconds)
        return tell()

    return [Route(CLOCK_PATH, now), Route(f"{CLOCK_PATH}/sleep", sleep, methods=["POST"])]
