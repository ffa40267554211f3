"""A real Prometheus that holds what a test wrote down: OpenMetrics in, the HTTP API out."""

import json
import re
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.real_parts import require

STARTED_AT = 1_700_000_010
SCRAPE_SECONDS = 15
SCRAPE_COUNT = 41
ENDED_AT = STARTED_AT + SCRAPE_SECONDS * (SCRAPE_COUNT - 1)  # of the last scrape, 600 s later
START_UP_LIMIT_SECONDS = 60


def counter(name: str, per_second: float, labels: Mapping[str, str], *, reset_at: int | None = None) -> str:
    """A counter that grows evenly from 1000; with the scrape `reset_at` it restarts, and grows on from 0."""
    lines = []
    for scrape in range(SCRAPE_COUNT):
        scrapes_since, base = (
            (scrape, 1000.0) if reset_at is None or scrape < reset_at else (scrape - reset_at + 1, 0)
        )
        value = base + per_second * SCRAPE_SECONDS * scrapes_since
        lines.append(f"{name}{{{_labels(labels)}}} {value!r} {STARTED_AT + SCRAPE_SECONDS * scrape}")
    return "\n".join(lines)


def gauge(name: str, value: float, labels: Mapping[str, str]) -> str:
    """A value that stays."""
    instants = range(STARTED_AT, ENDED_AT + 1, SCRAPE_SECONDS)
    return "\n".join(f"{name}{{{_labels(labels)}}} {value!r} {at}" for at in instants)


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f"{name}={json.dumps(value)}" for name, value in labels.items())


@contextmanager
def serve_series(series: Iterable[str], folder: Path) -> Iterator[str]:
    """Run Prometheus over these series; yields its URL."""
    promtool = require("promtool")
    exposition, data = folder / "series.om", folder / "data"
    exposition.write_text("\n".join([*series, "# EOF\n"]))
    subprocess.run(
        [promtool, "tsdb", "create-blocks-from", "openmetrics", exposition, data],
        check=True,
        capture_output=True,
    )
    with serve_blocks(data, folder) as url:
        yield url


@contextmanager
def serve_blocks(data: Path, folder: Path) -> Iterator[str]:
    """Run Prometheus over blocks that `promtool` wrote; yields its URL."""
    prometheus = require("prometheus")
    settings, log = folder / "prometheus.yml", folder / "log"
    settings.write_text("{}")
    command: list[str | Path] = [
        prometheus,
        f"--config.file={settings}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=100y",
        "--web.listen-address=127.0.0.1:0",
    ]
    with log.open("wb") as stderr, subprocess.Popen(command, stderr=stderr, cwd=folder) as process:
        try:
            yield _await_ready(process, log)
        finally:
            process.terminate()


def _await_ready(process: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + START_UP_LIMIT_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        listening = re.search(r'Listening on"? address=(127\.0\.0\.1:\d+)', log.read_text())
        if listening and requests.get(f"http://{listening[1]}/-/ready", timeout=10).ok:
            return f"http://{listening[1]}"
        time.sleep(0.05)
    raise RuntimeError(f"Prometheus did not start: {log.read_text()}")
