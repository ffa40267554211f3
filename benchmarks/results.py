"""Makes the figures and pictures of docs/results.md: what-if models on the questions that matter.

    python benchmarks/results.py --normal A.csv --other B.csv [--write]

- A is a campaign with many user counts; five inner ones are held out, then all but five.
- B is another campaign of the same application, at loads beyond those of A.
- The simulated campaigns at normal load and in overload are those of dataset/, unless others are named, and
  the application that they are of.

Prints the page, the targets first; with --write puts it between the marks in docs/results.md, and pictures
into docs/images. Some six minutes of CPU time; what is being done is told on stderr.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pandas as pd
from knowable import APART, SEED, best_smooth, both_without_drift, means_of, score_means
from pages import put_into
from results_board import percent, render_board
from results_table import SIMULATOR, SMOOTH, Boards, render_targets, step_of_overload

from kpp.cli.whatif.files import read_campaign
from kpp.evaluation.leaderboard import Leaderboard, score_trials
from kpp.evaluation.pictures import picture_trial
from kpp.evaluation.plots import draw
from kpp.evaluation.request import Request
from kpp.evaluation.splits import split
from kpp.evaluation.trial import Trial, try_models, try_seeds
from kpp.files import write_whole
from kpp.schema import CPU_LIMIT, REPLICAS, SERVICE, TARGETS, USER_COUNT
from kpp.whatif.calibrated import CalibratedModel
from kpp.whatif.model import Campaign
from kpp.whatif.registry import MODELS, make_model
from kpp.whatif.scenario import make_scenario

ROOT = Path(__file__).parents[1]
PAGE, IMAGES = ROOT / "docs" / "results.md", ROOT / "docs" / "images"
SIMULATED = ROOT / "dataset" / "performance_results_simulated_normal.csv"
OVERLOAD = ROOT / "dataset" / "performance_results_simulated_overload.csv"
COVERAGE = 0.9
SEEDS = 5
SIMULATIONS = 3  # without drift
GROUPS = 5  # of user counts, for the comparison with training on all loads
ROWS = 10_000
NAMES = list(MODELS)
OURS_ALONE = ("hybrid", "queueing")


@dataclass(frozen=True)
class Files:
    """The campaigns that are asked about, and the service that users call."""

    normal: Campaign
    other: Campaign
    simulated: Campaign
    overload: Campaign
    application: str
    entry: str


def ask(name: str, request: Request, seeds: int = 1, names: Sequence[str] = NAMES) -> list[Trial]:
    """Try the models under the coverage of this page."""
    print(f"  {name}", file=sys.stderr, flush=True)
    return try_seeds(name, request, names, seeds, COVERAGE, lambda _share, _name: None)


def learned_widely(files: Files) -> Leaderboard:
    """The hybrid, asked for what `few-loads` asks for, a fifth of it at a time, after learning the rest."""
    (few,) = split("few-loads", Request(files.normal))
    asked = sorted(set(few.test[USER_COUNT]))
    groups = [asked[start::GROUPS] for start in range(GROUPS)]
    folds = [
        fold for group in groups for fold in split("interpolation", Request(files.normal, user_counts=group))
    ]
    return score_trials([try_models(folds, ["hybrid"], 0, COVERAGE)])


def with_step(files: Files) -> Request:
    """One overloaded step is learned beside normal load, and the rest of the overload asked for."""
    step = step_of_overload(files.simulated, files.overload, files.entry)
    rows = files.overload.measurements
    known = pd.concat([files.simulated.measurements, rows[rows[USER_COUNT] == step]], ignore_index=True)
    rest = replace(files.overload, measurements=rows[rows[USER_COUNT] != step].reset_index(drop=True))
    return Request(replace(files.simulated, measurements=known), rest)


def same_layout(files: Files) -> Campaign:
    """The loads of the overload at which all services were laid out as at the highest normal load."""

    def layouts(rows: pd.DataFrame) -> pd.DataFrame:
        medians = rows.groupby([USER_COUNT, SERVICE])[[REPLICAS, CPU_LIMIT]].median()
        return medians.reset_index().pivot_table(
            index=USER_COUNT, columns=SERVICE, values=[REPLICAS, CPU_LIMIT]
        )

    rows = files.overload.measurements
    usual, found = layouts(files.simulated.measurements).iloc[-1], layouts(rows)
    same = found.index[found.eq(usual[found.columns]).all(axis="columns")]
    return replace(files.overload, measurements=rows[rows[USER_COUNT].isin(same)].reset_index(drop=True))


def without_drift(files: Files) -> list[Files]:
    """The simulated campaigns once more with steady demands, several times: chance is in each of them."""
    seeds = [(SEED + APART + number, SEED + number) for number in range(SIMULATIONS)]
    pairs = [both_without_drift(files.simulated, files.overload, files.application, each) for each in seeds]
    return [replace(files, simulated=usual, overload=overload) for usual, overload in pairs]


def ask_ours(requests: Sequence[Request]) -> Leaderboard:
    """The mean over requests."""
    return score_trials(
        [trial for request in requests for trial in ask("extrapolation", request, names=OURS_ALONE)]
    )


def ask_all(files: Files) -> tuple[Boards, dict[str, bytes]]:
    """All leaderboards of the page, and the pictures by name."""
    counts = user_counts(files.normal)
    middle = counts[len(counts) // 2 - 2 : len(counts) // 2 + 3]
    other = ask("extrapolation", Request(files.normal, files.other))
    inner = {
        "middle": ask("interpolation", Request(files.normal, user_counts=middle)),
        "drawn": ask("interpolation", Request(files.normal), seeds=SEEDS),
    }
    overload = {
        "overload": ask("extrapolation", Request(files.simulated, files.overload)),
        "step": ask("extrapolation", with_step(files)),
    }
    print("  the simulator itself", file=sys.stderr, flush=True)
    steady = without_drift(files)
    means = means_of(steady[0].overload)
    boards = Boards(
        middle=score_trials(inner["middle"]),
        inner=score_trials(inner["drawn"]),
        other=score_trials(other),
        few=score_trials(ask("few-loads", Request(files.normal))),
        many=learned_widely(files),
        overload=score_trials(overload["overload"]),
        step=score_trials(overload["step"]),
        steady=ask_ours([Request(each.simulated, each.overload) for each in steady]),
        steady_step=ask_ours([with_step(each) for each in steady]),
        smooth={name: best_smooth(trials, files.normal) for name, trials in inner.items()},
        simulator={name: score_means(trials, means) for name, trials in overload.items()},
        entry=files.entry,
        middle_counts=middle,
    )
    (drawn,) = ask("extrapolation", Request(files.simulated, same_layout(files)))
    most = f"{user_counts(files.simulated)[-1]:g} users"
    titles = {
        "whatif_overload": (drawn, f"learned up to {most}, asked for an overload (simulated cluster)"),
        "whatif_measured": (other[0], "learned from one campaign, asked for another (real cluster)"),
    }
    pictures = {}
    for name, (trial, title) in titles.items():
        own = [picture for picture in picture_trial(trial, "hybrid") if picture.service == files.entry]
        pictures[name] = draw(own, title, COVERAGE)
    return boards, pictures


def render_page(files: Files, boards: Boards) -> Iterator[str]:
    """The targets, then each leaderboard."""
    yield from render_targets(boards)
    middle, counts = boards.middle_counts, user_counts(files.other)
    yield f"## Five inner user counts held out, {middle[0]:g} to {middle[-1]:g}"
    yield from render_board(boards.middle, references={SMOOTH: boards.smooth["middle"]})
    yield f"## Five inner user counts held out, drawn {SEEDS} times"
    yield from render_board(boards.inner, references={SMOOTH: boards.smooth["drawn"]})
    yield f"## Another campaign, {counts[0]:g} to {counts[-1]:g} users"
    yield from render_board(boards.other)
    yield f"## Five of the {len(user_counts(files.normal))} user counts learned, the others asked for"
    yield from render_board(boards.few)
    yield "The hybrid beside one that learned four fifths of the others too:"
    yield "\n| | response time | throughput | CPU |\n|---|---:|---:|---:|"
    for label, board in (("five learned", boards.few), ("all but a fifth learned", boards.many)):
        mean = board.models["hybrid"].mean
        yield f"| {label} | {' | '.join(percent(mean[target].mape) for target in TARGETS)} |"
    yield ""
    step = step_of_overload(files.simulated, files.overload, files.entry)
    yield "## A simulated overload, asked from normal load"
    yield from render_board(boards.overload, files.entry, {SIMULATOR: boards.simulator["overload"]})
    yield f"## The same, with the step of {step:g} users learned too"
    yield from render_board(boards.step, files.entry, {SIMULATOR: boards.simulator["step"]})
    yield f"## The same application without drift, simulated {SIMULATIONS} times"
    yield from render_board(boards.steady, files.entry)
    yield "## The same without drift, with an overloaded step learned too"
    yield from render_board(boards.steady_step, files.entry)
    yield from durations(files)


def durations(files: Files) -> Iterator[str]:
    """CPU seconds of fitting and of predicting."""
    services = sorted(files.normal.measurements[SERVICE].unique())
    scenario = make_scenario(services, range(1, 1 + ROWS // len(services)), {}, float("nan"))
    yield f"## CPU seconds, {len(services)} services, {len(files.normal.measurements)} rows"
    yield f"\n| model | fit | fit and calibrate | predict {len(scenario)} rows |\n|---|---:|---:|---:|"
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
    yield f"| all | | {total:.1f} | |\n"


def user_counts(campaign: Campaign) -> list[float]:
    """In order."""
    return sorted(float(count) for count in campaign.measurements[USER_COUNT].unique())


def main() -> None:
    """Read, ask, print or write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--normal", type=Path, required=True, metavar="CSV")
    parser.add_argument("--other", type=Path, required=True, metavar="CSV")
    parser.add_argument("--simulated", type=Path, default=SIMULATED, metavar="CSV")
    parser.add_argument("--overload", type=Path, default=OVERLOAD, metavar="CSV")
    parser.add_argument("--application", default="online_boutique", help="of the simulated campaigns")
    parser.add_argument("--cpu-limits", type=Path, metavar="CSV", help="of the measured campaigns, if known")
    parser.add_argument("--entry", default="frontend", help="the service that users call")
    parser.add_argument("--write", action="store_true", help="into docs/results.md and docs/images")
    asked = parser.parse_args()
    normal, other = (read_campaign([path], None, asked.cpu_limits)[0] for path in (asked.normal, asked.other))
    simulated, overload = (read_campaign([path], None, None)[0] for path in (asked.simulated, asked.overload))
    files = Files(normal, other, simulated, overload, asked.application, asked.entry)

    boards, pictures = ask_all(files)
    lines = []
    for line in render_page(files, boards):
        print(line, flush=True)
        lines.append(line)
    if asked.write:
        page = put_into(PAGE.read_text(encoding="utf-8"), "results.py", "\n".join(lines))
        images = {IMAGES / f"{name}.png": content for name, content in pictures.items()}
        write_whole({PAGE: page.encode(), **images})


if __name__ == "__main__":
    main()
