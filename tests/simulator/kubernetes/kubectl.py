"""The real kubectl, as tests run it."""

import functools
import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.real_parts import require

SECONDS = 60  # no command takes as long, on the slowest machine


@dataclass(frozen=True)
class Kubectl:
    """kubectl on one cluster, with a home of its own: its caches come and go with the test."""

    kubeconfig: Path
    home: Path

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, whatever that is."""
        return subprocess.run(
            self.command(*arguments),
            env=self.environment(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        """Run a command that has to succeed; returns what it printed."""
        finished = self.run(*arguments, stdin=stdin)
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    def read(self, *arguments: str) -> Any:
        """The JSON that a command prints."""
        return json.loads(self(*arguments, "-o", "json"))

    def refused(self, *arguments: str) -> str:
        """Run a command that has to fail; returns what it said."""
        finished = self.run(*arguments)
        assert finished.returncode != 0, finished.stdout
        return finished.stderr.strip()

    def command(self, *arguments: str) -> Sequence[str]:
        """The command line."""
        return [str(require("kubectl")), *arguments]

    def environment(self) -> dict[str, str]:
        """The environment, without what could lead to another cluster."""
        kept = {key: value for key, value in os.environ.items() if key in ("PATH", "LANG", "TMPDIR")}
        return {**kept, "KUBECONFIG": str(self.kubeconfig), "HOME": str(self.home)}


@functools.cache
def kubectl_minor_version() -> int:
    """The 32 of 1.32."""
    run = subprocess.run(
        [require("kubectl"), "version", "--client", "-o", "json"], capture_output=True, text=True, check=True
    )
    return int(json.loads(run.stdout)["clientVersion"]["minor"].rstrip("+"))
