"""Makes the figures of docs/results.md: all what-if models on the questions that matter, and their speed.

    python benchmarks/results.py --normal A.csv --other B.csv [--simulated N.csv --overload O.csv] [--write]

- A is a campaign with many user counts; five inner ones are held out, then all but five.
- B is another campaign of the same application, at loads beyond those of A.
- N and O are simulated campaigns at normal load and in overload, with the calls tables beside them.

Prints the figures, or with --write puts them between the marks in docs/results.md. Takes some minutes.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from kpp.cli.campaign_files import read_campaign
from kpp.evaluation.leaderboard import Leaderboard, ModelResult, score_trials
from kpp.evaluation.request import Request
from kpp.evaluation.splits import Fold, split
from kpp.evaluation.trial import Trial, try_models
from kpp.files import write_whole
from kpp.schema import CPU_USAGE, RESPONSE_TIME, TARGETS, THROUGHPUT, USER_COUNT
from kpp.whatif.calibrated import CalibratedModel
from kpp.whatif.model import Campaign
from kpp.whatif.registry import MODELS, make_model
from kpp.whatif.scenario import make_scenario

PAGE = Path(__file__).parents[1] / "docs" / "results.md"
START, END = "<!-- made by benchmarks/results.py: start -->", "<!-- end -->"
COVERAGE = 0.9
SEEDS = 5
GROUPS = 5  # of user counts, for the comparison with training on all loads
ROWS = 10_000
NAMES = list(MODELS)


@dataclass(frozen=True)
class Files:
    """The campaigns that are asked about."""

    normal: Campaign
    other: Campaign
    simulated: Campaign | None
    overload: Campaign | None
    entry: str


def ask(folds: Sequence[Fold], seed: int = 0, names: Sequence[str] = NAMES) -> Trial:
    """Try the models under the coverage of this page."""
    return try_models(folds, names, seed, COVERAGE)


def inner_loads(files: Files) -> Iterator[str]:
    """Five inner user counts held out: those in the middle, and five times five that are drawn."""
    counts = user_counts(files.normal)
    middle = counts[len(counts) // 2 - 2 : len(counts) // 2 + 3]
    shown = f"{middle[0]:g} to {middle[-1]:g}"
    yield f"## Five inner user counts held out, {shown}"
    yield from leaderboard(
        score_trials([ask(split("interpolation", Request(files.normal, user_counts=middle)))])
    )
    yield f"## Five inner user counts held out, drawn {SEEDS} times"
    trials = [ask(split("interpolation", Request(files.normal, seed=seed)), seed) for seed in range(SEEDS)]
    yield from leaderboard(score_trials(trials))


def another_campaign(files: Files) -> Iterator[str]:
    """Another day, higher loads, other replicas."""
    counts = user_counts(files.other)
    yield f"## Another campaign, {counts[0]:g} to {counts[-1]:g} users"
    yield from leaderboard(score_trials([ask(split("extrapolation", Request(files.normal, files.other)))]))


def few_loads(files: Files) -> Iterator[str]:
    """Five user counts learned, against all but a tenth of them learned."""
    (few,) = split("few-loads", Request(files.normal))
    asked = sorted(set(few.test[USER_COUNT]))
    groups = [asked[start::GROUPS] for start in range(GROUPS)]
    many = [
        fold for group in groups for fold in split("interpolation", Request(files.normal, user_counts=group))
    ]
    yield f"## Five of the {len(user_counts(files.normal))} user counts learned, the others asked for"
    yield from leaderboard(score_trials([ask([few])]))
    boards = [score_trials([ask(folds, names=["hybrid"])]) for folds in ([few], many)]
    yield "The hybrid beside one that learned four fifths of the others too:"
    yield ""
    yield "| | response time | throughput | CPU |\n|---|---:|---:|---:|"
    for label, board in zip(("five learned", "all but a fifth learned"), boards, strict=True):
        mean = board.models["hybrid"].mean
        yield f"| {label} | {' | '.join(percent(mean[target].mape) for target in TARGETS)} |"
    yield ""


def overload(files: Files) -> Iterator[str]:
    """A simulated overload: asked from normal load, and once one overloaded step is known."""
    if files.simulated is None or files.overload is None:
        return
    first = user_counts(files.overload)[0]
    rows = files.overload.measurements
    known = pd.concat([files.simulated.measurements, rows[rows[USER_COUNT] == first]], ignore_index=True)
    later = replace(files.overload, measurements=rows[rows[USER_COUNT] != first].reset_index(drop=True))
    with_step = Request(replace(files.simulated, measurements=known), later)
    for title, request in (
        ("A simulated overload, asked from normal load", Request(files.simulated, files.overload)),
        (f"The same, with the step of {first:g} users learned too", with_step),
    ):
        board = score_trials([ask(split("extrapolation", request))])
        yield f"## {title}"
        yield from leaderboard(board)
        yield "| response time, MAPE in % | entry service | mean of the others |\n|---|---:|---:|"
        for name, result in board.models.items():
            yield f"| {name} | {entry_and_others(result, files.entry)} |"
        yield ""


def entry_and_others(result: ModelResult, entry: str) -> str:
    """Errors of response time at the entry service, and the mean of the others."""
    others = [scores[RESPONSE_TIME].mape for name, scores in result.services.items() if name != entry]
    known = [value for value in others if value is not None]
    mine = percent(result.services[entry][RESPONSE_TIME].mape)
    return f"{mine} | {percent(float(np.mean(known)) if known else None)}"


def durations(files: Files) -> Iterator[str]:
    """CPU seconds of fitting and of predicting."""
    services = sorted(files.normal.measurements["Service"].unique())
    scenario = make_scenario(services, range(1, 1 + ROWS // len(services)), {}, float("nan"))
    yield f"## CPU seconds, {len(services)} services, {len(files.normal.measurements)} rows"
    yield f"| model | fit | fit and calibrate | predict {len(scenario)} rows |\n|---|---:|---:|---:|"
    total = 0.0
    for name in NAMES:
        start = time.process_time()
        make_model(name).fit(files.normal)
        fitted = time.process_time()
        model = CalibratedModel.fit(partial(make_model, name), files.normal)
        calibrated = time.process_time()
        model.predict(scenario)
        predicted = time.process_time()
        total += calibrated - fitted
        yield f"| {name} | {fitted - start:.2f} | {calibrated - fitted:.2f} | {predicted - calibrated:.2f} |"
    yield f"| all | | {total:.1f} | |"
    yield ""


def leaderboard(board: Leaderboard) -> Iterator[str]:
    """Models as rows: MAPE in %, and the share of rows within the interval."""
    yield ""
    yield "MAPE in %, means over services; in brackets the share of rows within the 90 % interval, in %."
    yield ""
    yield "| model | response time | throughput | CPU | F1 of the class |\n|---|---:|---:|---:|---:|"
    for name, result in {**board.models, "*noise floor*": board.floor}.items():
        cells = []
        for target in (RESPONSE_TIME, THROUGHPUT, CPU_USAGE):
            scores = result.mean[target]
            covered = "" if scores.coverage is None else f" ({100 * scores.coverage:.0f})"
            cells.append(percent(scores.mape) + covered)
        f1 = "" if result.classes is None else f"{result.classes.weighted.f1:.2f}"
        yield f"| {name} | {' | '.join(cells)} | {f1} |"
    yield ""


def percent(ratio: float | None) -> str:
    """In percent, a dash for None."""
    return "-" if ratio is None else f"{100 * ratio:.1f}"


def user_counts(campaign: Campaign) -> list[float]:
    """In order."""
    return sorted(float(count) for count in campaign.measurements[USER_COUNT].unique())


def put_into(page: str, text: str) -> str:
    """The page with everything between the marks replaced."""
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n\n{text.strip()}\n\n{END}{after}"


def main() -> None:
    """Read, ask, print or write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, required in (("normal", True), ("other", True), ("simulated", False), ("overload", False)):
        parser.add_argument(f"--{name}", type=Path, required=required, metavar="CSV")
    parser.add_argument("--cpu-limits", type=Path, metavar="CSV", help="of the measured campaigns, if known")
    parser.add_argument("--entry", default="frontend", help="the service that users call")
    parser.add_argument("--write", action="store_true", help="into docs/results.md")
    asked = parser.parse_args()
    read = [
        None if path is None else read_campaign([path], None, limits)[0]
        for path, limits in (
            (asked.normal, asked.cpu_limits),
            (asked.other, asked.cpu_limits),
            (asked.simulated, None),
            (asked.overload, None),
        )
    ]
    normal, other, simulated, overloaded = read
    assert normal is not None
    assert other is not None
    files = Files(normal, other, simulated, overloaded, asked.entry)
    lines: list[str] = []
    for part in (inner_loads, another_campaign, few_loads, overload, durations):
        for line in part(files):
            print(line, flush=True)
            lines.append(line)
    if asked.write:
        write_whole({PAGE: put_into(PAGE.read_text(encoding="utf-8"), "\n".join(lines)).encode()})


if __name__ == "__main__":
    main()
