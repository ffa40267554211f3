"""How far the CPU that Prometheus shows is from the truth, by the range of `rate`.

    python benchmarks/cpu_window.py [--users 280] [--minutes 50] [--seed 0] [--json]

First for counters that grow evenly and are sampled in cAdvisor's rhythm, which shows what the extrapolation
of `rate` does alone: asked at once, and 30 s later, when all samples have arrived. Then for the containers of
the simulated Online Boutique, against the CPU time that they used.
"""

import argparse
import json
from dataclasses import replace
from random import Random

import numpy as np
from numpy.typing import NDArray

from kpp.collector.profiles.profile import Signal
from kpp.collector.profiles.reading import DEFAULT_PROFILE, read_profile
from kpp.collector.queries import Query
from kpp.simulator.application import Application
from kpp.simulator.application_file import read_application
from kpp.simulator.cluster import Simulation, SimulationSettings
from kpp.simulator.promql import SampleStore, query_instant

WINDOWS_SECONDS = (60, 90, 120, 180, 240)
COUNTERS = 300
SCRAPE_SECONDS = 15.0
LAG_SECONDS = 30.0
SETTLING_SECONDS = 300.0
EVEN = Query("even counters", "rate(even_total[$window])")

Errors = dict[str, dict[int, tuple[float, float]]]  # case, window: mean and deviation, as shares of the truth


def sample_even_counter(random: Random, seconds: float) -> list[tuple[float, float]]:
    """Scrapes of a counter, and the times of the looks that they find, which are 10 to 15 s apart."""
    looks = np.cumsum([random.uniform(10, 15) for _ in range(int(seconds / 10) + 3)])
    scrapes = np.arange(looks[0] + random.uniform(0, SCRAPE_SECONDS), seconds, SCRAPE_SECONDS)
    return [(scrape, looks[np.searchsorted(looks, scrape, side="right") - 1]) for scrape in scrapes]


def measure_even_counters(seconds: float, seed: int) -> Errors:
    """The errors of `rate` over counters that grow by one a second."""
    random, store = Random(seed), SampleStore(retention_seconds=1e9)
    numbers = [store.series_number({"__name__": "even_total", "n": str(n)}) for n in range(COUNTERS)]
    scrapes = sorted(
        (scrape, look, number) for number in numbers for scrape, look in sample_even_counter(random, seconds)
    )
    found: dict[str, dict[int, list[float]]] = {"even, at once": {}, "even, 30 s ago": {}}
    position = 0
    for now in np.arange(SETTLING_SECONDS, seconds, 60.0):
        while position < len(scrapes) and scrapes[position][0] <= now:
            _, look, number = scrapes[position]
            store.append([number], [round(1000 * look)], [1e6 + look])
            position += 1
        for case, at in zip(found, (now, now - LAG_SECONDS), strict=True):
            for window_seconds in WINDOWS_SECONDS:
                rates = ask(store, EVEN, at, window_seconds)
                found[case].setdefault(window_seconds, []).extend(rates - 1)
    return {case: {window: _moments(its) for window, its in errors.items()} for case, errors in found.items()}


def measure_boutique(users: int, seconds: float, seed: int) -> dict[int, float]:
    """The mean error of the collector's query over all containers of the boutique together, by window."""
    application = with_users(read_application("online_boutique"), users)
    simulation = Simulation(application, 1e6, SimulationSettings(seed=seed))
    simulation.advance_to(simulation.now + SETTLING_SECONDS)
    random = Random(seed)
    shown: dict[int, list[float]] = {window: [] for window in WINDOWS_SECONDS}
    cpu_seconds = [true_cpu_seconds(simulation)]
    while len(cpu_seconds) <= seconds / 60:
        simulation.advance_to(simulation.now + 60)
        cpu_seconds.append(true_cpu_seconds(simulation))
        at = simulation.now - LAG_SECONDS - random.uniform(0, SCRAPE_SECONDS)  # at any phase of the scrapes
        for window, values in shown.items():
            values.append(sum(ask_by_service(simulation, at, window).values()))
    true_cores = (cpu_seconds[-1] - cpu_seconds[0]) / (60 * (len(cpu_seconds) - 1))
    return {window: float(np.mean(values)) / true_cores - 1 for window, values in shown.items()}


def with_users(application: Application, users: int) -> Application:
    """The application under so many users from the start."""
    runner = application.services[application.users.service]
    changed = replace(runner, environment={**runner.environment, "USERS": str(users), "RATE": "20"})
    return replace(application, services={**application.services, application.users.service: changed})


def true_cpu_seconds(simulation: Simulation) -> float:
    """What all containers have used, by the engine's own counters."""
    pods = simulation.snapshot().pods
    return sum(pod.cpu_seconds + (pod.sidecar_cpu_seconds or 0.0) for pod in pods)


def ask(store: SampleStore, query: Query, at: float, window_seconds: int) -> NDArray[np.float64]:
    """The values of an instant query."""
    answer = query_instant(store, query.text("default", window_seconds), round(1000 * at))
    return np.array([float(each["value"][1]) for each in answer["result"]])


def ask_by_service(simulation: Simulation, at: float, window_seconds: int) -> dict[str, float]:
    """Cores of each service, application and sidecars together, as the collector's query shows them."""
    text = read_profile(DEFAULT_PROFILE).queries[Signal.CPU_BY_CONTAINER].text("default", window_seconds)
    cores: dict[str, float] = {}
    for each in query_instant(simulation.samples, text, round(1000 * at))["result"]:
        service = each["metric"]["pod"].rsplit("-", 2)[0]  # without the names of ReplicaSet and pod
        cores[service] = cores.get(service, 0.0) + float(each["value"][1])
    return cores


def format_table(even: Errors, boutique: dict[int, float]) -> str:
    """A markdown table, in percent of the truth."""
    lines = [
        "| window (s) | even counter, asked at once | asked 30 s later | simulated cluster, 30 s later |",
        "|---|---|---|---|",
    ]
    for window in WINDOWS_SECONDS:
        cells = [
            f"{mean:+.1%} ± {deviation:.1%}" for mean, deviation in (its[window] for its in even.values())
        ]
        lines.append(f"| {window} | {' | '.join(cells)} | {boutique[window]:+.1%} |".replace("%", " %"))
    return "\n".join(lines)


def main() -> None:
    """Measure both, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=280, help="of the Online Boutique")
    parser.add_argument("--minutes", type=float, default=50, help="simulated")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    even = measure_even_counters(60 * options.minutes, options.seed)
    boutique = measure_boutique(options.users, 60 * options.minutes, options.seed)
    if options.json:
        print(json.dumps({**even, "simulated cluster": boutique}, indent=1))
    else:
        print(format_table(even, boutique))


def _moments(errors: list[float]) -> tuple[float, float]:
    return float(np.mean(errors)), float(np.std(errors))


if __name__ == "__main__":
    main()
