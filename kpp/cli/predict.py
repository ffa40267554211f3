"""`kpp predict`: what the stored what-if models say of a load that was not run."""

import json
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kpp.cli.whatif.files import MOST_NAMES, show_notes
from kpp.errors import ConfigError, InputError
from kpp.files import write_whole
from kpp.schema import SERVICE

if TYPE_CHECKING:
    import pandas as pd

    from kpp.whatif.calibrated import CalibratedModel
    from kpp.whatif.store import StoredModels


def predict(  # noqa: PLR0913 - typer makes an option of each parameter
    *,
    scenario: Annotated[
        Path | None,
        typer.Argument(
            metavar="[SCENARIO.csv]",
            help="A CSV file of Service,User Count; if known Replicas,CPU Request,CPU Limit,Think Time (s).",
            show_default=False,
        ),
    ] = None,
    users: Annotated[
        str | None,
        typer.Option(
            help="User counts instead of a file: 100,200, or 100:700:100 (start, end, step).",
            metavar="USERS",
        ),
    ] = None,
    replicas: Annotated[
        list[str] | None,
        typer.Option(
            help="With --users: replicas of a service, as NAME=COUNT; others stay as measured.",
            metavar="NAME=N",
        ),
    ] = None,
    think_time: Annotated[
        float | None,
        typer.Option(help="With --users: the users' pause per request, if it changes.", metavar="S", min=0.0),
    ] = None,
    models: Annotated[Path, typer.Option(help="Folder with the models.", metavar="DIR")] = Path("models"),
    model: Annotated[
        str | None, typer.Option(help="Which of them to ask; if not given, the hybrid.", metavar="NAME")
    ] = None,
    coverage: Annotated[
        float, typer.Option(help="Share of minutes that an interval is to hold: 0.5, 0.8, 0.9, 0.95 or 0.99.")
    ] = 0.9,
    explain: Annotated[bool, typer.Option("--explain", help="Show what makes up each prediction.")] = False,
    output: Annotated[Path | None, typer.Option(help="Write the predictions as CSV.", metavar="FILE")] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw the predictions over the user count, as PNG or SVG.", metavar="FILE"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the predictions as JSON.")] = False,
) -> None:
    """Predict response time, throughput and CPU of every service at loads that were not run.

    Each prediction comes with an interval, a verdict on how far it can be trusted, and the reason. The models
    are those that `kpp fit` or `kpp train` stored.
    """
    from kpp.cli.options import check_coverage
    from kpp.cli.whatif.explanation import show_explanation
    from kpp.cli.whatif.predictions import show_predictions
    from kpp.whatif.model import REPLICAS_USED
    from kpp.whatif.store import read_stored, restore_model

    check_coverage(coverage)
    _check_options(scenario, users, with_users=bool(replicas) or think_time is not None)
    stored = read_stored(models)
    asked = restore_model(models, stored, model or _default_model(stored))
    rows = _scenario(asked, scenario, users, replicas or [], think_time)
    predictions = asked.predict(rows, coverage)
    used = asked.replicas_used(rows)
    parts = _explain(asked, rows) if explain else None

    if output is not None:
        write_whole({output: predictions.to_csv(index=False).encode()})
    if plot is not None:
        _draw(plot, asked, predictions, coverage)
    if as_json:
        typer.echo(
            json.dumps(
                _as_data(asked, predictions.assign(**{REPLICAS_USED: used}), coverage, parts),
                indent=2,
                allow_nan=False,
            )
        )
        return
    show_predictions(asked.model.name, predictions, coverage, used)
    if parts is not None:
        show_explanation(predictions, parts)
    show_notes(asked.model.notes)


def _check_options(scenario: Path | None, users: str | None, *, with_users: bool) -> None:
    if (scenario is None) == (users is None):
        what = (
            "neither a scenario nor --users is given" if users is None else "a scenario and --users are given"
        )
        raise ConfigError(what, mend="name a scenario file, or user counts with --users")
    if scenario is not None and with_users:
        mend = "write it into the scenario file, or use --users instead of the file"
        raise ConfigError("--replicas and --think-time go with --users", mend=mend)


