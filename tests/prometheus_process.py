"""A real Prometheus as a process, for as long as a test needs it."""

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.real_parts import require

START_UP_LIMIT_SECONDS = 60
CONFIGURATION = "prometheus.yml"  # in the process's folder


@contextmanager
def run_prometheus(folder: Path, *options: str, configuration: str = "{}") -> Iterator[str]:
    """Run it in a folder, on a free port of this machine; yields host and port."""
    (folder / CONFIGURATION).write_text(configuration, encoding="utf-8")
    log = folder / "log"
    command = [str(require("prometheus")), f"--config.file={CONFIGURATION}", *options]
    command += ["--web.listen-address=127.0.0.1:0"]
    with log.open("wb") as stderr, subprocess.Popen(command, stderr=stderr, cwd=folder) as process:
        try:
            yield _await_address(process, log)
        finally:
            process.terminate()


def _await_address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """Where it listens, when it is ready; asked over HTTP it could want a certificate first."""
    deadline = time.monotonic() + START_UP_LIMIT_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        text = log.read_text(encoding="utf-8")
        listening = re.search(r'Listening on"? address=(127\.0\.0\.1:\d+)', text)
        if listening and "Server is ready to receive web requests" in text:
            return listening[1]
        time.sleep(0.05)
    raise RuntimeError(f"Prometheus did not start: {log.read_text(encoding='utf-8')}")
