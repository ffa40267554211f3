"""How much CPU scatters from minute to minute: measured on a real cluster, and simulated, service by service.

    python benchmarks/minute_noise.py FILE.csv [--minutes 120] [--seed 0]

Half the distance between the 16th and the 84th percentile of the CPU over the median of its user count, so
that outliers do not count. Simulated is the middle user count of the file, with its replicas. `asked at once`
is `rate` over 60 s up to the present, application and sidecar together, as such files are usually collected;
`as kpp asks` is over 120 s, 30 s later; `in truth` is the CPU time that was used in each minute.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from cpu_window import ask_by_service, with_users

from kpp.schema import CPU_USAGE, REPLICAS, SERVICE, USER_COUNT, read_measurements
from kpp.simulator.application_file import read_application
from kpp.simulator.cluster import Simulation, SimulationSettings

SETTLING_SECONDS = 300.0
WAYS = {"asked at once": (0.0, 60), "as kpp asks": (30.0, 120)}  # lag and window, seconds
KEY = [SERVICE, USER_COUNT]


def scatter(values: pd.Series) -> float:
    """Half the distance between the 16th and the 84th percentile."""
    low, high = np.percentile(values.dropna(), [16, 84])
    return float(high - low) / 2


def measure_file(frame: pd.DataFrame) -> pd.Series:
    """By service, over all user counts."""
    relative = frame[CPU_USAGE] / frame.groupby([*KEY, REPLICAS])[CPU_USAGE].transform("median")
    return relative.groupby(frame[SERVICE]).apply(scatter).rename("real")


def simulate(users: int, replicas: dict[str, int], minutes: int, seed: int) -> pd.DataFrame:
    """By service and way of asking."""
    application = with_users(read_application("online_boutique"), users)
    simulation = Simulation(application, 1e6, SimulationSettings(seed=seed, replicas=replicas))
    simulation.advance_to(simulation.now + SETTLING_SECONDS)
    rows = []
    before = used_by_service(simulation)
    for _ in range(minutes):
        simulation.advance_to(simulation.now + 60)
        now = used_by_service(simulation)
        rows += [(service, "in truth", now[service] - before[service]) for service in now]
        before = now
        for way, (lag_seconds, window_seconds) in WAYS.items():
            shown = ask_by_service(simulation, simulation.now - lag_seconds, window_seconds)
            rows += [(service, way, cores) for service, cores in shown.items()]
    frame = pd.DataFrame(rows, columns=[SERVICE, "way", "cpu"])
    frame["cpu"] /= frame.groupby([SERVICE, "way"])["cpu"].transform("median")
    return frame.groupby([SERVICE, "way"])["cpu"].apply(scatter).unstack()  # noqa: PD010 - of a series


def used_by_service(simulation: Simulation) -> dict[str, float]:
    """CPU seconds that application and sidecars have used, by the engine's own counters."""
    used: dict[str, float] = {}
    for pod in simulation.snapshot().pods:
        seconds = pod.cpu_seconds + (pod.sidecar_cpu_seconds or 0.0)
        used[pod.service] = used.get(pod.service, 0.0) + seconds
    return used


def main() -> None:
    """Read the file, simulate, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--minutes", type=int, default=120, help="simulated")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    frame = read_measurements([options.file]).frame
    users = int(frame[USER_COUNT].median())
    level = frame[frame[USER_COUNT] == users].groupby(SERVICE)[REPLICAS].median()
    replicas = {str(service): int(count) for service, count in level.round().items()}
    simulated = simulate(users, replicas, options.minutes, options.seed)
    table = pd.concat([measure_file(frame), simulated], axis=1).loc[list(replicas)]
    columns = ["real", "asked at once", "as kpp asks", "in truth"]
    print(f"| service | {' | '.join(columns)} |\n|{'---|' * 5}")
    for service in read_application("online_boutique").services:
        if service in table.index:
            cells = [f"{share:.1%}".replace("%", " %") for share in table.loc[service, columns].astype(float)]
            print(f"| {service} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
