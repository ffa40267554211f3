"""Answers that mean harm, or nonsense: one line, in bounded time and memory; and never another exception."""

import gzip
import json
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kpp.clock import ManualClock
from kpp.collector.cluster.services import Service
from kpp.collector.config import Config
from kpp.collector.profiles.profile import Labels
from kpp.collector.prometheus.answer import MATRIX, VECTOR, read_answer
from kpp.collector.prometheus.faults import SHOWN_CHARACTERS, AnswerFaultError
from kpp.collector.prometheus.session import MOST_BYTES, Reply
from kpp.collector.prometheus.signals import (
    CpuAnswers,
    RequestAnswers,
    by_container,
    by_workload,
    calls_per_request,
    join_signals,
)
from kpp.collector.prometheus_client import CpuSource, PrometheusClient
from kpp.errors import PrometheusError
from tests.collector.fake_prometheus import FakePrometheus, vector

Send = Callable[[socket.socket], None]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
PIECE = b" " * 2**16


@contextmanager
def serve_bytes(send: Send) -> Iterator[str]:
    """Answer each connection as `send` does, whatever is asked."""

    def answer() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.recv(2**16)
                    send(connection)
                except OSError:
                    pass  # the client has left

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def refusal(url: str, timeout_seconds: float = 20.0) -> str:
    config = Config(prometheus_url=url, request_timeout_seconds=timeout_seconds)
    with PrometheusClient(config, ManualClock()) as client, pytest.raises(PrometheusError) as caught:
        client.check_ready()
    text = str(caught.value)
    assert text.isprintable(), "one line, and nothing that moves a terminal's cursor"
    assert len(text) < 600
    return text


# --- more than there should be


def send_without_end(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"\r\n")
    for _ in range(4 * MOST_BYTES // len(PIECE)):
        connection.sendall(PIECE)


def send_bomb(connection: socket.socket) -> None:
    body = gzip.compress(b" " * (MOST_BYTES + 1))
    connection.sendall(
        HEAD + f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    )


@pytest.mark.parametrize("send", [send_without_end, send_bomb])
def test_a_gigantic_answer_is_broken_off(send: Send) -> None:
    with serve_bytes(send) as url:
        assert f"the answer is larger than {MOST_BYTES // 2**20} MiB; check that" in refusal(url)


def test_an_answer_that_drips_is_broken_off() -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n")
        for _ in range(1000):
            connection.sendall(b" ")
            time.sleep(0.02)

    with serve_bytes(drip) as url:
        assert "the answer has not come to its end within 0.3 s" in refusal(url, timeout_seconds=0.3)


# --- nonsense on the wire


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\x00\xff\x00\xff",
        b"220 mail.example ESMTP\r\n",
        b"HTTP/1.1 two hundred\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nno gzip",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: \x1b[2J\r\n\r\nx",
        b"HTTP/1.1 503 \x1b[31mred\r\nRetry-After: 9999999999999999999999\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: //[\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: \x1b]0;title\x07\r\n\r\n",
        b"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/api/v1/query\r\n\r\n",
        b"HTTP/1.1 400 Bad\r\nContent-Type: text/plain\r\n\r\n\x1b[2J\xff\xfe two\nlines",
    ],
)
def test_what_is_no_http_is_told_in_one_line(sent: bytes) -> None:
    with serve_bytes(lambda connection: connection.sendall(sent)) as url:
        refusal(url)


