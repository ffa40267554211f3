"""`kpp fit`: fit the what-if models and store them, without torch."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kpp.cli.options import Calls, CpuLimits
from kpp.cli.train import DATASET, find_tables
from kpp.cli.whatif.files import read_campaign, show_notes
from kpp.cli.whatif.progress import progress_bar
from kpp.errors import InputError
from kpp.files import make_directory

if TYPE_CHECKING:
    from kpp.whatif.fitting import FittedModels
    from kpp.whatif.model import Campaign

FOLDER = Path("models")  # where `kpp predict` looks too


def fit(
    *,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[CSV]...",
            help="Tables of measurements; if none is named, those in dataset/.",
            show_default=False,
        ),
    ] = None,
    models: Annotated[Path, typer.Option(help="Folder for the models.", metavar="DIR")] = FOLDER,
    cpu_limits: CpuLimits = None,
    calls: Calls = None,
    seed: Annotated[int, typer.Option(help="For the models that draw random numbers.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Fit all what-if models, try them on loads that are left out, and store them for `kpp predict`."""
    from kpp.whatif.store import write_models  # late, to keep `kpp --help` quick

    tables = files or list(find_tables(DATASET))
    campaign, notes = read_campaign(tables, calls, cpu_limits)
    show_notes(notes)
    make_directory(models)  # before anything that takes long
    fitted = fit_with_progress(campaign, seed)
    path = write_models(models, fitted)
    if as_json:
        typer.echo(json.dumps({"file": str(path), **as_data(fitted)}, indent=2, allow_nan=False))
        return
    for line in render_fitted(fitted):
        typer.echo(line)
    show_notes(note for each in fitted.models.values() for note in each.model.notes)
    how = how_to_ask(models, fitted.origin.user_counts[-1])
    typer.echo(f"\nThe models are in {path}; ask them with {how}.", err=True)


def fit_after_training(campaign: "Campaign", models: Path, seed: int) -> dict[str, Any]:
    """What `kpp train` does in the end: fit and store all what-if models, and tell on stderr.

    Args:
        campaign: what was trained on.
        models: folder, which exists.
        seed: for the models that draw random numbers.

    Returns:
        As plain data: the file, errors, notes; or the file as None, and the reason.
    """
    from kpp.whatif.store import FILE_NAME, write_models

    try:
        fitted = fit_with_progress(campaign, seed)
    except InputError as error:
        earlier = models / FILE_NAME
        stays = f"; {earlier} of an earlier fit stays as it is" if earlier.exists() else ""
        typer.echo(f"No what-if models are stored: {error.what}{stays}", err=True)
        return {"file": None, "reason": error.what}
    path = write_models(models, fitted)
    how = how_to_ask(models, fitted.origin.user_counts[-1])
    typer.echo(f"What-if models are in {path}: ask for other loads with {how}", err=True)
    return {"file": str(path), **as_data(fitted)}


def how_to_ask(models: Path, highest_load: float) -> str:
    """The command, ready to be pasted: for twice the highest load that was measured.

    >>> how_to_ask(Path("models"), 110), how_to_ask(Path("demo/models"), 320)
    ('`kpp predict --users 220`', '`kpp predict --models demo/models --users 640`')
    """
    folder = "" if models == FOLDER else f"--models {shlex.quote(str(models))} "
    return f"`kpp predict {folder}--users {2 * highest_load:g}`"


def fit_with_progress(campaign: "Campaign", seed: int) -> "FittedModels":
    """Fit all models of the registry under a progress bar on stderr."""
    from kpp.whatif.fitting import fit_models
    from kpp.whatif.registry import MODELS

    names = list(MODELS)
    with progress_bar("fitting") as show:
        return fit_models(
            campaign, names, seed, lambda name: show(names.index(name) / len(names), f"fitting {name}")
        )


def render_fitted(fitted: "FittedModels") -> Sequence[str]:
    """A line for each model: how far it erred on loads that were left out."""
    from kpp.predictor.display import UNITS, format_number, scaled

    origin = fitted.origin
    least, most = origin.user_counts[0], origin.user_counts[-1]
    loads = (
        f"{len(origin.user_counts)} user counts, {least:g} to {most:g}"
        if most > least
        else f"{most:g} user{'' if most == 1 else 's'}"
    )
    services = f"{len(origin.services)} services" if len(origin.services) > 1 else "one service"
    lines = [f"Fitted on {services} at {loads}."]
    lines += ["Usual error in % on loads that were left out, within the others and beyond them:", ""]
    lines.append(f"{'':<16}" + "".join(f"{unit.title:>18}" for unit in UNITS.values()))
    lines.append(f"{'model':<16}" + f"{'within':>9}{'beyond':>9}" * len(UNITS))
    for name, errors in as_data(fitted)["models"].items():
        cells = [errors[target][where] for target in UNITS for where in ("within", "beyond")]
        lines.append(f"{name:<16}" + "".join(f"{format_number(scaled(cell, 100)):>9}" for cell in cells))
    lines += [f"{name:<16}skipped: {reason}" for name, reason in fitted.skipped.items()]
    return lines


def as_data(fitted: "FittedModels") -> dict[str, Any]:
    """The result as plain data; errors as ratios, None where no load could be left out."""
    from dataclasses import asdict

    import numpy as np

    from kpp.schema import TARGETS

    models: dict[str, Any] = {}
    for name, each in fitted.models.items():
        ratios = np.expm1(each.intervals.usual_errors)
        models[name] = {
            target: {
                where: None if np.isnan(ratio) else float(ratio)
                for where, ratio in zip(("within", "beyond"), column, strict=True)
            }
            for target, column in zip(TARGETS, ratios.T, strict=True)
        }
    notes = {name: list(each.model.notes) for name, each in fitted.models.items()}
    return {
        "origin": asdict(fitted.origin),
        "models": models,
        "notes": notes,
        "skipped": dict(fitted.skipped),
    }
