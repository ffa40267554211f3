"""What a process costs: wall time, CPU time, peak memory, those it started included. Needs `os.wait4`."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

MEGABYTE = 1e6
MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024  # getrusage(2): bytes on macOS, KiB on Linux
LONG_SECONDS = 3600.0  # nothing here takes so long
SAMPLE_SECONDS = 0.1  # between two looks at the memory of all processes


class Cost(NamedTuple):
    """What one process took, with the processes that it started."""

    wall_seconds: float
    cpu_seconds: float
    peak_megabytes: float
    output: str


def measure(
    command: list[str], environment: Mapping[str, str] | None = None, limit_seconds: float | None = None
) -> Cost:
    """Run a command to its end, or to its limit; its messages are shown only if it fails.

    Args:
        command: the program and its arguments.
        environment: what is added to this process's.
        limit_seconds: after so long it is killed.

    Returns:
        What it cost; without output where it ran into the limit.
    """
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    late = threading.Event()

    def end() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(limit_seconds or LONG_SECONDS, end)
    timer.daemon = True
    timer.start()
    together = PeakMemory(process.pid)
    output, messages = _read_both(process)
    _, status, usage = os.wait4(process.pid, 0)
    timer.cancel()
    wall_seconds = time.perf_counter() - began
    peak = (together.stop() or usage.ru_maxrss * MAXRSS_BYTES) / MEGABYTE
    process.returncode = os.waitstatus_to_exitcode(status)  # it is waited for: Popen need not
    if process.returncode and not late.is_set():
        sys.exit(f"{' '.join(command)} failed:\n{messages}")
    return Cost(wall_seconds, usage.ru_utime + usage.ru_stime, peak, "" if late.is_set() else output)


def _read_both(process: "subprocess.Popen[str]") -> tuple[str, str]:
    messages: list[str] = []
    assert process.stderr is not None
    assert process.stdout is not None
    reader = threading.Thread(target=messages.extend, args=(process.stderr,))
    reader.start()
    output = process.stdout.read()
    reader.join()
    return output, "".join(messages)


class PeakMemory:
    """The largest memory that a process and its descendants had together, looked at ten times a second.

    Memory that they share counts once for each (resident sizes of `/proc`); 0 where there is no `/proc`.
    The process's own peak comes from there too: `ru_maxrss` begins with the memory of whoever started it.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peak = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """The peak in bytes."""
        self._stopped.set()
        self._thread.join()
        return self._peak

    def _watch(self) -> None:
        while not self._stopped.wait(SAMPLE_SECONDS):
            together = sum(map(_resident, _family(self._pid)))
            self._peak = max(self._peak, together, _own_peak(self._pid))


def _family(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for process in found:
        try:
            for task in Path(f"/proc/{process}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
        except OSError:  # it has ended, or there is no /proc
            continue
    return found


def _resident(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _own_peak(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
