"""`kpp import`: a table of measurements from what a Prometheus holds already."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from kpp.cli.campaigns.cluster_clock import find_clock
from kpp.cli.campaigns.import_progress import ImportProgress
from kpp.cli.collect import CLUSTER, OUTPUT, default_env_file
from kpp.cli.options import setting
from kpp.collector.config import read_config, setting_names
from kpp.errors import ConfigError

if TYPE_CHECKING:
    from kpp.collector.history.importing import Imported, Request

RANGE, LOAD = "Range", "Load"
MOST_PARALLEL = 16
LONGEST_WINDOW_SECONDS = 7 * 86_400


def import_history(  # noqa: PLR0913 - typer makes an option of each parameter
    *,
    start: Annotated[
        str,
        typer.Option(
            "--from",
            help="First instant: ISO 8601 (2026-11-25T08:00Z), Unix seconds, or back from now (-24h).",
            metavar="INSTANT",
            rich_help_panel=RANGE,
        ),
    ],
    end: Annotated[
        str,
        typer.Option(
            "--to", help="Last instant, written like the first.", metavar="INSTANT", rich_help_panel=RANGE
        ),
    ] = "now",
    step: Annotated[
        str,
        typer.Option(
            help="Time between two rows of a service: 60, 30s, 5m.", metavar="DURATION", rich_help_panel=RANGE
        ),
    ] = "60",
    users_query: Annotated[
        str | None,
        typer.Option(
            help="PromQL that gives the user count, as one series.", metavar="PROMQL", rich_help_panel=LOAD
        ),
    ] = None,
    users_file: Annotated[
        Path | None,
        typer.Option(
            help="CSV of intervals with their user count: start,end,User Count.",
            metavar="FILE",
            rich_help_panel=LOAD,
        ),
    ] = None,
    entry_service: Annotated[
        str | None,
        setting(
            "entry_service", LOAD, "Service whose requests per second are the load if users are not given."
        ),
    ] = None,
    prometheus_url: Annotated[
        str | None, setting("prometheus_url", CLUSTER, "Where Prometheus answers.", "URL")
    ] = None,
    namespace: Annotated[str | None, setting("namespace", CLUSTER, "Namespace of the application.")] = None,
    excluded_services: Annotated[
        str | None, setting("excluded_services", CLUSTER, "Services to leave out, with commas.", "NAMES")
    ] = None,
    load_generator: Annotated[
        str | None, setting("load_generator", CLUSTER, "Deployment that makes the load, left out.")
    ] = None,
    profile: Annotated[
        str | None,
        setting("profile", CLUSTER, "Queries to ask: istio-sidecar, istio-ambient, or a file.", "PROFILE"),
    ] = None,
    rate_window_seconds: Annotated[
        str | None,
        setting("rate_window_seconds", RANGE, "Range of rate() in the queries; at least the step.", "S"),
    ] = None,
    cpu_rate_window_seconds: Annotated[
        str | None,
        setting("cpu_rate_window_seconds", RANGE, "Range of rate() for CPU; at least the step.", "S"),
    ] = None,
    request_timeout_seconds: Annotated[
        str | None, setting("request_timeout_seconds", CLUSTER, "Time-out of one request.", "S")
    ] = None,
    parallel: Annotated[
        int,
        typer.Option(
            min=1, max=MOST_PARALLEL, help="Requests at once, at most.", metavar="N", rich_help_panel=CLUSTER
        ),
    ] = 4,
    output: Annotated[
        Path | None,
        typer.Option(
            help="The table's file; if not given, a new one in the output folder.",
            metavar="FILE",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    env_file: Annotated[
        Path | None, typer.Option(help="Read settings from this file; if not given, from .env.", exists=True)
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON.", rich_help_panel=OUTPUT)
    ] = False,
) -> None:
    """Import a table from a Prometheus that has the data already: no experiment, no access to the cluster.

    What has no data stays an empty cell. The table is written whole or not at all.
    """
    from kpp.collector.history.importing import Request, import_history
    from kpp.collector.history.instants import make_grid, parse_duration, parse_instant
    from kpp.collector.history.loads import read_intervals

    given = {field: value for field, value in locals().items() if field in setting_names()}
    given["warmup_seconds"] = LONGEST_WINDOW_SECONDS  # nothing warms up: no range is too long for it
    config = read_config(given, os.environ, env_file or default_env_file())
    if users_query is not None and users_file is not None:
        raise ConfigError("--users-query and --users-file are both given", mend="give one of them")
    clock = find_clock(os.environ)
    now = clock.now()
    last = parse_instant(end, now)
    if last.at > (newest := now - config.evaluation_lag_seconds):
        last = parse_instant(str(newest), now)  # later samples may not have arrived
    request = Request(
        grid=make_grid(parse_instant(start, now), last, parse_duration(step)),
        users_query=users_query,
        intervals=tuple(read_intervals(users_file, now)) if users_file is not None else (),
        parallel=parallel,
        output=output,
    )
    progress = ImportProgress(Console(stderr=True, highlight=False))
    try:
        imported = import_history(config, request, clock, progress)
    finally:
        progress.stop()
    _show(imported, request, as_json=as_json)


def _show(imported: "Imported", request: "Request", *, as_json: bool) -> None:
    from kpp.collector.history.instants import tell_instant

    files = imported.files
    calls = str(files.calls) if imported.call_count else None
    if as_json:
        report = {
            "measurements": str(files.measurements),
            "calls": calls,
            "record": str(files.record),
            "rows": imported.row_count,
            "services": list(imported.services),
            "from": tell_instant(request.grid.start),
            "to": tell_instant(request.grid.end),
            "step_seconds": request.grid.step_seconds,
            "load": request.load,
            "instants": request.grid.count,
            "instants_without_load": imported.instants_left_out,
        }
        typer.echo(json.dumps(report, indent=2))
        return
    typer.echo(
        f"Imported {imported.row_count} rows of {len(imported.services)} services in {files.measurements}"
    )
    if calls:
        typer.echo(f"  who calls whom         {calls}")
    typer.echo(f"  settings and queries   {files.record}")
    if imported.instants_left_out:
        typer.echo(
            f"  {imported.instants_left_out} of {request.grid.count} instants have no load and are left out"
        )
    if request.load == "request rate":
        typer.echo("  User Count is the entry service's requests per second, rounded")
