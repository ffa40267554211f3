"""Makes the figures of docs/performance.md: what kpp costs, and how that grows. All of them in one run.

    python benchmarks/performance.py FILE.csv [--only loss,services,reading,whatif,ticks,profile] [--write]
        [--plain-epochs 100] [--plain-threads all,1] [--most-services 1000]
        [--most-rows 1000000] [--limit-seconds 60]

FILE.csv is the table that the plain loop is compared on; all others are simulated. Every figure is of a whole
process unless a column says otherwise. With --write the figures replace those between the marks of the page;
a section that is not named in --only stays as it is. Takes some fifteen minutes on two cores.
"""

import argparse
import json
import os
import platform
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import torch
from cost import Cost, measure
from simulated import make_frame

from kpp.files import write_whole

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "performance.md"
ROWS = 1000  # of each service
MANY_ROWS, MANY_SERVICES = 5_000_000, 500  # of a table that is read in groups
WHATIF_ROWS = 105  # of each service: five experiments
PRODUCTS = "bare matrix products"
START = "start and data alone"  # imports, reading, preparing: all processes of the comparison have them


def script(name: str, *arguments: object) -> list[str]:
    """A script beside this one."""
    return [sys.executable, str(HERE / name), *map(str, arguments)]


def kpp(*arguments: object) -> list[str]:
    """A command of kpp."""
    return [sys.executable, "-m", "kpp", *map(str, arguments)]


def table(header: str, rows: list[list[str]]) -> Iterator[str]:
    """A markdown table; the first column is text."""
    names = [name.strip() for name in header.split("|")]
    lines = [names, ["---"] + ["---:"] * (len(names) - 1), *rows]
    yield from ("| " + " | ".join(line) + " |" for line in lines)


def columns(cost: Cost) -> list[str]:
    """Wall seconds, CPU seconds and megabytes."""
    return [f"{cost.wall_seconds:.1f}", f"{cost.cpu_seconds:.1f}", f"{cost.peak_megabytes:.0f}"]


def counts_up_to(most: int, first: int) -> list[int]:
    """Powers of ten, from the first to the most."""
    counts = [first]
    while counts[-1] * 10 <= most:
        counts.append(counts[-1] * 10)
    return counts


def measure_short(command: list[str]) -> Cost:
    """The run with the median wall time of three: of a few seconds, chance is a large part."""
    return sorted((measure(command) for _ in range(3)), key=lambda cost: cost.wall_seconds)[1]


def compare_with_plain(options: argparse.Namespace, _scratch: Path) -> Iterator[str]:
    """Time to the same mean validation loss, and beside it the bare matrix products."""
    costs = {"kpp": measure_short(script("time_to_loss.py", "kpp", options.file))}
    epochs = json.loads(costs["kpp"].output)["epochs"]
    for name, count in ((PRODUCTS, epochs), (START, 0)):
        costs[name] = measure_short(script("time_to_loss.py", "products", options.file, "--epochs", count))
    plain = script("time_to_loss.py", "plain", options.file, "--epochs", options.plain_epochs)
    for threads in options.plain_threads.split(","):
        name = "plain loop" if threads == "all" else f"plain loop, {threads} thread"
        costs[name] = measure(plain, {} if threads == "all" else {"OMP_NUM_THREADS": threads})
    inside = {name: json.loads(cost.output) for name, cost in costs.items()}
    rows = []
    for name, cost in costs.items():
        loss = "" if name in (PRODUCTS, START) else f"{inside[name]['loss']:.4f}"
        training = [f"{inside[name][key]:.1f}" for key in ("seconds", "cpu_seconds")]
        rows.append([name, str(inside[name]["epochs"]), loss, *columns(cost), *training])
    yield from table("|epochs|loss|wall (s)|CPU (s)|peak (MB)|training: wall (s)|CPU (s)", rows)
    yield ""
    for name in (name for name in costs if name.startswith("plain loop")):
        reached = "at most" if inside["kpp"]["loss"] <= inside[name]["loss"] else "MORE than"
        wall = costs[name].wall_seconds / costs["kpp"].wall_seconds
        cpu = costs[name].cpu_seconds / costs["kpp"].cpu_seconds
        alone = inside[name]["seconds"] / inside["kpp"]["seconds"]
        yield (
            f"- {name}: {wall:.1f} times kpp's wall time and {cpu:.1f} times its CPU time, whole processes; "
            f"{alone:.1f} times the wall time of the training alone; "
            f"kpp's loss is {reached} its loss."
        )
    ratio = {key: inside["kpp"][key] / inside[PRODUCTS][key] for key in ("seconds", "cpu_seconds")}
    yield (
        f"- kpp's training takes {ratio['seconds']:.1f} times the wall time and "
        f"{ratio['cpu_seconds']:.1f} times the CPU time of its bare matrix products."
    )
    start, floor = (costs[name].wall_seconds / costs["kpp"].wall_seconds for name in (START, PRODUCTS))
    yield f"- Start and data are {start:.0%} of kpp's wall time; with the bare products they are {floor:.0%}."


def train_services(options: argparse.Namespace, scratch: Path) -> Iterator[str]:
    """The GRUs of `kpp train` on more and more services."""
    rows = []
    for count in counts_up_to(options.most_services, 10):
        file = scratch / f"services-{count}.parquet"
        make_frame(count, ROWS).to_parquet(file)
        folders = ["--models", scratch / f"models-{count}", "--plots", scratch / f"plots-{count}"]
        cost = measure(script("train.py", file, *folders))
        assert json.loads(cost.output)["services"] == count
        rows.append([str(count), *columns(cost), f"{1000 * cost.cpu_seconds / count:.0f}"])
    yield from table("services|wall (s)|CPU (s)|peak (MB)|CPU for each service (ms)", rows)


