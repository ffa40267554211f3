"""`kpp plan`: how many replicas of which service keep an objective at a load."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kpp.cli.whatif.files import show_notes
from kpp.cli.whatif.progress import progress_bar
from kpp.errors import ConfigError, ShortfallError

if TYPE_CHECKING:
    from kpp.whatif.calibrated import CalibratedModel


def plan(  # noqa: PLR0913 - typer makes an option of each parameter
    *,
    users: Annotated[
        str,
        typer.Option(
            help="User counts: 400, or 100,200, or 100:700:100 (start, end, step).", metavar="USERS"
        ),
    ],
    objective: Annotated[
        list[str],
        typer.Option(
            help="A bound to keep: 'frontend:response-time<=250ms', 'frontend:throughput>=100' or"
            " 'all:cpu<=60%' (of the CPU request). In quotes; several times for several.",
            metavar="SERVICE:WHAT<=VALUE",
        ),
    ],
    replicas: Annotated[
        list[str] | None,
        typer.Option(
            help="Replicas of a service to start with, as NAME=COUNT; others start as measured.",
            metavar="NAME=N",
        ),
    ] = None,
    most: Annotated[
        int, typer.Option(help="Replicas of a service, at most.", metavar="N", min=1, max=1000)
    ] = 20,
    certain: Annotated[
        bool,
        typer.Option("--certain", help="Judge by the far end of the interval, not by the prediction."),
    ] = False,
    coverage: Annotated[
        float, typer.Option(help="Share of minutes that an interval is to hold: 0.5, 0.8, 0.9, 0.95 or 0.99.")
    ] = 0.9,
    think_time: Annotated[
        float | None, typer.Option(help="The users' pause per request, if it changes.", metavar="S", min=0.0)
    ] = None,
    models: Annotated[Path, typer.Option(help="Folder with the models.", metavar="DIR")] = Path("models"),
    model: Annotated[
        str | None, typer.Option(help="Which of them to ask; if not given, the hybrid.", metavar="NAME")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
) -> None:
    """Find how many replicas of which service keep an objective at a load.

    Starts from the measured replicas and adds one where the bottleneck is, until the objective holds or
    nothing more helps. Each step is shown with its prediction, interval, verdict and reason. Exits with 5 if
    an objective cannot be kept.
    """
    from kpp.cli.options import check_coverage, parse_users
    from kpp.cli.whatif.plan_data import as_data
    from kpp.cli.whatif.plan_text import name_objectives, show_plan
    from kpp.whatif.planning.objectives import parse_objective
    from kpp.whatif.planning.planning import find_replicas, spread_over_services
    from kpp.whatif.planning.steps import Question
    from kpp.whatif.registry import DEFAULT_MODEL
    from kpp.whatif.store import read_stored, restore_model

    check_coverage(coverage)
    user_counts = parse_users(users)
    bounds = [parse_objective(text) for text in objective]
    stored = read_stored(models)
    asked = restore_model(models, stored, model or DEFAULT_MODEL)
    objectives = spread_over_services(bounds, asked.services)
    start = _start(asked, replicas or [], most)
    pause = float("nan") if think_time is None else think_time
    plans = []
    with progress_bar("planning") as show:
        for number, count in enumerate(user_counts):
            show(number / len(user_counts), f"planning for {count} users")
            question = Question(objectives, count, most, certain, coverage, pause)
            plans.append(find_replicas(asked, question, start))
    if as_json:
        typer.echo(json.dumps(as_data(asked.model.name, plans, asked.model.notes), indent=2, allow_nan=False))
    else:
        for each in plans:
            show_plan(asked.model.name, each, name_objectives(bounds), _folder(models))
        show_notes(asked.model.notes)
    short = [each for each in plans if not each.reached]
    if short:
        loads = ", ".join(f"{each.question.user_count:g}" for each in short)
        mend = "allow more, start otherwise, or look at what makes it up with `kpp predict --explain`"
        if all(each.foreseen is not None for each in short):
            mend = f"measure a step of {loads} users with the replicas foreseen, and fit again"
        raise ShortfallError(
            f"{name_objectives(bounds)} cannot be kept at {loads} users: {short[0].why}", mend=mend
        )


def _start(asked: "CalibratedModel", texts: list[str], most: int) -> dict[str, int]:
    from kpp.cli.options import parse_replicas
    from kpp.cli.predict import name_services

    start = dict(parse_replicas(text) for text in texts)
    for name, count in start.items():
        if name not in asked.services:
            what = f"--replicas names {name!r}, which was not measured"
            raise ConfigError(what, mend=name_services(name, asked.services))
        if count > most:
            raise ConfigError(
                f"--replicas asks for {count} of {name}, and --most for {most}", mend="raise --most"
            )
    return start


def _folder(models: Path) -> str:
    """For a command that is shown: empty for the usual one."""
    return "" if models == Path("models") else str(models)
