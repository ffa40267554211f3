"""`kpp table`: print the performance table of the trained models."""

import json
from pathlib import Path
from typing import Annotated

import typer


def table(
    *,
    models: Annotated[Path, typer.Option(help="Folder with the models.", metavar="DIR")] = Path("models"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
) -> None:
    """Print the scores of all trained models on their test minutes, beside two baselines, as markdown."""
    from kpp.predictor.generate_table import render_table, summarize  # late, to keep `kpp --help` quick
    from kpp.predictor.model_config import read_configs

    configs = read_configs(models)
    if as_json:
        typer.echo(json.dumps({"models": str(models), **summarize(configs)}, indent=2))
    else:
        typer.echo(render_table(configs))