def read_rows(options: argparse.Namespace, scratch: Path) -> Iterator[str]:
    """Reading and preparing more and more rows of 100 services."""
    rows = []
    for count in counts_up_to(options.most_rows, 10_000):
        frame = make_frame(100, count // 100)
        for suffix in ("csv", "parquet"):
            file = scratch / f"rows-{count}.{suffix}"
            frame.to_csv(file, index=False) if suffix == "csv" else frame.to_parquet(file)
            cost = measure(script("reading.py", file))
            inside = json.loads(cost.output)
            steps = [f"{inside[step]:.2f}" for step in ("read", "prepare")]
            rows.append([f"{count:,} {suffix}", *steps, *columns(cost)])
    rows += read_many_rows(scratch)
    yield from table("rows|read (s)|prepare (s)|wall (s)|CPU (s)|peak (MB)", rows)


def read_many_rows(scratch: Path) -> Iterator[list[str]]:
    """A CSV file that is larger than what is read at once, in groups of services; and beside it at once."""
    file = scratch / "many-rows.csv"
    frame = make_frame(MANY_SERVICES, MANY_ROWS // MANY_SERVICES)
    pyarrow.csv.write_csv(pa.Table.from_pandas(frame, preserve_index=False), file)
    del frame
    for how, options in (("in groups", []), ("at once", ["--whole"])):
        cost = measure(script("reading.py", file, *options))
        inside = json.loads(cost.output)
        steps = [f"{inside[step]:.2f}" for step in ("read", "prepare")]
        yield [f"{MANY_ROWS:,} csv, {how}", *steps, *columns(cost)]


def fit_whatif(options: argparse.Namespace, scratch: Path) -> Iterator[str]:
    """`kpp fit` on more and more services, until one takes too long."""
    rows: list[list[str]] = []
    for count in counts_up_to(options.most_services, 10):
        file = scratch / f"whatif-{count}.parquet"
        make_frame(count, WHATIF_ROWS).to_parquet(file)
        command = kpp("fit", file, "--models", scratch / f"whatif-{count}", "--json")
        cost = measure(command, limit_seconds=options.limit_seconds)
        ended = bool(cost.output)
        rows.append([str(count), *(columns(cost) if ended else [f"> {options.limit_seconds}", "", ""])])
        if not ended:
            break
    yield from table("services|wall (s)|CPU (s)|peak (MB)", rows)


def sample_ticks(options: argparse.Namespace, _scratch: Path) -> Iterator[str]:
    """A tick of the collector with more and more services."""
    rows = []
    for count in counts_up_to(options.most_services, 10):
        inside = json.loads(measure(script("tick.py", count)).output)
        rows.append([str(count), f"{inside['queries']:g}", f"{1000 * inside['seconds']:.0f}"])
    yield from table("services|queries of a tick|a tick (ms)", rows)


def show_profile(options: argparse.Namespace, _scratch: Path) -> Iterator[str]:
    """Where the training's time goes."""
    yield from measure(script("profile_training.py", options.file)).output.splitlines()


SECTIONS: dict[str, Callable[[argparse.Namespace, Path], Iterator[str]]] = {
    "loss": compare_with_plain,
    "services": train_services,
    "reading": read_rows,
    "whatif": fit_whatif,
    "ticks": sample_ticks,
    "profile": show_profile,
}


def describe_machine() -> str:
    """On what and when the figures were made."""
    when = f"{datetime.now(UTC):%Y-%m-%d}"
    load = os.getloadavg()[0]
    return (
        f"Made on {when}: {os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, "
        f"PyTorch {torch.__version__}; other work kept {load:.1f} cores busy in the minute before."
    )


def put_into_page(name: str, lines: list[str]) -> None:
    """Replace what stands between a section's marks."""
    start, end = f"<!-- {name}: made by benchmarks/performance.py -->", f"<!-- {name}: end -->"
    page = PAGE.read_text(encoding="utf-8")
    content = "\n".join([start, *lines, end])
    changed = re.sub(f"{re.escape(start)}.*?{re.escape(end)}", lambda _: content, page, flags=re.DOTALL)
    write_whole({PAGE: changed.encode()})


def main() -> None:
    """Measure, print, and write where asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="a table of measurements")
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, a list (default: all)")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/performance.md")
    parser.add_argument("--plain-epochs", type=int, default=100, help="of the plain loop (default 100)")
    parser.add_argument("--plain-threads", default="all,1", help="of the plain loop, a list (default all,1)")
    parser.add_argument("--most-services", type=int, default=1000)
    parser.add_argument("--most-rows", type=int, default=1_000_000)
    parser.add_argument("--limit-seconds", type=int, default=60, help="of one kpp fit (default 60)")
    options = parser.parse_args()

    for name in options.only.split(","):
        machine = describe_machine()
        with tempfile.TemporaryDirectory() as scratch:
            lines = [*SECTIONS[name](options, Path(scratch)), "", machine]
        print(f"\n## {name}\n", *lines, sep="\n", flush=True)
        if options.write:
            put_into_page(name, lines)


if __name__ == "__main__":
    main()
