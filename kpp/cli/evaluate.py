"""`kpp evaluate`: the leaderboard of the what-if models on measurements that are held out."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from kpp.cli.campaign_files import read_campaign
from kpp.errors import ConfigError
from kpp.files import make_directory, write_whole

if TYPE_CHECKING:
    from kpp.evaluation.leaderboard import Leaderboard
    from kpp.evaluation.splits import Request
    from kpp.evaluation.trial import Trial

SPLIT_HELP = (
    "How to hold out: interpolation (inner user counts), extrapolation (--test, else the highest loads),"
    " merged, stratified, leave-one-load-out, unseen-replicas or few-loads (keep a few)."
)


def evaluate(  # noqa: PLR0913 - each parameter is an option
    *,
    train: Annotated[
        list[Path], typer.Option(help="Table of measurements to learn from; may be repeated.", metavar="CSV")
    ],
    split: Annotated[str, typer.Option(help=SPLIT_HELP, metavar="NAME")],
    test: Annotated[
        list[Path] | None,
        typer.Option(help="Table to ask for, of another campaign; may be repeated.", metavar="CSV"),
    ] = None,
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
    cpu_limits: Annotated[
        Path | None,
        typer.Option(help="CPU limits where the tables have none: Service,CPU Limit in cores of a replica."),
    ] = None,
    calls: Annotated[
        Path | None,
        typer.Option(help="Who calls whom: Caller,Callee,Calls; if not given, what lies beside the tables."),
    ] = None,
    plots: Annotated[Path | None, typer.Option(help="Draw plots into this folder.", metavar="DIR")] = None,
    as_json: Annotated[
        Path | None, typer.Option("--json", help="Write all scores as JSON; - for stdout.", metavar="FILE")
    ] = None,
) -> None:
    """Hold measurements out, ask every model for them, and print the leaderboard.

    Errors are means over services. The noise floor beside them is what no model of the load can beat: the
    best constant for each service and user count, fitted on the very rows that it is scored on.
    """
    from kpp.cli.leaderboard_text import render_leaderboard
    from kpp.cli.options import check_coverage, parse_users
    from kpp.evaluation.leaderboard import score_trials
    from kpp.evaluation.splits import Request
    from kpp.whatif.registry import pick_names

    check_coverage(coverage)
    names = pick_names(models)
    learned, notes = read_campaign(train, calls, cpu_limits)
    asked, more_notes = read_campaign(test, calls, cpu_limits) if test else (None, ())
    for note in dict.fromkeys([*notes, *more_notes]):
        typer.echo(note, err=True)
    request = Request(
        learned, asked, count=count, user_counts=parse_users(user_counts) if user_counts else ()
    )
    trials = _try_all(split, request, names, seeds, coverage)
    board = score_trials(trials)
    if not board.models:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in board.skipped.items())
        raise ConfigError(f"no model could be fitted: {reasons}", mend="measure more loads")

    title = f"{split}: {describe_folds(trials[0])}"
    if as_json is not None:
        text = json.dumps(as_data(split, trials, board, coverage), indent=2, allow_nan=False) + "\n"
        if str(as_json) == "-":
            typer.echo(text, nl=False)
        else:
            write_whole({as_json: text.encode()})
    if str(as_json) != "-":
        for line in render_leaderboard(title, trials[0], board, coverage):
            typer.echo(line)
    if plots is not None:
        _draw_all(plots, split, title, trials[0], board, coverage)
        typer.echo(f"\nPlots are in {plots}.", err=True)


def _try_all(
    split_name: str, request: "Request", names: Sequence[str], seeds: int, coverage: float
) -> "list[Trial]":
    """One trial for each seed, under a progress bar on stderr."""
    from dataclasses import replace

    from kpp.evaluation.splits import split
    from kpp.evaluation.trial import try_models

    splits = [split(split_name, replace(request, seed=seed)) for seed in range(seeds)]
    columns = (TextColumn("fitting"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=sum(len(folds) for folds in splits) * len(names))
        return [
            try_models(folds, names, seed, coverage, lambda: bar.advance(task))
            for seed, folds in enumerate(splits)
        ]


def describe_folds(trial: "Trial") -> str:
    """What was held out, in few words."""
    folds = trial.folds
    return folds[0].label if len(folds) == 1 else f"{len(folds)} folds, {folds[0].label} to {folds[-1].label}"


def as_data(split: str, trials: "Sequence[Trial]", board: "Leaderboard", coverage: float) -> dict[str, Any]:
    """All scores as plain data: errors in own units, ratios from 0, None where nothing can be scored."""
    return {
        "split": split,
        "folds": [[fold.label for fold in trial.folds] for trial in trials],
        "seeds": len(trials),
        "coverage": coverage,
        "rows": [len(trial.observed) for trial in trials],
        "models": {name: asdict(result) for name, result in board.models.items()},
        "noise_floor": asdict(board.floor),
        "skipped": dict(board.skipped),
    }


def _draw_all(
    folder: Path, split: str, title: str, trial: "Trial", board: "Leaderboard", coverage: float
) -> None:
    """One plot of each service, and one of all."""
    from kpp.evaluation.pictures import picture_trial
    from kpp.evaluation.plots import draw
    from kpp.whatif.registry import DEFAULT_MODEL

    make_directory(folder)
    best = DEFAULT_MODEL if DEFAULT_MODEL in board.models else next(iter(board.models))
    pictures = picture_trial(trial, best)
    contents = {
        folder / f"evaluation_{split}_{picture.service}.png": draw([picture], title, coverage)
        for picture in pictures
    }
    if len(pictures) > 1:
        contents[folder / f"evaluation_{split}.png"] = draw(pictures, title, coverage)
    write_whole(contents)
