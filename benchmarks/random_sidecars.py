"""How far the capacity of random systems is told from light load, where pods may hold a sidecar, or none.

    python benchmarks/random_sidecars.py [--systems N] [--seed N]

Trees of two to eight services in a simulation of queues (`closed_queues.py`), measured up to 10 to 60 % of
each CPU limit, with limits and calls recorded. The CPU of sidecars is added to that of the pods, or not.
Prints, for each size of sidecar, the estimated bound of throughput over the true one, and how often the true
one lies within one and within 1.64 standard errors. Some two minutes of CPU time.
"""

import argparse
from dataclasses import dataclass

import numpy as np
import pandas as pd
from closed_queues import Load
from numpy.typing import NDArray
from queue_campaigns import Server, World, calls_of, measure, steps

from kpp.queueing.estimation.estimation import estimate
from kpp.schema import CPU_USAGE, SERVICE, THROUGHPUT

SIDECARS_SECONDS = (0.0, 0.0002, 0.0003, 0.0005)  # none, and what is published of Envoy
SHARES = np.linspace(0.2, 1.0, 5)  # of the highest load
NORMAL_90 = 1.645  # standard errors that hold 90 %


@dataclass(frozen=True)
class System:
    """A system as measured without sidecars, and the requests per second that its CPU limits allow."""

    world: World
    rows: pd.DataFrame
    bound_rps: float


def make_system(seed: int) -> System:
    """Draw a tree of services, and measure it."""
    rng = np.random.default_rng(seed)
    names = [f"service-{number}" for number in range(int(rng.integers(2, 9)))]
    calls: dict[str, dict[str, float]] = {name: {} for name in names}
    visits = dict.fromkeys(names, 1.0)
    for number, callee in enumerate(names[1:], start=1):
        caller, mean = names[int(rng.integers(0, number))], float(rng.choice([0.3, 0.7, 1.0, 2.0, 3.0]))
        calls[caller][callee] = mean
        visits[callee] = visits[caller] * mean
    highest = int(rng.choice([20, 50]))  # users, and at most as many requests per second
    servers, bounds = {}, []
    for name in names:
        cpu_seconds = float(np.exp(rng.normal(np.log(0.003), 0.9)))
        work = max(highest * visits[name] * cpu_seconds / rng.uniform(0.1, 0.6), 0.02)
        servers[name] = Server(cpu_seconds, calls[name], limit=work + Server.idle_cores)
        bounds.append(work / (visits[name] * cpu_seconds))
    world = World(servers, Load(0, 1.0), minutes=3)
    users = [max(1, round(share * highest)) for share in SHARES]
    return System(world, measure(world, steps(users), seed), min(bounds))


def judge(system: System, sidecar_seconds: float) -> tuple[float, float]:
    """ln(estimated bound / true one), and the same in standard errors."""
    proxied = {name: 1 + sum(server.calls.values()) for name, server in system.world.servers.items()}
    passed_on = system.rows[SERVICE].map(proxied) * system.rows[THROUGHPUT]
    rows = system.rows.assign(**{CPU_USAGE: system.rows[CPU_USAGE] + sidecar_seconds * passed_on})
    found = estimate(rows, calls_of(system.world))
    bottleneck, bound = found.bottleneck()
    apart = float(np.log(bound / system.bound_rps))
    return apart, apart / float(np.log1p(found.capacity.error[bottleneck]))


def render(sidecar_seconds: float, apart: NDArray[np.float64]) -> str:
    """A line for (systems, 2) of `judge`."""
    ratios, errors = np.exp(apart[:, 0]), np.abs(apart[:, 1])
    cells = [
        f"{1000 * sidecar_seconds:.1f}",
        f"{100 * np.abs(ratios - 1).mean():.0f}",
        f"{np.median(ratios):.2f}",
        f"{ratios.min():.2f} to {ratios.max():.2f}",
        *(f"{100 * (errors < most).mean():.0f}" for most in (1.0, NORMAL_90)),
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Draw the systems, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--systems", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="of the first")
    asked = parser.parse_args()
    systems = [make_system(asked.seed + number) for number in range(asked.systems)]
    print("| sidecar, ms | error, % | median ratio | from, to | within 1 s.e., % | within 1.64, % |")
    print("|---:|---:|---:|---|---:|---:|")
    for sidecar_seconds in SIDECARS_SECONDS:
        apart = np.array([judge(system, sidecar_seconds) for system in systems])
        print(render(sidecar_seconds, apart), flush=True)


if __name__ == "__main__":
    main()
