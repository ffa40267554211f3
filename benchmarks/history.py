"""How long `kpp import` takes for a day of a hundred services, from a real Prometheus on this machine.

    python -m benchmarks.history [--services 100] [--hours 24] [--scrape-seconds 30] [--parallel 4]

Needs `prometheus` and `promtool`. Filling Prometheus takes some minutes and some hundred MB on disk, and is
not part of what is measured. Prints the time, kpp's CPU time, and the table's size and empty cells.
"""

import argparse
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.collector.real_prometheus import serve_blocks

BLOCK_SECONDS = 7200  # of Prometheus's blocks; promtool reads a file once per block
STARTED_AT = 1_700_006_400  # where a block begins
LATENCY_BOUNDS = (
    0.5,
    1,
    5,
    10,
    25,
    50,
    100,
    250,
    500,
    1000,
    2500,
    5000,
    10_000,
    30_000,
    60_000,
)  # ms, Istio's
REPLICAS = 2


def main() -> None:
    """Fill a Prometheus, import from it, print what it took."""
    arguments = read_arguments()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        series = list(make_series(arguments.services))
        sample_count = fill(folder, series, arguments.hours, arguments.scrape_seconds)
        print(f"filled: {len(series):,} series, {sample_count:,} samples", flush=True)
        before = cpu_seconds_of_children()
        with serve_blocks(folder / "data", folder) as url:
            kpp_seconds = measure(url, folder, arguments)
        used_seconds = cpu_seconds_of_children() - before - kpp_seconds
        print(f"Prometheus used {used_seconds:.1f} s of CPU, its start included")


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--services", type=int, default=100)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--scrape-seconds", type=int, default=30)
    parser.add_argument("--parallel", type=int, default=4)
    return parser.parse_args()


def cpu_seconds_of_children() -> float:
    """The CPU time of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(url: str, folder: Path, arguments: argparse.Namespace) -> float:
    """Import a day as a person would, in a process of its own; returns its CPU time in seconds."""
    command = [sys.executable, "-m", "kpp", "import", "--prometheus-url", url, "--namespace", "shop"]
    command += ["--entry-service", "service-0", "--parallel", str(arguments.parallel)]
    command += ["--from", str(STARTED_AT + 300), "--to", str(STARTED_AT + 3600 * arguments.hours - 60)]
    command += ["--output", str(folder / "day.csv"), "--json"]
    before, started_at = cpu_seconds_of_children(), time.perf_counter()
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
    wall_seconds = time.perf_counter() - started_at
    cpu_seconds = cpu_seconds_of_children() - before
    table = folder / "day.csv"
    with table.open(encoding="utf-8") as file:
        cells = [line.rstrip("\n").split(",") for line in file]
    empty = sum(row.count("") for row in cells)
    print(f"imported in {wall_seconds:.1f} s; kpp used {cpu_seconds:.1f} s of CPU")
    print(f"table: {len(cells) - 1:,} rows, {table.stat().st_size / 1e6:.1f} MB, {empty} empty cells")
    return cpu_seconds


def fill(folder: Path, series: "list[tuple[str, float, bool]]", hours: int, scrape_seconds: int) -> int:
    """Write blocks of two hours; returns how many samples."""
    count = 0
    for block in range(hours * 3600 // BLOCK_SECONDS):
        start = STARTED_AT + block * BLOCK_SECONDS
        instants = range(start, start + BLOCK_SECONDS, scrape_seconds)
        grown = [(at, integrate_tide(at - STARTED_AT)) for at in instants]
        steady = [(at, 1.0) for at in instants]
        path = folder / "block.om"
        with path.open("w", encoding="utf-8") as file:
            for name, per_second, is_counter in series:
                factors = grown if is_counter else steady
                lines = (f"{name} {per_second * factor:.8g} {at}\n" for at, factor in factors)
                file.writelines(lines)
                count += len(factors)
            file.write("# EOF\n")
        command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(path), str(folder / "data")]
        subprocess.run(command, check=True, capture_output=True)
    return count


def integrate_tide(seconds: float) -> float:
    """The integral of a day's tide, whose rate lies between half and one and a half: of 1 + sin / 2."""
    day = 2 * math.pi / 86_400
    return seconds + (1 - math.cos(day * seconds)) / (2 * day)


def make_series(service_count: int) -> "Iterator[tuple[str, float, bool]]":
    """Each series: its name with labels, its value or its growth per second, whether it grows."""
    for number in range(service_count):
        yield from _requests(f"service-{number}", f"service-{max(number - 1, 0)}", 20.0 + number)
        for replica in range(REPLICAS):
            yield from _pod(f"service-{number}", f"service-{number}-5d8f7c9b6d-x2v4{replica}")
        yield (
            f'kube_deployment_status_replicas_ready{{namespace="shop",deployment="service-{number}"}}',
            2,
            False,
        )


def _requests(service: str, caller: str, per_second: float) -> "Iterator[tuple[str, float, bool]]":
    """What the sidecars of both sides say."""
    for reporter in ("destination", "source"):
        labels = (
            f'reporter="{reporter}",source_workload="{caller}",source_workload_namespace="shop",'
            f'destination_workload="{service}",destination_workload_namespace="shop"'
        )
        for code, share in (("200", 0.99), ("503", 0.01)):
            yield f'istio_requests_total{{{labels},response_code="{code}"}}', per_second * share, True
        name = "istio_request_duration_milliseconds"
        yield f"{name}_sum{{{labels}}}", per_second * 20, True
        yield f"{name}_count{{{labels}}}", per_second, True
        for bound in (*LATENCY_BOUNDS, "+Inf"):
            share = 1.0 if bound == "+Inf" else 1 - math.exp(-float(bound) / 20)
            yield f'{name}_bucket{{{labels},le="{bound}"}}', per_second * share, True


def _pod(service: str, pod: str) -> "Iterator[tuple[str, float, bool]]":
    """What cAdvisor and kube-state-metrics say of a pod."""
    of_pod = f'namespace="shop",pod="{pod}"'
    owner = f'owner_kind="ReplicaSet",owner_name="{service}-5d8f7c9b6d",owner_is_controller="true"'
    yield f"kube_pod_owner{{{of_pod},{owner}}}", 1, False
    yield f'kube_pod_status_phase{{{of_pod},phase="Running"}}', 1, False
    for container in ("server", "istio-proxy"):
        labels = f'{of_pod},container="{container}"'
        yield f"container_cpu_usage_seconds_total{{{labels}}}", 0.1, True
        yield f"container_cpu_cfs_periods_total{{{labels}}}", 10, True
        yield f"container_cpu_cfs_throttled_periods_total{{{labels}}}", 1, True
        for kind in ("requests", "limits"):
            yield f'kube_pod_container_resource_{kind}{{{labels},resource="cpu",unit="core"}}', 0.2, False


if __name__ == "__main__":
    main()
