"""How far what-if models foretell systems that neither kpp's formulas nor its simulator made.

    python benchmarks/independent_systems.py [CASE ...] [--write]

A case is a small application in a simulation of queues (`closed_queues.py`), measured at some loads and asked
at others. What the simulation was made of stays hidden; what a table would not hold is left out. Prints the
tables; with --write puts them between the marks in docs/independent.md. Some six minutes of CPU time.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from closed_queues import Load
from pages import put_into
from queue_campaigns import Server, Step, World, calls_of, measure, steps
from results_table import others_of

from kpp.evaluation.leaderboard import ModelResult, score_trials
from kpp.evaluation.request import Request
from kpp.evaluation.splits import split
from kpp.evaluation.trial import try_models
from kpp.files import write_whole
from kpp.queueing.estimation.estimation import estimate
from kpp.schema import (
    CPU_LIMIT,
    CPU_REQUEST,
    CPU_USAGE,
    REPLICAS,
    RESPONSE_TIME,
    SERVICE,
    TARGETS,
    THROUGHPUT,
    TIMESTAMP,
    USER_COUNT,
)
from kpp.whatif.model import Campaign

PAGE = Path(__file__).parents[1] / "docs" / "independent.md"
COVERAGE = 0.9
OTHERS = {"linear": "l", "log-linear": "g", "nearest": "n", "usl": "u"}  # as the table has them
BARE = ("calls", REPLICAS, CPU_LIMIT, CPU_REQUEST)
ALL = (*BARE, CPU_USAGE)


@dataclass(frozen=True)
class Case:
    """What is measured, and what is asked.

    Attributes:
        holds: what holds it back beyond the knee, in words.
        lacking: columns that are not recorded; "calls" is the calls table.
    """

    world: World
    normal: Sequence[Step]
    asked: Sequence[Step]
    holds: str
    lacking: Sequence[str] = ()


def _tiers(**changes: Server) -> Mapping[str, Server]:
    servers = {
        "web": Server(0.004, {"app": 1.0}, limit=1.0, sidecar_seconds=0.0003),
        "app": Server(0.012, {"database": 2.4}, limit=0.8, sidecar_seconds=0.0003),
        "database": Server(0.002, limit=1.0, sidecar_seconds=0.0003),
    }
    return {**servers, **changes}


def _shop() -> Mapping[str, Server]:
    """Eleven services."""
    demands = {
        "gateway": (0.0015, 0.5, {"catalog": 1.0, "cart": 0.6, "ads": 0.5, "search": 0.3, "checkout": 0.05}),
        "catalog": (0.001, 0.5, {"prices": 2.0, "stock": 1.0}),
        "cart": (0.0012, 0.3, {"store": 1.2}),
        "ads": (0.0008, 0.2, {}),
        "search": (0.006, 0.8, {}),
        "checkout": (0.004, 0.2, {"cart": 1.0, "payment": 1.0, "mail": 1.0}),
        "prices": (0.0006, 0.5, {}),
        "stock": (0.0008, 0.3, {}),
        "store": (0.0005, 0.4, {}),
        "payment": (0.003, 0.2, {}),
        "mail": (0.005, 0.2, {}),
    }
    servers = {
        name: Server(demand, calls, limit=limit, sidecar_seconds=0.0003)
        for name, (demand, limit, calls) in demands.items()
    }
    return {**servers, "gateway": replace(servers["gateway"], replicas=2)}


def _scaled(users: Sequence[int]) -> list[Step]:
    """Replicas follow the users, as an autoscaler has it."""
    return [Step(count, {"app": -(-count // 25), "web": -(-count // 60)}) for count in users]


TIERS = World(_tiers(), Load(0, 1.0))
GATEWAY = World(
    _tiers(
        web=Server(0.004, {"app": 1.0}, limit=0.25, sidecar_seconds=0.0003),
        app=Server(0.012, {"database": 2.4}, limit=4.0, sidecar_seconds=0.0003),
    ),
    Load(0, 1.0),
)
POOL = World(
    _tiers(app=Server(0.004, {"database": 2.4}, limit=2.0, slots=8, outside_seconds=0.1)), Load(0, 1.0)
)
CONNECTIONS = World(_tiers(database=Server(0.001, limit=1.0, slots=3, outside_seconds=0.02)), Load(0, 1.0))
LOCK = World(_tiers(database=Server(0.001, limit=2.0, lock_seconds=0.008)), Load(0, 1.0))
MONOLITH = World({"shop": Server(0.03, cores=2.0, outside_seconds=0.02)}, Load(0, 3.0))
WORKERS = World({"shop": Server(0.005, slots=10, outside_seconds=0.15)}, Load(0, 2.0))
ODD_NAMES = World(
    {
        "zuul-gateway.v2": Server(0.003, {"Bücher/api": 1.0, "a_cache": 0.7}, limit=0.5),
        "Bücher/api": Server(0.006, {"a_cache": 1.5}, limit=0.5),
        "a_cache": Server(0.0008, limit=0.3),
    },
    Load(0, 2.0),
)
SLOW = World(
    {
        "portal": Server(0.05, {"report": 1.0}, limit=1.0),
        "report": Server(1.5, {"store": 3.0}, limit=1.0, outside_seconds=0.5),
        "store": Server(0.1, limit=1.0),
    },
    Load(0, 30.0),
    minutes=20,
)
FAST = World(
    {"edge": Server(0.0005, {"cache": 2.0}, limit=0.5), "cache": Server(0.0002, limit=0.5)}, Load(0, 0.1)
)
SHOP = World(_shop(), Load(0, 5.0))
LIGHT = [5, 10, 15, 20, 25, 30]

CASES = {
    "three tiers": Case(TIERS, steps(LIGHT), steps([60, 80, 100, 150]), "CPU limit of app"),
    "three tiers, two replicas asked": Case(
        TIERS, steps(LIGHT), steps([60, 90, 120, 200], app=2), "CPU limit of app"
    ),
    "three tiers, far below": Case(TIERS, steps([2, 4, 6, 8, 10]), steps([15, 20, 30, 40]), "nothing"),
    "three tiers, two loads": Case(TIERS, steps([10, 20]), steps([60, 80, 100]), "CPU limit of app"),
    "three tiers, autoscaled": Case(
        TIERS, _scaled([10, 20, 30, 40, 60, 80, 100]), _scaled([150, 200, 300]), "CPU limit of database"
    ),
    "three tiers, no pause": Case(
        replace(TIERS, load=Load(0, 0.0)), steps([1, 2, 3, 4]), steps([8, 12, 20]), "CPU limit of app"
    ),
    "three tiers, knee seen": Case(
        TIERS, steps([10, 25, 40, 55, 70, 100]), steps([30, 85, 150, 250]), "CPU limit of app"
    ),
    "three tiers, bare, knee seen": Case(
        TIERS, steps([10, 25, 40, 55, 70, 100]), steps([30, 85, 150, 250]), "CPU limit of app", BARE
    ),
    "gateway, knee seen": Case(
        GATEWAY, steps([10, 20, 30, 40, 60, 80]), steps([25, 70, 100, 150]), "CPU limit of web"
    ),
    "three tiers, bare": Case(TIERS, steps(LIGHT), steps([60, 80, 100, 150]), "CPU limit of app", BARE),
    "thread pool": Case(POOL, steps([10, 20, 30, 40]), steps([80, 100, 150]), "8 threads of app"),
    "thread pool, knee seen": Case(
        POOL, steps([10, 30, 50, 70, 90, 110]), steps([150, 200, 300]), "8 threads of app"
    ),
    "connections, knee seen": Case(
        CONNECTIONS, steps([10, 20, 40, 60, 80, 100]), steps([150, 200, 300]), "3 connections of database"
    ),
    "lock, knee seen, bare": Case(
        LOCK, steps([5, 15, 30, 45, 60, 75]), steps([100, 150, 250]), "a lock in database", BARE
    ),
    "monolith": Case(MONOLITH, steps([10, 20, 30, 40, 60]), steps([180, 220, 300]), "2 cores", BARE),
    "monolith, knee seen": Case(
        MONOLITH, steps([20, 60, 100, 140, 180, 220, 260]), steps([300, 400, 600]), "2 cores", BARE
    ),
    "monolith, workers, knee seen, no CPU": Case(
        WORKERS, steps([20, 60, 100, 140, 180]), steps([220, 300, 500]), "10 workers", ALL
    ),
    "odd names, no sidecars": Case(
        ODD_NAMES, steps([20, 40, 60, 80]), steps([130, 160, 200, 300]), "CPU limit of Bücher/api"
    ),
    "responses of seconds": Case(SLOW, steps([2, 4, 6, 8, 10]), steps([20, 30, 50]), "CPU limit of report"),
    "responses below 1 ms": Case(FAST, steps([5, 10, 20, 30]), steps([80, 120]), "CPU limit of edge"),
    "eleven services": Case(
        SHOP, steps([100, 200, 300, 400, 500]), steps([1000, 1300, 1700, 2200]), "CPU limit of stock"
    ),
    "a fixed rate": Case(
        replace(TIERS, load=Load(0, stream_rps=1.0)),
        steps([5, 10, 15, 20, 25]),
        steps([35, 45, 55]),
        "nothing",
    ),
    "load generator at its end, seen": Case(
        replace(TIERS, load=Load(0, 1.0, generator_seconds=0.02)),
        steps([10, 20, 30, 40, 60, 80, 120]),
        steps([25, 50, 100, 200]),
        "load generator",
    ),
}


def campaigns(case: Case) -> tuple[Campaign, Campaign]:
    """Both campaigns, without what is not recorded."""
    calls = None if "calls" in case.lacking or len(case.world.servers) == 1 else calls_of(case.world)
    normal, asked = measure(case.world, case.normal, 1), measure(case.world, case.asked, 7)
    asked = asked.assign(**{TIMESTAMP: asked[TIMESTAMP] + 86400.0})
    return Campaign(_record(case, normal), calls), Campaign(_record(case, asked), calls)


def _record(case: Case, rows: pd.DataFrame) -> pd.DataFrame:
    if CPU_USAGE in case.lacking:
        rows = rows.assign(**{CPU_USAGE: np.nan})
    return rows.drop(columns=[column for column in case.lacking if column in rows and column != CPU_USAGE])


def render(name: str, case: Case) -> tuple[str, str]:
    """A line for each of the two tables."""
    normal, asked = campaigns(case)
    folds = split("extrapolation", Request(normal, asked))
    board = score_trials([try_models(folds, ("hybrid", *OTHERS), 0, COVERAGE, lambda _: None)])
    entry = next(iter(case.world.servers))
    found = {model: _errors(result, entry) for model, result in board.models.items()}
    cells = [_against_others({model: errors[row] for model, errors in found.items()}) for row in range(4)]
    hybrid = board.models["hybrid"]
    inside = "/".join(_percent(hybrid.mean[target].coverage) for target in TARGETS)
    scores = f"| {name} | {_span(case.normal)}; {_span(case.asked)} | {' | '.join(cells)} | {inside} |"
    return scores, _estimates(name, case, normal, asked)


def _errors(result: ModelResult, entry: str) -> tuple[float | None, ...]:
    """MAPE of throughput and CPU, means over services, and of the response times of the entry and others."""
    means = (result.mean[target].mape for target in (THROUGHPUT, CPU_USAGE))
    return *means, result.services[entry][RESPONSE_TIME].mape, others_of(result, entry)


def _against_others(errors: Mapping[str, float | None]) -> str:
    """The hybrid's MAPE, and that of the best of the others."""
    others = {model: error for model in OTHERS if (error := errors.get(model)) is not None}
    own = _percent(errors["hybrid"])
    if own == "-" or not others:
        return own
    best = min(others, key=lambda model: others[model])
    return f"{own} ({_percent(others[best])} {OTHERS[best]})"


