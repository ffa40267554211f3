"""`kpp restore`: put back what a dead campaign left."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from kpp.cli.cluster_clock import find_clock
from kpp.cli.collect import default_env_file
from kpp.collector.config import Config, read_config, variable_of


def _setting(field: str, text: str, metavar: str) -> Any:
    default = getattr(Config(), field)
    return typer.Option(
        help=text,
        envvar=variable_of(field),
        show_default=False if default is None else f"{default}",
        metavar=metavar,
    )


def restore(
    journal: Annotated[
        Path | None,
        typer.Argument(
            help="The journal or the measurements of the campaign; if not given, the newest campaign in the "
            "output folder that left a cluster changed.",
            show_default=False,
        ),
    ] = None,
    *,
    kube_context: Annotated[
        str | None,
        _setting("kube_context", "Context of the kubeconfig; else that of the campaign.", "TEXT"),
    ] = None,
    output_directory: Annotated[
        str | None, _setting("output_directory", "Folder of the campaign's files.", "DIR")
    ] = None,
    env_file: Annotated[
        Path | None, typer.Option(help="Read settings from this file; if not given, from .env.", exists=True)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Put the cluster back as a campaign found it that was killed or could not do so itself.

    After Ctrl-C, SIGTERM and errors there is nothing to do: kpp collect puts the cluster back. Running this
    again does no harm.
    """
    from kpp.collector.collector import restore_campaign
    from kpp.collector.journal_record import find_unrestored, read_journal
    from kpp.collector.kubernetes_client import KubernetesClient
    from kpp.collector.resuming import settings_of

    given = {"kube_context": kube_context, "output_directory": output_directory}
    env_file = env_file or default_env_file()
    directory = read_config(given, os.environ, env_file).output_directory
    record = find_unrestored(directory) if journal is None else read_journal(journal)
    if record is None or record.state is None:
        _show(None, (), as_json=as_json)
        return
    config = read_config(given, {}, env_file, settings_of(record))
    clock = find_clock(os.environ)
    with KubernetesClient(config, clock) as cluster:
        changes = restore_campaign(record, cluster, clock)
    _show(record.path, changes, as_json=as_json)


def _show(journal: Path | None, changes: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        path = None if journal is None else str(journal)
        typer.echo(json.dumps({"journal": path, "changes": list(changes)}, indent=2))
    elif journal is None:
        typer.echo("No campaign here has left anything to restore.")
    elif not changes:
        typer.echo(f"Nothing to restore: all is as the campaign of {journal} found it.")
    else:
        typer.echo(f"Restored what the campaign of {journal} left:")
        for change in changes:
            typer.echo(f"  {change}")
