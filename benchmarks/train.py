"""Times `kpp train` on a table, as a whole process: wall time, CPU time, peak memory.

    python benchmarks/train.py FILE.csv [--runs 3] [--plain] [--json]

With `--plain` it also times `plain_loop.py`, the loop that a tutorial would write, in turn with `kpp train`,
so that both see the same machine; the ratio is that of the medians. Needs `os.wait4` (Linux, macOS).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

MEGABYTE = 1e6
MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024  # getrusage(2): bytes on macOS, KiB on Linux


class Cost(NamedTuple):
    """What one process took."""

    wall_seconds: float
    cpu_seconds: float
    peak_megabytes: float


def measure(command: list[str]) -> Cost:
    """Run a command to its end, its output thrown away."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    messages = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall_seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)  # it is waited for: Popen need not
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{messages}")
    peak = usage.ru_maxrss * MAXRSS_BYTES / MEGABYTE
    return Cost(wall_seconds, usage.ru_utime + usage.ru_stime, peak)


def median_cost(costs: list[Cost]) -> Cost:
    """The median of each."""
    return Cost(*(statistics.median(values) for values in zip(*costs, strict=True)))


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="a table of measurements")
    parser.add_argument("--runs", type=int, default=3, help="how often; the median counts (default 3)")
    parser.add_argument("--plain", action="store_true", help="time the plain loop too")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        folders = ["--models", f"{scratch}/models", "--plots", f"{scratch}/plots"]
        commands = {"kpp train": [sys.executable, "-m", "kpp.predictor.main", str(arguments.file), *folders]}
        if arguments.plain:
            plain_loop = Path(__file__).with_name("plain_loop.py")
            commands["plain loop"] = [sys.executable, str(plain_loop), str(arguments.file)]
        runs = [{name: measure(command) for name, command in commands.items()} for _ in range(arguments.runs)]

    medians = {name: median_cost([run[name] for run in runs]) for name in commands}
    if arguments.json:
        result = {
            name: {"median": cost._asdict(), "runs": [run[name]._asdict() for run in runs]}
            for name, cost in medians.items()
        }
        print(json.dumps({"cores": os.cpu_count(), **result}, indent=2))
        return
    print(f"median of {arguments.runs} runs on {os.cpu_count()} cores, whole processes\n")
    print("| process    | wall (s) | CPU (s) | peak (MB) |")
    print("|:-----------|---------:|--------:|----------:|")
    for name, cost in medians.items():
        wall, cpu, peak = cost
        print(f"| {name:<10} | {wall:8.1f} | {cpu:7.1f} | {peak:9.0f} |")
    if arguments.plain:
        wall, cpu = (medians["plain loop"][each] / medians["kpp train"][each] for each in (0, 1))
        print(f"\nThe plain loop takes {wall:.1f} times the wall time and {cpu:.1f} times the CPU time.")


if __name__ == "__main__":
    main()
