"""Times the simulator's engine: seconds on the virtual clock for each second of one core, against users.

    python benchmarks/simulator.py [--users 50,200,800] [--minutes 10] [--application NAME] [--json]

Every service has as many replicas as keep it out of overload, so that the work grows with the users. Loading
the compiled kernel, or compiling it the first time, is not part of the figures; it is reported beside them.
"""

import argparse
import json
import math
import time
from dataclasses import asdict, dataclass

from kpp.simulator.application import Application
from kpp.simulator.application_file import read_application
from kpp.simulator.engine import Engine, Node

WARMUP_SECONDS = 60.0
USERS_PER_REPLICA = 50


@dataclass(frozen=True)
class Timing:
    """One load."""

    users: int
    simulated_seconds: float
    cpu_seconds: float
    simulated_per_second: float
    requests: int  # that services answered
    events: int
    nanoseconds_per_event: float


def time_load(application: Application, users: int, minutes: float) -> Timing:
    """Simulate so many minutes after the warm-up."""
    replicas = {name: math.ceil(users / USERS_PER_REPLICA) for name in application.services}
    replicas[application.users.service] = 1
    engine = Engine.with_pods(application, seed=0, nodes=(Node("big", 64.0),), replicas=replicas)
    engine.set_users(users, spawn_rate=users / 10)
    engine.advance(WARMUP_SECONDS)
    before, events_before = engine.snapshot(), engine.event_count
    started_at = time.process_time()
    engine.advance(WARMUP_SECONDS + 60 * minutes)
    cpu_seconds = time.process_time() - started_at
    truths = engine.snapshot().service_truths(since=before).values()
    events = engine.event_count - events_before
    return Timing(
        users=users,
        simulated_seconds=60 * minutes,
        cpu_seconds=cpu_seconds,
        simulated_per_second=60 * minutes / cpu_seconds,
        requests=sum(truth.succeeded_count for truth in truths),
        events=events,
        nanoseconds_per_event=1e9 * cpu_seconds / events,
    )


def main() -> None:
    """Time each load and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", default="50,200,800", help="loads, separated by commas")
    parser.add_argument("--minutes", type=float, default=10, help="simulated for each")
    parser.add_argument("--application", default="online_boutique", help="a shipped one's name, or a file")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    application = read_application(options.application)
    started_at = time.process_time()
    Engine(application, seed=0).advance(1)
    load_seconds = time.process_time() - started_at
    timings = [time_load(application, int(users), options.minutes) for users in options.users.split(",")]
    if options.json:
        loads = [asdict(timing) for timing in timings]
        print(json.dumps({"kernel_load_seconds": load_seconds, "loads": loads}, indent=1))
        return
    print(f"kernel loaded or compiled in {load_seconds:.1f} s\n")
    print("| users | simulated s per s | an hour takes | requests per s | events per s | ns per event |")
    print("|---|---|---|---|---|---|")
    for timing in timings:
        cells = (
            f"{timing.users}",
            f"{timing.simulated_per_second:.0f}",
            f"{3600 / timing.simulated_per_second:.1f} s",
            f"{timing.requests / timing.cpu_seconds:,.0f}",
            f"{timing.events / timing.cpu_seconds:,.0f}",
            f"{timing.nanoseconds_per_event:.0f}",
        )
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
