"""`kpp restore`: put back what a dead campaign left."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kpp.cli.campaigns.cluster_clock import find_clock
from kpp.cli.collect import default_env_file
from kpp.collector.config import Config, read_some_settings, variable_of

if TYPE_CHECKING:
    from kpp.collector.cluster.state import Restored


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
    gone: Annotated[
        bool,
        typer.Option(
            "--gone",
            help="All that the campaign changed exists no more: record that, and ask no cluster.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Put the cluster back as a campaign found it that was killed or could not do so itself.

    After Ctrl-C, SIGTERM and errors there is nothing to do: kpp collect puts the cluster back. Running this
    again does no harm. Needs access to Kubernetes only. Exits with 0 when there is nothing more to put back,
    although something may be gone, which is told; with 4 when it has to be run again.
    """
    from kpp.collector.campaign.journal_record import find_unrestored, read_journal
    from kpp.collector.campaign.resuming import TO_REACH_THE_CLUSTER, config_to_restore
    from kpp.collector.collector import close_campaign, restore_campaign
    from kpp.collector.kubernetes_client import KubernetesClient

    given = {"kube_context": kube_context, "output_directory": output_directory}
    env_file = env_file or default_env_file()
    directory = read_some_settings(TO_REACH_THE_CLUSTER, given, os.environ, env_file).output_directory
    record = find_unrestored(directory) if journal is None else read_journal(journal)
    if record is None or record.state is None:
        _show(None, None, as_json=as_json)
        return
    config = config_to_restore(record, given, os.environ, env_file)
    clock = find_clock(os.environ)
    if gone:
        restored = close_campaign(record, config.load_generator, clock)
    else:
        with KubernetesClient(config, clock) as cluster:
            restored = restore_campaign(record, cluster, clock)
    _show(record.path, restored, as_json=as_json)


def _show(journal: Path | None, restored: "Restored | None", *, as_json: bool) -> None:
    changes, gone = (restored.changes, restored.gone) if restored is not None else ((), ())
    if as_json:
        path = None if journal is None else str(journal)
        typer.echo(json.dumps({"journal": path, "changes": list(changes), "gone": list(gone)}, indent=2))
        return
    if journal is None:
        typer.echo("No campaign here has left anything to restore.")
    elif changes:
        typer.echo(f"Restored what the campaign of {journal} left:")
    elif gone:
        typer.echo(f"Nothing to restore: what is there is as the campaign of {journal} found it.")
    else:
        typer.echo(f"Nothing to restore: all is as the campaign of {journal} found it.")
    for change in changes:
        typer.echo(f"  {change}")
    if gone:
        typer.echo("Nobody can put this back any more; it is recorded as gone:")
    for each in gone:
        typer.echo(f"  {each}")