def _default_model(stored: "StoredModels") -> str:
    """The model that is asked unless another one is named; told if it is not the usual one."""
    from kpp.whatif.registry import DEFAULT_MODEL

    if DEFAULT_MODEL in stored.models:
        return DEFAULT_MODEL
    name = list(stored.models)[-1]
    reason = stored.skipped.get(DEFAULT_MODEL, "it is not stored")
    show_notes([f"{name} is asked, since {DEFAULT_MODEL} could not be fitted: {reason}"])
    return name


def _scenario(
    asked: "CalibratedModel",
    scenario: Path | None,
    users: str | None,
    replicas: Sequence[str],
    think_time: float | None,
) -> "pd.DataFrame":
    from kpp.cli.options import parse_replicas, parse_users
    from kpp.whatif.scenario import make_scenario, read_scenario

    if scenario is not None:
        rows = read_scenario(scenario)
        _check_services(scenario, asked.services, rows[SERVICE].tolist())
        return rows
    user_counts = parse_users(users or "")
    counts = dict(parse_replicas(text) for text in replicas)
    unknown = [name for name in counts if name not in asked.services]
    if unknown:
        what = f"--replicas names {unknown[0]!r}, which was not measured"
        raise ConfigError(what, mend=name_services(unknown[0], asked.services))
    pause = float("nan") if think_time is None else think_time
    return make_scenario(asked.services, user_counts, counts, pause)


def _check_services(scenario: Path, measured: Sequence[str], services: Sequence[str]) -> None:
    """Refuse a scenario with a service that no model can know: a name that was mistyped would be a dash."""
    for service in services:
        if service not in measured:
            what = f"{service!r} was not measured"
            raise InputError(what, where=str(scenario), mend=name_services(service, measured))


def name_services(name: str, measured: Sequence[str]) -> str:
    """For whoever wrote the name of a service that was not measured: the one that may be meant, or all."""
    near = get_close_matches(name, measured, 1, 0.6)
    if near:
        return f"is {near[0]!r} meant?"
    more = f" and {len(measured) - MOST_NAMES} more" if len(measured) > MOST_NAMES else ""
    return f"the services are {', '.join(measured[:MOST_NAMES])}{more}"


def _explain(asked: "CalibratedModel", rows: "pd.DataFrame") -> "pd.DataFrame":
    parts = asked.explain(rows)
    if parts is None:
        mend = "leave --explain out, or ask another one with --model"
        raise ConfigError(f"the model {asked.model.name} cannot explain itself", mend=mend)
    return parts


def _as_data(
    asked: "CalibratedModel", predictions: "pd.DataFrame", coverage: float, parts: "pd.DataFrame | None"
) -> dict[str, object]:
    """As plain data: a record per row, None for what is not known."""
    from kpp.cli.whatif.predictions import as_records

    explanations = {} if parts is None else {"explanations": as_records(parts)}
    return {
        "model": asked.model.name,
        "coverage": coverage,
        "predictions": as_records(predictions),
        **explanations,
        "notes": list(asked.model.notes),
    }


def _draw(path: Path, asked: "CalibratedModel", predictions: "pd.DataFrame", coverage: float) -> None:
    from kpp.evaluation.pictures import largest
    from kpp.evaluation.plots import FORMATS, MOST_ROWS, draw
    from kpp.evaluation.predicted_pictures import picture_predictions, title_predictions

    if path.suffix not in FORMATS:
        raise ConfigError(f"--plot is {str(path)!r}", mend=f"end it in one of {', '.join(FORMATS)}")
    pictures = picture_predictions(asked, predictions)
    title = title_predictions(asked.model.name, predictions)
    write_whole({path: draw(largest(pictures, MOST_ROWS), title, coverage, path.suffix)})
