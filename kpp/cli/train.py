"""`kpp train`: train, score and plot a model per service."""

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from kpp.cli.training_progress import TrainingProgress
from kpp.errors import ConfigError, InputError, Interrupted

if TYPE_CHECKING:
    from kpp.predictor.main import Executor, TrainingResult

DATASET = Path("dataset")


class Where(StrEnum):
    """Who trains."""

    LOCAL = "local"
    RAY = "ray"


class Device(StrEnum):
    """Where to compute; `auto` takes a GPU where there is one."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


def train(  # noqa: PLR0913 - typer makes an option of each parameter
    *,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="CSV",
            help="Tables of measurements, or folders of them; if none is named, those in dataset/.",
            show_default=False,
        ),
    ] = None,
    models: Annotated[Path, typer.Option(help="Folder for weights and configs.", metavar="DIR")] = Path(
        "models"
    ),
    plots: Annotated[Path, typer.Option(help="Folder for plots.", metavar="DIR")] = Path("plots"),
    seed: Annotated[int, typer.Option(help="The same seed and data give the same weights.")] = 0,
    epochs: Annotated[int, typer.Option(min=1, help="Most epochs per service; most stop earlier.")] = 100,
    device: Annotated[
        Device,
        typer.Option(help="Where to compute; auto takes a GPU where there is one. No model here needs one."),
    ] = Device.CPU,
    cpu_limits: Annotated[
        Path | None,
        typer.Option(help="For the what-if models: CPU limits, as for `kpp fit`.", metavar="FILE"),
    ] = None,
    calls: Annotated[
        Path | None,
        typer.Option(help="For the what-if models: who calls whom, as for `kpp fit`.", metavar="FILE"),
    ] = None,
    executor: Annotated[
        Where, typer.Option(help="Who trains: this process, or a Ray cluster (needs the extra `ray`).")
    ] = Where.LOCAL,
    address: Annotated[
        str | None,
        typer.Option(
            help="The Ray cluster's head; if none is named, Ray's own processes on this machine.",
            metavar="HOST:PORT",
            show_default=False,
        ),
    ] = None,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Train all again, also what is there with the same data and settings."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Train a GRU for every service, score it on minutes that it has not seen, and plot it.

    Prints the table of scores, beside two baselines. Then does what `kpp fit` does, so that `kpp predict` can
    ask for loads that were not run.
    Tables of more than two million rows are trained in groups of services; a temporary file in TMPDIR, about
    as large as they are, holds the rows meanwhile.
    A service that cannot be trained is named with the reason; the others go on.
    What an earlier run has trained on the same data with the same settings is kept: after an interruption the
    same command goes on where it was.
    """
    from kpp.cli.fit import fit_after_training
    from kpp.cli.whatif.files import read_campaign, show_notes
    from kpp.predictor.generate_table import render_table  # late: torch takes seconds to load
    from kpp.predictor.main import train_all
    from kpp.predictor.settings import TrainingSettings
    from kpp.table.folders import fit_in_memory, list_files

    trainer = choose_executor(executor, address)
    tables = files or find_tables(DATASET)
    settings = TrainingSettings(seed=seed, device=device.value, max_epochs=epochs)
    progress = TrainingProgress(Console(stderr=True), tables, epochs)
    campaign, notes = read_campaign(tables, calls, cpu_limits)  # first: what cannot be used is told at once
    if not fit_in_memory(list_files(tables)):  # else the training tells the same
        show_notes(f"What-if models: {note}" for note in notes)
    try:
        result = train_all(tables, models, plots, settings, progress, fresh=fresh, executor=trainer)
        progress.stop()
        if not as_json:
            typer.echo(render_table(result.trained))
    except Interrupted:
        raise Interrupted("interrupted", mend="run the same command again to go on") from None
    finally:
        progress.stop()
        if progress.done:
            done = f"{progress.done} of {progress.total} services"
            typer.echo(f"{done} are trained: models are in {models}, plots in {plots}", err=True)
    what_if = fit_after_training(campaign, models, seed)
    if as_json:
        typer.echo(json.dumps({**as_data(result, models, plots), "what_if": what_if}, indent=2))


def choose_executor(where: Where, address: str | None) -> "Executor":
    """What trains the services.

    Raises:
        ConfigError: an address without Ray, or Ray is not installed.
    """
    if where is Where.RAY:
        from kpp.predictor.ray_executor import RayExecutor

        return RayExecutor(address)
    if address is not None:
        raise ConfigError("--address is of a Ray cluster", mend="add --executor ray, or leave it out")
    from kpp.predictor.main import train_here

    return train_here


def find_tables(folder: Path) -> Sequence[Path]:
    """All tables of measurements in a folder; simulated ones only where nothing was measured.

    Raises:
        InputError: there are none.
    """
    from kpp.table.folders import may_hold_measurements

    found = sorted(path for path in folder.glob("*.csv") if may_hold_measurements(path))
    measured = [path for path in found if "_simulated_" not in path.name]
    if not found:
        mend = "measure some with `kpp collect`, or name a CSV file"
        raise InputError("holds no table of measurements", where=str(folder), mend=mend)
    return measured or found


def as_data(result: "TrainingResult", models: Path, plots: Path) -> dict[str, object]:
    """The result as plain data."""
    from kpp.predictor.generate_table import summarize

    return {
        "models": str(models),
        "plots": str(plots),
        **summarize(result.trained),
        "kept": list(result.kept),
        "skipped": dict(result.skipped),
        "notes": list(result.notes),
    }
