"""`kpp` as a process, in a folder and an environment of its own."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

KPP = [sys.executable, "-m", "kpp"]


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
        return Process(
            [*KPP, *arguments],
            env=self.environment,
            cwd=self.folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def environment_with(**variables: str) -> dict[str, str]:
    """This process's, without settings of kpp, and these."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("KPP_")}
    return own | {"COLUMNS": "80"} | variables