def _estimates(name: str, case: Case, normal: Campaign, asked: Campaign) -> str:
    """What was estimated beside what is true."""
    found = estimate(normal.measurements, normal.calls)
    entry = next(iter(case.world.servers))
    at_entry = asked.measurements[asked.measurements[SERVICE] == entry]
    highest = at_entry.groupby(USER_COUNT)[THROUGHPUT].mean()
    service, bound = found.bottleneck()
    named = f"{found.levels.services[service]}, {bound:.3g}" if np.isfinite(bound) else "not known"
    if found.drive.behind.any():
        named = f"load generator, {found.drive.most()[0]:.3g}"
    return (
        f"| {name} | {found.think_time.value:.3g} | {_true_pause(case):.3g} | {named} "
        f"| {case.holds} | {highest.max():.3g} |"
    )


def _true_pause(case: Case) -> float:
    load = case.world.load
    return 1 / load.stream_rps if load.stream_rps else load.pause_seconds


def _span(levels: Sequence[Step]) -> str:
    return f"{levels[0].users}-{levels[-1].users}"


def _percent(value: float | None) -> str:
    return (
        "-"
        if value is None or np.isnan(value)
        else f"{100 * value:.0f}"
        if value >= 0.1
        else f"{100 * value:.1f}"
    )


def render_page(names: Sequence[str]) -> Iterator[str]:
    """Both tables."""
    lines = [render(name, CASES[name]) for name in names]
    yield "| application | users | throughput | CPU | entry | others | inside |"
    yield "|---|---|---:|---:|---:|---:|---:|"
    yield from (scores for scores, _ in lines)
    yield ""
    yield "| application | think time, s | true | bottleneck, req/s | held back by | most req/s asked |"
    yield "|---|---:|---:|---|---|---:|"
    yield from (estimates for _, estimates in lines)


def main() -> None:
    """Measure the cases that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", help=f"of {'; '.join(CASES)}; all if none is given")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/independent.md")
    asked = parser.parse_args()
    text = "\n".join(render_page(asked.cases or list(CASES)))
    print(text)
    if asked.write:
        page = put_into(PAGE.read_text(encoding="utf-8"), "independent_systems.py", text)
        write_whole({PAGE: page.encode()})


if __name__ == "__main__":
    main()
