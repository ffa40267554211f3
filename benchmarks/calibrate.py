"""Compares a simulated application with measurements of a real one, service by service.

    python benchmarks/calibrate.py FILE.csv [--application NAME] [--levels 25] [--minutes 10] [--json]

At some user counts of the file, spread over its range, the application runs with the replicas that the file
has there. Reported are the means over these user counts, and by how much the simulated one differs.

`--reporters both` (the default) undoes what a query without a filter on Istio's `reporter` label does: the
measured throughput is halved, and the simulated response time is the mean over both sidecars' reports, as
the measured one is. `--reporters destination` compares with a file whose queries had the filter. CPU is that
of the application and the sidecar together; response times are truncated to whole milliseconds in both.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from kpp.schema import CPU_USAGE, REPLICAS, RESPONSE_TIME, SERVICE, THROUGHPUT, USER_COUNT, read_measurements
from kpp.simulator.application import Application
from kpp.simulator.application_file import read_application
from kpp.simulator.engine import Engine, EngineSnapshot

WARMUP_SECONDS = 120.0
COLUMNS = [THROUGHPUT, CPU_USAGE, RESPONSE_TIME]


@dataclass(frozen=True)
class Settings:
    """How the comparison is made."""

    level_count: int
    minutes: float
    both_reporters: bool
    seed: int


def choose_levels(frame: pd.DataFrame, count: int) -> list[int]:
    """User counts of the file, spread evenly over its range."""
    present = np.sort(frame[USER_COUNT].unique())
    positions = np.linspace(0, len(present) - 1, min(count, len(present))).round().astype(int)
    return [int(users) for users in present[positions]]


def simulate(
    application: Application, users: int, replicas: dict[str, int], settings: Settings
) -> pd.DataFrame:
    """The three signals of each service at one user count, indexed by service."""
    engine = Engine.with_pods(application, seed=settings.seed + users, replicas=replicas)
    engine.set_users(users, spawn_rate=10)
    engine.advance(WARMUP_SECONDS)
    before = engine.snapshot()
    engine.advance(WARMUP_SECONDS + 60 * settings.minutes)
    difference = _totals(engine.snapshot()).sub(_totals(before), fill_value=0)
    seconds = 60 * settings.minutes
    reported = difference["both"] if settings.both_reporters else difference["destination"]
    milliseconds = difference["both ms"] if settings.both_reporters else difference["destination ms"]
    return pd.DataFrame(
        {
            THROUGHPUT: difference["destination"] / seconds,
            CPU_USAGE: difference["cpu"] / seconds,
            RESPONSE_TIME: milliseconds / reported.where(reported > 0) / 1000,
        }
    )


def _totals(snapshot: EngineSnapshot) -> pd.DataFrame:
    """The counters of each service."""
    rows = [
        {
            SERVICE: report.destination_service,
            "both": report.count,
            "both ms": report.duration_ms_sum,
            "destination": report.count * (report.reporter == "destination"),
            "destination ms": report.duration_ms_sum * (report.reporter == "destination"),
        }
        for report in snapshot.reports
    ]
    rows += [
        {SERVICE: pod.service, "cpu": pod.cpu_seconds + (pod.sidecar_cpu_seconds or 0)}
        for pod in snapshot.pods
    ]
    return pd.DataFrame(rows).groupby(SERVICE).sum()


def observe(frame: pd.DataFrame, users: int, settings: Settings) -> pd.DataFrame:
    """The same of the file: means, and the median of the response time, which has outliers."""
    groups = frame[frame[USER_COUNT] == users].groupby(SERVICE)
    halves = 2 if settings.both_reporters else 1
    return pd.DataFrame(
        {
            THROUGHPUT: groups[THROUGHPUT].mean() / halves,
            CPU_USAGE: groups[CPU_USAGE].mean(),
            RESPONSE_TIME: groups[RESPONSE_TIME].median(),
        }
    )


def compare(frame: pd.DataFrame, application: Application, settings: Settings) -> pd.DataFrame:
    """Measured, simulated and the difference in percent: one row per service, the means over the levels."""
    measured, simulated = [], []
    for users in choose_levels(frame, settings.level_count):
        level = frame[frame[USER_COUNT] == users]
        replicas = level.groupby(SERVICE)[REPLICAS].median().round().astype(int).to_dict()
        measured.append(observe(frame, users, settings))
        simulated.append(
            simulate(application, users, {str(name): n for name, n in replicas.items()}, settings)
        )
    means = [pd.concat(parts).groupby(level=0).mean() for parts in (measured, simulated)]
    services = [name for name in application.services if name in means[0].index]
    pairs = {"measured": means[0].loc[services], "simulated": means[1].loc[services]}
    pairs["difference (%)"] = 100 * (pairs["simulated"] / pairs["measured"] - 1)
    return pd.concat(pairs, axis=1).swaplevel(axis=1)[COLUMNS]


def format_table(table: pd.DataFrame) -> str:
    """A markdown table; response times in ms, CPU in thousandths of a core."""
    lines = [
        "| service | req/s | simulated | | CPU (m) | simulated | | response time (ms) | simulated | |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for service, row in table.iterrows():
        cells = [str(service)]
        for column, scale, digits in ((THROUGHPUT, 1, 2), (CPU_USAGE, 1000, 1), (RESPONSE_TIME, 1000, 2)):
            cells += [f"{row[column][kind] * scale:.{digits}f}" for kind in ("measured", "simulated")]
            cells.append(f"{row[column]['difference (%)']:+.1f} %")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Read the file, run the engine, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--application", default="online_boutique", help="a shipped one's name, or a file")
    parser.add_argument("--levels", type=int, default=25, help="how many of the file's user counts")
    parser.add_argument("--minutes", type=float, default=10, help="simulated at each")
    parser.add_argument("--reporters", choices=("both", "destination"), default="both")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    settings = Settings(options.levels, options.minutes, options.reporters == "both", options.seed)
    frame = read_measurements([options.file]).frame
    table = compare(frame, read_application(options.application), settings)
    if options.json:
        columns = ["/".join(column) for column in table.columns]
        print(json.dumps(table.set_axis(columns, axis=1).to_dict(orient="index"), indent=1))
    else:
        print(format_table(table))


if __name__ == "__main__":
    main()
