"""What is left of the errors in overload where demands are steady: estimates and formulas, without drift.

    python benchmarks/steady_demands.py [CASE…] [--seeds N] [--models hybrid,queueing] [--services]

The CPU time of requests drifts in the shipped simulated campaigns, and sets a floor that no model can pass
(docs/adr/0055). Here it does not: the loads of the shipped campaigns, and the cases of
`whatif_on_simulated.py`, are simulated with steady demands, with seeds of their own for normal load and for
overload. Each is asked for the overload, then with one overloaded step learned. Prints MAPE in %, means over
services, and the noise floor; with --services the response times of each service. Takes some four minutes of
CPU time for each seed.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from knowable import APART, a_day_later, both_without_drift
from results_table import others_of, step_of_overload
from simulated_campaigns import run, without_drift
from whatif_on_simulated import CASES, Case, application_of, middle, record

from kpp.cli.whatif.files import read_campaign
from kpp.evaluation.leaderboard import Leaderboard, ModelResult, score_trials
from kpp.evaluation.request import Request
from kpp.evaluation.splits import split
from kpp.evaluation.trial import try_models
from kpp.schema import CPU_USAGE, RESPONSE_TIME, THROUGHPUT, USER_COUNT
from kpp.whatif.model import Campaign

DATA = Path(__file__).parents[1] / "dataset"
SHIPPED, APPLICATION, ENTRY = "as shipped", "online_boutique", "frontend"
COVERAGE = 0.9
FIRST_SEED = 3000
LEFT_OUT = {"monolith, no CPU", "chain, requests in progress", "chain, node"}  # nothing to know them by


def measure(name: str, seed: int) -> tuple[Campaign, Campaign, str, float]:
    """Normal load, overload, the entry service, and the user count of the step that is learned."""
    if name == SHIPPED:
        normal, overload = (
            read_campaign([DATA / f"performance_results_simulated_{part}.csv"], None, None)[0]
            for part in ("normal", "overload")
        )
        step = step_of_overload(normal, overload, ENTRY)
        return *both_without_drift(normal, overload, APPLICATION, (seed, seed + APART)), ENTRY, step
    case = CASES[name]
    return *_measure_case(case, seed), application_of(case).entry_service, float(middle(case.overload))


def _measure_case(case: Case, seed: int) -> tuple[Campaign, Campaign]:
    application = without_drift(application_of(case))
    normal, calls = run(application, case.normal, seed, case.node_cores)
    overload, _ = run(application, case.overload, seed + APART, case.node_cores)
    known = None if "calls" in case.lacking or calls.empty else calls
    return Campaign(record(case, normal), known), a_day_later(Campaign(record(case, overload), known))


def learn_step(normal: Campaign, overload: Campaign, users: float) -> tuple[Campaign, Campaign]:
    """One load of the overload is learned beside normal load, and the others asked for."""
    rows = overload.measurements
    step = rows[USER_COUNT] == users
    known = pd.concat([normal.measurements, rows[step]], ignore_index=True)
    return (
        replace(normal, measurements=known),
        replace(overload, measurements=rows[~step].reset_index(drop=True)),
    )


def ask(normal: Campaign, overload: Campaign, models: Sequence[str]) -> Leaderboard:
    """Score the models on the overload."""
    return score_trials(
        [try_models(split("extrapolation", Request(normal, overload)), models, 0, COVERAGE, lambda _: None)]
    )


def tell(title: str, board: Leaderboard, entry: str, by_service: bool) -> Iterator[str]:
    """A line for each model and the noise floor, and below it the response times of the services."""
    results = {**board.models, "noise floor": board.floor}
    for name, result in results.items():
        times = result.services[entry][RESPONSE_TIME].mape
        cells = [result.mean[THROUGHPUT].mape, result.mean[CPU_USAGE].mape, times, others_of(result, entry)]
        yield f"| {title} | {name} | {' | '.join(_percent(cell) for cell in cells)} |"
    if by_service:
        for service in sorted(board.floor.services):
            found = [_percent(_of_service(result, service)) for result in results.values()]
            yield f"| {title} | {service} | {' / '.join(found)} ||||"


def _of_service(result: ModelResult, service: str) -> float | None:
    return result.services[service][RESPONSE_TIME].mape


def _percent(value: float | None) -> str:
    return "-" if value is None or np.isnan(value) else f"{100 * value:.1f}"


def main() -> None:
    """Measure and ask the cases that are named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [SHIPPED, *(name for name in CASES if name not in LEFT_OUT)]
    parser.add_argument("cases", nargs="*", help=f"of {'; '.join(names)}; all if none is given")
    parser.add_argument("--seeds", type=int, default=1, help="how many simulations of each case")
    parser.add_argument("--models", default="hybrid,queueing", help="of the registry, separated by commas")
    parser.add_argument("--services", action="store_true", help="the response times of each service too")
    asked = parser.parse_args()
    print("| case | model | throughput | CPU | entry RT | others' RT |\n|---|---|---:|---:|---:|---:|")
    for name in asked.cases or names:
        for number in range(asked.seeds):
            normal, overload, entry, step = measure(name, FIRST_SEED + number)
            known, rest = learn_step(normal, overload, step)
            models = asked.models.split(",")
            for title, pair in ((name, (normal, overload)), (f"{name} + step", (known, rest))):
                for line in tell(title, ask(*pair, models), entry, asked.services):
                    print(line, flush=True)


if __name__ == "__main__":
    main()
