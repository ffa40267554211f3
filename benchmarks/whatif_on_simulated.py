"""How far what-if models foretell overload of applications whose truth is known: the simulator's.

    python benchmarks/whatif_on_simulated.py [CASE ...] [--models hybrid,linear,...] [--seed N] [--write]

A case is an application, measured at normal load, and asked in overload with other replicas and limits: once
from normal load alone, and once with the middle step of the overload learned too, asked for the others. The
true parameters stay with the simulator. Errors are MAPE in %, means over services; the last columns are the
share of rows within the 90 % interval, in %, and the mean width of that over the mean observed value. A
second table tells the share by the distance from the data, for the first model; --write puts it into
docs/what-if.md. Takes some three minutes of CPU time with one model.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from coverage_by_distance import held_by_row, render
from pages import put_into
from simulated_campaigns import Step, run, steps

from kpp.evaluation.leaderboard import score_trials
from kpp.evaluation.request import Request
from kpp.evaluation.splits import split
from kpp.evaluation.trial import try_models
from kpp.files import write_whole
from kpp.schema import (
    CPU_LIMIT,
    CPU_REQUEST,
    CPU_USAGE,
    REPLICAS,
    RESPONSE_TIME,
    SIDECAR_CPU_USAGE,
    THROUGHPUT,
    TIMESTAMP,
    USER_COUNT,
)
from kpp.simulator.application import Application
from kpp.simulator.application_file import read_application
from kpp.whatif.model import Campaign

HERE = Path(__file__).parent
COVERAGE = 0.9
PAGE = HERE.parent / "docs" / "what-if.md"
OVERLOAD_SEED = 499  # after that of normal load


@dataclass(frozen=True)
class Case:
    """What is measured, and what is asked.

    Attributes:
        application: name of a shipped one, or of a file beside this one.
        normal, overload: the levels.
        node_cores: of the only node.
        change: of services, by name: what differs from the file.
        lacking: columns that are not recorded; "calls" is the calls table.
    """

    application: str
    normal: Sequence[Step]
    overload: Sequence[Step]
    node_cores: float = 16.0
    change: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    lacking: Sequence[str] = ()


def _boutique(users: Sequence[int]) -> list[Step]:
    """Replicas grow with the load, and three limits are others than in the manifests."""
    return [
        Step(
            count,
            {"frontend": 2 + (count >= 350), "currencyservice": 2, "productcatalogservice": 2},
            {"frontend": 0.25, "recommendationservice": 0.3, "cartservice": 0.25},
        )
        for count in users
    ]


BOUTIQUE = Case("online_boutique", steps(range(20, 161, 20)), _boutique([250, 300, 350, 400, 500, 600]))
FRONTEND = replace(
    BOUTIQUE,
    overload=[
        Step(
            users,
            {"frontend": 2, "currencyservice": 5, "productcatalogservice": 3, "recommendationservice": 3},
        )
        for users in (300, 350, 400, 450, 500, 600, 700)
    ],
)
THREE = Case(
    "three_tier",
    steps([20, 40, 60, 80, 100, 120]),
    steps([400, 500, 600, 700, 800, 1000], {"web": 1, "api": 3}, api=0.4),
)
MONOLITH = Case("monolith", steps([5, 10, 15, 20, 25]), steps([60, 80, 100, 140, 200], shop=1.5))
CHAIN = Case("chain", steps([20, 40, 60, 80]), steps([140, 160, 180, 220, 300]))
TREE = Case(
    "tree",
    steps([100, 200, 300, 400, 500, 600]),
    steps([1000, 1300, 1600, 2000, 2500], {"portal": 3, "catalog": 3}, index=0.8),
)
CASES = {
    "boutique": BOUTIQUE,
    "boutique, frontend": FRONTEND,
    "boutique, frontend, few cores": replace(FRONTEND, node_cores=4.0),
    "boutique, pods as a whole, no limits": replace(BOUTIQUE, lacking=(SIDECAR_CPU_USAGE, CPU_LIMIT)),
    "boutique, no calls": replace(BOUTIQUE, lacking=("calls",)),
    "three tiers": THREE,
    "three tiers, no replicas, no calls": replace(
        THREE, overload=steps([400, 500, 600, 700, 800, 1000]), lacking=(REPLICAS, "calls")
    ),
    "monolith": MONOLITH,
    "monolith, no CPU": replace(
        MONOLITH, overload=steps([60, 80, 100, 140, 200]), lacking=(CPU_USAGE, SIDECAR_CPU_USAGE, CPU_LIMIT)
    ),
    "chain, one thread": CHAIN,
    "chain, one thread, two workers": replace(
        CHAIN, overload=steps([220, 260, 300, 360, 450], {"worker": 2})
    ),
    "chain, requests in progress": replace(
        CHAIN,
        normal=steps([20, 40, 60, 80]),
        overload=steps([120, 140, 180, 220, 300]),
        change={"gateway": {"workers": 2}},
    ),
    "chain, node": replace(
        CHAIN,
        normal=steps([20, 40, 60, 80]),
        overload=steps([160, 180, 220, 300]),
        node_cores=1.5,
        change={"worker": {"threads": None, "cpu_limit_cores": None}, "gateway": {"cpu_limit_cores": None}},
        lacking=(CPU_LIMIT, CPU_REQUEST),
    ),
    "tree": TREE,
    "tree, pods as a whole, no calls": replace(TREE, lacking=(SIDECAR_CPU_USAGE, "calls")),
}


def application_of(case: Case) -> Application:
    """The case's application with what differs."""
    own = HERE / "applications" / f"{case.application}.yaml"
    application = read_application(str(own) if own.exists() else case.application)
    services = {
        name: replace(service, **case.change.get(name, {})) for name, service in application.services.items()
    }
    return replace(application, services=services)