@settings(max_examples=40, deadline=None)
@given(start=st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n"]), head=st.binary(), body=st.binary())
def test_any_bytes_on_the_wire_are_told_in_one_line(start: bytes, head: bytes, body: bytes) -> None:
    with serve_bytes(lambda connection: connection.sendall(start + head + b"\r\n\r\n" + body)) as url:
        refusal(url)


# --- nonsense in the answer

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
NUMBERS = (
    st.floats() | st.integers() | st.floats().map(str) | st.sampled_from(["NaN", "+Inf", "1e400", "x", ""])
)
NAMES = st.sampled_from(["destination_workload", "source_workload", "pod", "container", "le", ""]) | st.text()
LABELS = st.dictionaries(
    NAMES, st.sampled_from(["frontend", "frontend-1", "../../etc", '"', "\n"]) | st.text()
)
POINTS = st.tuples(NUMBERS, NUMBERS).map(list) | JSON
ALMOST = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["success", "success", "error"]) | JSON,
        "data": st.fixed_dictionaries(
            {
                "resultType": st.sampled_from(["vector", "matrix"]) | JSON,
                "result": st.lists(
                    st.fixed_dictionaries({"metric": LABELS, "value": POINTS, "values": st.lists(POINTS)})
                    | JSON
                ),
            }
        )
        | JSON,
    },
    optional={"warnings": JSON, "infos": JSON, "errorType": JSON, "error": JSON},
)


def as_bytes(content: object) -> bytes:
    return json.dumps(content).encode()


def caught_fault(read: Callable[[], object]) -> AnswerFaultError | None:
    try:
        read()
    except AnswerFaultError as fault:
        return fault
    return None


@settings(max_examples=200, deadline=None)
@given(
    content=st.binary() | JSON.map(as_bytes) | ALMOST.map(as_bytes),
    status=st.sampled_from([200, 200, 200, 204, 400, 404, 422, 503]),
    media_type=st.sampled_from(["application/json", "text/html", "text/plain"]) | st.text(),
)
@example(content=b"[" * 100_000, status=200, media_type="application/json")
@example(content=b"9" * 100_000, status=200, media_type="application/json")
@example(content=b'{"status":"error","error":"\\ud800\\u001b[2J"}', status=400, media_type="application/json")
def test_any_answer_gives_samples_or_one_line(content: bytes, status: int, media_type: str) -> None:
    reply = Reply(status, "reason", media_type, "", content)
    for read in (lambda: read_answer(reply, VECTOR), lambda: read_answer(reply, MATRIX)):
        fault = caught_fault(read)
        assert fault is None or (fault.what.isprintable() and len(fault.what) < 3 * SHOWN_CHARACTERS)


@settings(max_examples=100, deadline=None)
@given(
    result=st.lists(
        st.fixed_dictionaries(
            {
                "metric": LABELS,
                "value": st.tuples(
                    st.floats(allow_nan=False, allow_infinity=False),
                    st.floats().map(str) | st.sampled_from(["1e308", "-1", "NaN"]),
                ).map(list),
            }
        ),
        max_size=6,
    )
)
def test_any_samples_give_values_that_a_table_may_hold(result: list[object]) -> None:
    content = as_bytes({"status": "success", "data": {"resultType": "vector", "result": result}})
    samples = read_answer(Reply(200, "", "application/json", "", content), VECTOR).data.result
    served, cores = by_workload(samples, "destination_workload"), by_container(samples)
    pods = frozenset(pod for pod, _ in cores)
    signals = join_signals(
        "frontend",
        pods,
        RequestAnswers(served, served, served, served),
        CpuAnswers(cores, throttled_periods=cores, periods={key: value / 2 for key, value in cores.items()}),
    )
    for value in vars(signals).values():
        assert value is None or 0 <= value <= 1e13
    assert signals.throttled is None or signals.throttled <= 1
    for call in calls_per_request(samples, served, {"frontend": "frontend", '"': "quote"}, Labels()):
        assert math.isfinite(call.calls)


def test_labels_with_quotes_and_newlines_are_other_services() -> None:
    names = ['front"end', "front\nend", "../../etc", "frontend"]
    with (
        FakePrometheus() as fake,
        PrometheusClient(Config(prometheus_url=fake.url), ManualClock()) as client,
    ):
        fake.answer("", vector([({"destination_workload": name}, "1") for name in names]))
        signals = client.sample(0.0, {}, [Service("web", "frontend")], CpuSource.CONTAINERS)
    assert list(signals) == ["web"]
    assert signals["web"].throughput_rps == 1.0
