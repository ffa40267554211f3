import socket
import threading

import pytest
import requests
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from kpp.errors import ConfigError
from kpp.simulator.loopback import LoopbackServer


def hello() -> Starlette:
    return Starlette(routes=[Route("/", lambda _request: PlainTextResponse("hello"))])


def test_it_serves_until_it_is_left() -> None:
    before = set(threading.enumerate())
    with LoopbackServer(hello()) as server:
        assert server.url == f"http://127.0.0.1:{server.port}"
        assert requests.get(server.url, timeout=30).text == "hello"
    started = set(threading.enumerate()) - before
    for thread in started:  # a worker thread of the handlers may take a moment to see that its loop has ended
        thread.join(timeout=30)
    assert not any(thread.is_alive() for thread in started)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", server.port)) != 0


def test_a_port_that_is_taken_is_said_so() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} cannot be served"):
            LoopbackServer(hello(), port)


def test_a_port_can_be_served_again_at_once() -> None:
    with LoopbackServer(hello()) as server:
        port = server.port
        requests.get(server.url, timeout=30)
    with LoopbackServer(hello(), port) as server:
        assert requests.get(server.url, timeout=30).text == "hello"
