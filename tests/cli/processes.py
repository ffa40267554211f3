"""`kpp` as a process, in a folder and an environment of its own."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

KPP = [sys.executable, "-m", "kpp"]
SECONDS = 120  # no command here takes as long, on the slowest machine


class Process(subprocess.Popen[str]):
    """Is not waited for when a test fails in the middle."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self.kill()
        super().__exit__(kind, error, traceback)


@dataclass
class Place:
    """Where processes are started."""

    folder: Path
    environment: dict[str, str]

    def start(self, *arguments: str) -> Process:
        return self._start([*KPP, *arguments])

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return self._finish(self.start(*arguments), arguments)

    def run_python(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run something else than `kpp` there."""
        return self._finish(self._start([sys.executable, *arguments]), arguments)

    def _start(self, command: Sequence[str]) -> Process:
        return Process(
            command,
            env=self.environment,
            cwd=self.folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def _finish(self, running: Process, arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        with running as process:
            out, err = process.communicate(timeout=SECONDS)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def environment_with(**variables: str) -> dict[str, str]:
    """This process's, without settings of kpp, and these."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("KPP_")}
    return own | {"COLUMNS": "80"} | variables
