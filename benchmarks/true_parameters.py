"""How much of an error is estimation, how much the formulas, how much the drift: with the truth put in.

    python benchmarks/true_parameters.py

The queueing network is fitted to the simulated campaign at normal load and asked for the overload, first as
estimated, then with the true demands and background CPU: the means of either campaign, and those of each
load. The simulator itself, with all its true parameters but without drift, stands beside it. Prints MAPE in
%, means over services. Takes a minute of CPU time.
"""

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
from knowable import score_means, simulate_without_drift
from numpy.typing import NDArray

from kpp.cli.whatif.files import read_campaign
from kpp.evaluation.leaderboard import ModelResult, score_trials
from kpp.evaluation.request import Request
from kpp.evaluation.splits import split
from kpp.evaluation.trial import try_models
from kpp.queueing.parameters import Parameters, Situations, Solution
from kpp.queueing.system import solve
from kpp.schema import CPU_USAGE, RESPONSE_TIME, SERVICE, THROUGHPUT, USER_COUNT
from kpp.whatif.campaign import levels_of
from kpp.whatif.measured import Measured
from kpp.whatif.models.queueing_network import QueueingNetwork
from kpp.whatif.network.answers import as_targets
from kpp.whatif.scenario import situations_of
from kpp.whatif.situations import arrange_situations

DATA = Path(__file__).parents[1] / "dataset"
APPLICATION = "online_boutique"

Floats = NDArray[np.float64]


def true_demands(name: str, services: tuple[str, ...]) -> pd.DataFrame:
    """CPU seconds of one request, a row for each user count, a column for each service."""
    truth = json.loads((DATA / f"truth_simulated_{name}.json").read_text(encoding="utf-8"))
    rows = {
        load["user_count"]: [load["services"][service]["demand_seconds"] for service in services]
        for part in truth["parts"]
        for load in part["loads"]
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(services))


def true_background(services: tuple[str, ...]) -> Floats:
    """(services,) cores of one replica without requests."""
    truth = json.loads((DATA / "truth_simulated_normal.json").read_text(encoding="utf-8"))
    return np.array([truth["services"][service]["background_cores"] for service in services])


def solve_each(parameters: Parameters, situations: Situations, demands: Floats) -> Solution:
    """Solve every situation with demands of its own, (situations, services)."""

    def pick(row: int) -> Situations:
        return Situations(*(getattr(situations, field.name)[[row]] for field in fields(situations)))

    found = [solve(replace(parameters, demand=own), pick(row)) for row, own in enumerate(demands)]
    return Solution(
        *(np.concatenate([getattr(each, field.name) for each in found]) for field in fields(Solution))
    )


def tell(title: str, result: ModelResult, entry: str) -> None:
    """Print a row."""
    times = {name: scores[RESPONSE_TIME].mape or np.nan for name, scores in result.services.items()}
    others = float(np.mean([value for name, value in times.items() if name != entry]))
    means: Mapping[str, float] = {target: scores.mape or np.nan for target, scores in result.mean.items()}
    cells = [means[THROUGHPUT], means[CPU_USAGE], times[entry], others]
    print(f"| {title} | {' | '.join(f'{100 * cell:.1f}' for cell in cells)} |", flush=True)


def main() -> None:
    """Print the table."""
    tables = [DATA / f"performance_results_simulated_{name}.csv" for name in ("normal", "overload")]
    normal, overload = (read_campaign([path], None, None)[0] for path in tables)
    folds = split("extrapolation", Request(normal, overload))
    trial = try_models(folds, ["hybrid", "queueing"], 0, 0.9)
    board = score_trials([trial])
    model = QueueingNetwork()
    model.fit(normal)
    network = model.network
    services, entry = network.layouts.services, network.layouts.services[network.parameters.entry]
    measured = Measured(levels_of(normal))
    scenario = measured.fill(situations_of(overload.measurements)[0])
    asked = arrange_situations(scenario, network.layouts)
    told = replace(network.parameters, background=true_background(services))
    by_load = true_demands("overload", services)

    print("| demands and background CPU | throughput | CPU | entry | others |\n|---|---:|---:|---:|---:|")
    tell("estimated, hybrid", board.models["hybrid"], entry)
    tell("estimated, formulas alone", board.models["queueing"], entry)
    for title, demands in (
        ("true, mean of normal load", true_demands("normal", services).mean().to_numpy()),
        ("true, mean of the overload", by_load.mean().to_numpy()),
        ("true, at each load", by_load.reindex(asked.situations.user_count).to_numpy()),
    ):
        each = np.broadcast_to(demands, asked.situations.replicas.shape)
        solution = solve_each(told, asked.situations, each)
        points = as_targets(solution, asked, network, scenario.index)
        means = scenario[[SERVICE, USER_COUNT]].join(points)
        tell(title, score_means([trial], means), entry)
    tell(
        "the simulator itself, no drift",
        score_means([trial], simulate_without_drift(overload, APPLICATION)),
        entry,
    )
    tell("noise floor", board.floor, entry)


if __name__ == "__main__":
    main()
