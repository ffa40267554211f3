"""A real Prometheus that holds what a test wrote down: OpenMetrics in, the HTTP API out."""

import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.prometheus_process import run_prometheus
from tests.real_parts import require

STARTED_AT = 1_700_000_010
SCRAPE_SECONDS = 15
SCRAPE_COUNT = 41
ENDED_AT = STARTED_AT + SCRAPE_SECONDS * (SCRAPE_COUNT - 1)  # of the last scrape, 600 s later


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
    options = (f"--storage.tsdb.path={data}", "--storage.tsdb.retention.time=100y")
    with run_prometheus(folder, *options) as address:
        yield f"http://{address}"
