"""The two servers that are compared: a real Prometheus and the embedded one, both over HTTP."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import uvicorn

from kpp.clock import Clock
from kpp.simulator.prometheus_api import EMULATED_VERSION, create_prometheus_app
from kpp.simulator.promql import SampleStore
from tests.prometheus_process import START_UP_LIMIT_SECONDS, run_prometheus
from tests.real_parts import REQUIRE_VARIABLE


@contextmanager
def serve_real(folder: Path, configuration: str = "{}") -> Iterator[str]:
    """Run a real Prometheus that can be written to; yields its URL."""
    options = (
        f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=100y",
        "--web.enable-remote-write-receiver",
        "--web.enable-lifecycle",  # lets a test reload the configuration
    )
    with run_prometheus(folder, *options, configuration=configuration) as address:
        yield f"http://{address}"


def require_version(url: str) -> None:
    """Skip the test unless this Prometheus is the one that is emulated, or fail as `require` does.

    Later ones answer differently: among other things, ranges lost their left end with 3.0.
    """
    version = requests.get(f"{url}/api/v1/status/buildinfo", timeout=10).json()["data"]["version"]
    if version.startswith(EMULATED_VERSION):
        return
    reason = f"this Prometheus is {version}, not {EMULATED_VERSION} (Debian 12 has it)"
    if os.environ.get(REQUIRE_VARIABLE):
        pytest.fail(f"{reason}, and {REQUIRE_VARIABLE} is set")
    pytest.skip(reason)


@contextmanager
def serve_embedded(store: SampleStore, clock: Clock) -> Iterator[str]:
    """Run the embedded Prometheus in a thread; yields its URL."""
    app = create_prometheus_app(store, clock)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + START_UP_LIMIT_SECONDS
        while not server.started and thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
