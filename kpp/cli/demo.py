"""`kpp demo`: the whole way on a simulated cluster: collect, train, table, plots."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from kpp.cli.fit import fit_after_training
from kpp.cli.train import as_data
from kpp.cli.training_progress import TrainingProgress
from kpp.cli.whatif.files import read_campaign

if TYPE_CHECKING:
    from kpp.cli.campaigns.simulated_cluster import CampaignFiles
    from kpp.predictor.main import TrainingResult

USER_COUNTS = "40:320:40"  # the frontend reaches its CPU limit at some 250
MOST_EPOCHS = 100


def demo(
    *,
    output: Annotated[
        Path, typer.Option(help="Folder for measurements, models and plots.", metavar="DIR")
    ] = Path("demo"),
    application: Annotated[
        str,
        typer.Option(help="What runs: a shipped application's name, or a file.", metavar="APP"),
    ] = "online_boutique",
    user_counts: Annotated[
        str, typer.Option(help="Loads to run: 10,20,50, or 10:90:20 (start, end, step).", metavar="USERS")
    ] = USER_COUNTS,
    measured_seconds: Annotated[
        float, typer.Option(help="How long each load is sampled, by the cluster's clock.", metavar="S")
    ] = 1260,
    seed: Annotated[int, typer.Option(help="The same seed gives the same measurements and models.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Run a campaign on a simulated cluster and train on what it measured: minutes instead of hours.

    The cluster runs in this process on a virtual clock; nothing else needs to be installed. The collector,
    its phases and its queries are those of `kpp collect`. In the end stands the table of `kpp train`.
    """
    from kpp.predictor.generate_table import render_table

    console = Console(stderr=True, highlight=False)
    settings = {
        "user_counts": user_counts,
        "measured_seconds": measured_seconds,
        "output_directory": output / "dataset",
    }
    campaign = _collect(application, settings, seed, console)
    models, plots = output / "models", output / "plots"
    result = _train(campaign.measurements, models, plots, seed, console)
    what_if = fit_after_training(read_campaign([campaign.measurements], None, None)[0], models, seed)
    if as_json:
        files = {"measurements": str(campaign.measurements), "calls": str(campaign.calls)}
        typer.echo(json.dumps({**files, **as_data(result, models, plots), "what_if": what_if}, indent=2))
        return
    typer.echo(render_table(result.trained))
    typer.echo(
        f"\nMeasured on a simulated cluster: {campaign.row_count} rows in {campaign.measurements}\n"
        f"  who calls whom        {campaign.calls}\n"
        f"  settings and cluster  {campaign.manifest}\n"
        f"Models are in {models}, plots in {plots}.",
        err=True,
    )


def _collect(
    application: str, settings: Mapping[str, object], seed: int, console: Console
) -> "CampaignFiles":
    from kpp.cli.campaigns.simulated_cluster import run_campaign, virtual_cluster
    from kpp.collector.config import read_config
    from kpp.simulator.application_file import read_application
    from kpp.simulator.cluster import SimulationSettings

    described = read_application(application)
    read_config(settings, {}, None)  # what is wrong with the options is told before the cluster is built
    console.print("Starting a simulated cluster; the first time, its engine is compiled: a minute or so.")
    with virtual_cluster(described, SimulationSettings(seed=seed)) as cluster:
        return run_campaign(cluster, settings, console)


def _train(measurements: Path, models: Path, plots: Path, seed: int, console: Console) -> "TrainingResult":
    from kpp.predictor.main import train_all  # late: torch takes seconds to load
    from kpp.predictor.settings import TrainingSettings

    progress = TrainingProgress(console, [measurements], MOST_EPOCHS)
    settings = TrainingSettings(seed=seed, max_epochs=MOST_EPOCHS)
    try:
        return train_all([measurements], models, plots, settings, progress)
    finally:
        progress.stop()
