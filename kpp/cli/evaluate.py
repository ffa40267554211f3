"""`kpp evaluate`: the leaderboard of the what-if models on measurements that are held out."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from kpp import __version__
from kpp.cli.options import Calls, CpuLimits, check_coverage, check_folder, parse_users
from kpp.cli.whatif.files import read_campaign, show_notes
from kpp.cli.whatif.progress import progress_bar
from kpp.errors import InputError
from kpp.files import make_directory, write_whole

if TYPE_CHECKING:
    from kpp.evaluation.leaderboard import Leaderboard
    from kpp.evaluation.trial import Trial
    from kpp.whatif.model import Campaign

SPLIT_HELP = (
    "How to hold out: interpolation (inner user counts), extrapolation (--test, else the highest loads),"
    " merged, stratified, leave-one-load-out, unseen-replicas or few-loads (keep a few). If not given:"
    " extrapolation with --test, interpolation without."
)


def evaluate(  # noqa: PLR0913 - typer makes an option of each parameter
    *,
    train: Annotated[
        list[Path], typer.Option(help="Tables of measurements to learn from.", metavar="CSV...")
    ],
    test: Annotated[
        list[Path] | None,
        typer.Option(help="Tables of another campaign, to ask for.", metavar="CSV..."),
    ] = None,
    split: Annotated[str | None, typer.Option(help=SPLIT_HELP, metavar="NAME", show_default=False)] = None,
    models: Annotated[
        str, typer.Option(help="Models, with commas between, or all.", metavar="NAMES")
    ] = "all",
    count: Annotated[
        int | None,
        typer.Option(help="How many user counts to hold out (few-loads: to keep).", metavar="N", min=1),
    ] = None,
    user_counts: Annotated[
        str | None,
        typer.Option(
            help="Which user counts to hold out (few-loads: to keep): 80,90, or 100:300:50.", metavar="USERS"
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(help="Repeat with so many seeds, and tell the spread.", metavar="N", min=1)
    ] = 1,
    coverage: Annotated[
        float, typer.Option(help="Share of minutes that an interval is to hold: 0.5, 0.8, 0.9, 0.95 or 0.99.")
    ] = 0.9,
    cpu_limits: CpuLimits = None,
    calls: Calls = None,
    plots: Annotated[Path | None, typer.Option(help="Draw plots into this folder.", metavar="DIR")] = None,
    as_json: Annotated[
        Path | None, typer.Option("--json", help="Write all scores as JSON; - for stdout.", metavar="FILE")
    ] = None,
) -> None:
    """Hold measurements out, ask every model for them, and print the leaderboard.

    Errors are means over services. The noise floor beside them is what no model of the load can beat: the
    best constant for each service and user count, fitted on the very rows that it is scored on.
    """
    from kpp.cli.whatif.leaderboard_text import render_leaderboard
    from kpp.evaluation.leaderboard import score_trials
    from kpp.evaluation.request import Request
    from kpp.evaluation.trial import try_seeds
    from kpp.whatif.registry import pick_names

    check_coverage(coverage)
    names = pick_names(models)
    loads = parse_users(user_counts) if user_counts is not None else ()
    name = split or ("extrapolation" if test else "interpolation")
    learned, asked = (_read(files, calls, cpu_limits) for files in (train, test))
    if plots is not None:  # what cannot be written is told before anything that takes long
        make_directory(plots)
    if as_json is not None:
        check_folder(as_json)
    assert learned is not None
    request = Request(learned, asked, count=count, user_counts=loads)
    with progress_bar("splitting") as show:
        trials = try_seeds(
            name, request, names, seeds, coverage, lambda share, model: show(share, f"fitting {model}")
        )
        show(1.0, "scoring")
        board = score_trials(trials)
    if not board.models:
        reasons = "; ".join(f"{model}: {reason}" for model, reason in board.skipped.items())
        raise InputError(f"no model could be fitted: {reasons}", mend="measure more loads")

    title = f"{name}: {describe_folds(trials[0])}"
    if str(as_json) != "-":
        for line in render_leaderboard(title, trials[0], board, coverage, Console().width):
            typer.echo(line)
    if as_json is not None:
        files = {"train": [str(path) for path in train], "test": [str(path) for path in test or ()]}
        _write_json(as_json, {**files, **as_data(name, trials, board, coverage)})
    if plots is not None:
        _draw_all(plots, name, title, trials[0], board, coverage)


def _read(files: list[Path] | None, calls: Path | None, cpu_limits: Path | None) -> "Campaign | None":
    """A campaign, if files are named; what reading did is told on stderr."""
    if not files:
        return None
    campaign, notes = read_campaign(files, calls, cpu_limits)
    show_notes(notes)
    return campaign


def describe_folds(trial: "Trial") -> str:
    """What was held out, in few words."""
    folds = trial.folds
    return folds[0].label if len(folds) == 1 else f"{len(folds)} folds, {folds[0].label} to {folds[-1].label}"


def as_data(split: str, trials: "Sequence[Trial]", board: "Leaderboard", coverage: float) -> dict[str, Any]:
    """All scores as plain data: errors in own units, ratios from 0, None where nothing can be scored."""
    return {
        "kpp_version": __version__,
        "split": split,
        "folds": [[fold.label for fold in trial.folds] for trial in trials],
        "seeds": len(trials),
        "coverage": coverage,
        "rows": [len(trial.observed) for trial in trials],
        "models": {name: asdict(result) for name, result in board.models.items()},
        "noise_floor": asdict(board.floor),
        "skipped": dict(board.skipped),
    }


def _write_json(path: Path, data: dict[str, Any]) -> None:
    text = json.dumps(data, indent=2, allow_nan=False) + "\n"
    if str(path) == "-":
        typer.echo(text, nl=False)
    else:
        write_whole({path: text.encode()})


def _draw_all(
    folder: Path, split: str, title: str, trial: "Trial", board: "Leaderboard", coverage: float
) -> None:
    """One plot of each service, and one of the largest together."""
    from kpp.evaluation.pictures import largest, picture_trial
    from kpp.evaluation.plots import MOST_ROWS, draw
    from kpp.whatif.registry import DEFAULT_MODEL

    best = DEFAULT_MODEL if DEFAULT_MODEL in board.models else next(iter(board.models))
    pictures = picture_trial(trial, best)
    with progress_bar("drawing") as show:
        if len(pictures) > 1:
            together = largest(pictures, MOST_ROWS)
            write_whole({folder / f"evaluation_{split}.png": draw(together, title, coverage)})
        for number, picture in enumerate(pictures):
            show(number / len(pictures), f"drawing {picture.service}")
            path = folder / f"evaluation_{split}_{picture.service}.png"
            write_whole({path: draw([picture], title, coverage)})
    left = len(pictures) - MOST_ROWS
    more = f"; evaluation_{split}.png shows the {MOST_ROWS} services that use the most" if left > 0 else ""
    typer.echo(f"\nPlots are in {folder}{more}.", err=True)