def measure(case: Case, seed: int) -> tuple[Campaign, Campaign]:
    """Both campaigns, without what is not recorded."""
    application = application_of(case)
    normal, calls = run(application, case.normal, seed, case.node_cores)
    overload, _ = run(application, case.overload, seed + OVERLOAD_SEED, case.node_cores)
    known_calls = None if "calls" in case.lacking or calls.empty else calls
    return (
        Campaign(record(case, normal), known_calls),
        Campaign(record(case, overload.assign(**{TIMESTAMP: overload[TIMESTAMP] + 86400.0})), known_calls),
    )


def record(case: Case, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows as the case's table has them: without a column of their own, sidecars are part of the pod."""
    if SIDECAR_CPU_USAGE in case.lacking:
        rows = rows.assign(**{CPU_USAGE: rows[CPU_USAGE] + rows[SIDECAR_CPU_USAGE]})
    if CPU_USAGE in case.lacking:
        rows = rows.assign(**{CPU_USAGE: np.nan})
    return rows.drop(columns=[column for column in case.lacking if column in rows and column != CPU_USAGE])


def ask(normal: Campaign, overload: Campaign, models: Sequence[str], entry: str, title: str) -> pd.DataFrame:
    """Print a line for each model; and what the intervals of the first held, of `held_by_row`."""
    trial = try_models(split("extrapolation", Request(normal, overload)), models, 0, COVERAGE, lambda _: None)
    board = score_trials([trial])
    for name in models:
        result = board.models.get(name)
        if result is None:
            print(f"| {title} | {name} | {trial.skipped[name]} |")
            continue
        others = [
            scores[RESPONSE_TIME].mape for service, scores in result.services.items() if service != entry
        ]
        cells = [
            result.mean[THROUGHPUT].mape,
            result.mean[CPU_USAGE].mape,
            result.services[entry][RESPONSE_TIME].mape,
            _mean(others),
            *(result.mean[target].coverage for target in (RESPONSE_TIME, THROUGHPUT, CPU_USAGE)),
            *(result.mean[target].width for target in (RESPONSE_TIME, THROUGHPUT, CPU_USAGE)),
        ]
        print(f"| {title} | {name} | {' | '.join(_percent(cell) for cell in cells)} |", flush=True)
    return held_by_row(trial, models[0], entry) if models[0] in trial.predicted else pd.DataFrame()


def middle(levels: Sequence[Step]) -> int:
    """The user count in the middle."""
    return sorted(level.user_count for level in levels)[len(levels) // 2]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def main() -> None:
    """Run the cases that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", help=f"of {'; '.join(CASES)}; all if none is given")
    parser.add_argument("--models", default="hybrid", help="of the registry, separated by commas")
    parser.add_argument("--seed", type=int, default=1, help="of the simulator")
    parser.add_argument("--write", action="store_true", help="the second table into docs/what-if.md")
    asked = parser.parse_args()
    columns = ["throughput", "CPU", "entry RT", "others' RT"]
    columns += [f"{target} {what}" for what in ("in", "width") for target in ("RT", "X", "CPU")]
    print(f"| case | model | {' | '.join(columns)} |")
    print(f"|---|---|{'---:|' * len(columns)}")
    alone, with_step = [], []
    for name in asked.cases or CASES:
        case = CASES[name]
        entry = application_of(case).entry_service
        normal, overload = measure(case, asked.seed)
        models = asked.models.split(",")
        alone.append(ask(normal, overload, models, entry, name))
        rows = overload.measurements
        first = rows[USER_COUNT] == middle(case.overload)
        learned = replace(
            normal, measurements=pd.concat([normal.measurements, rows[first]], ignore_index=True)
        )
        rest = replace(overload, measurements=rows[~first].reset_index(drop=True))
        with_step.append(ask(learned, rest, models, entry, f"{name} + step"))
    table = render(alone, with_step)
    print(f"\n{table}")
    if asked.write:
        page = put_into(PAGE.read_text(encoding="utf-8"), "whatif_on_simulated.py", table)
        write_whole({PAGE: page.encode()})


if __name__ == "__main__":
    main()
