"""kpp.cli.interruption."""

import subprocess
import sys

import pytest

# what a command does is in its place; `kpp` itself is around it
PROGRAM = """
import contextlib, io, os, signal, time
from kpp.cli import main as cli

def send(number):
    os.kill(os.getpid(), number)
    time.sleep(0.01)  # signals are seen between two instructions

class Closing(io.RawIOBase):
    def close(self):
        if not self.closed:
            send(signal.SIGTERM)
        super().close()

@contextlib.contextmanager
def cleaning_up():
    try:
        yield
    finally:
        send(signal.SIGTERM)
        time.sleep(1.5)
        print("cleaned up")

def command(**_):
    {body}

cli.app = command
cli.main([])
"""


def run(body: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(body=body)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_an_interruption_that_a_destructor_swallowed_is_raised_again() -> None:
    """As a response is closed that nobody holds any more: there Python drops what is raised."""
    result = run("Closing(); print('went on', flush=True); time.sleep(30); print('not interrupted')")

    assert result.stdout == "went on\n"
    assert result.returncode == 130
    assert result.stderr == "kpp: interrupted; run the command again to start over\n"


@pytest.mark.parametrize("first", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_further_signals_do_not_disturb_the_cleaning_up(first: str) -> None:
    result = run(f"\n    with cleaning_up(): send(signal.{first}); time.sleep(30)")

    assert result.stdout == "cleaned up\n"
    assert result.returncode == 130


def test_after_another_error_an_interruption_is_raised_in_its_cleaning_up() -> None:
    result = run("\n    try: raise ValueError\n    finally: send(signal.SIGINT); print('not interrupted')")

    assert result.stdout == ""
    assert result.returncode == 130
