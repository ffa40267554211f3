"""`kpp collect`: run a campaign on a live cluster, or show what it would do."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from kpp.cli.cluster_clock import find_clock
from kpp.cli.options import setting
from kpp.collector.config import Config, read_config, setting_names
from kpp.collector.profiles.reading import read_profile

if TYPE_CHECKING:
    from kpp.collector.csv_writer import CsvWriter

CLUSTER, LOAD, SAMPLING, OUTPUT = "Cluster", "Load", "Phases and sampling", "Output"


def collect(  # noqa: PLR0913 - each parameter is an option
    *,
    prometheus_url: Annotated[
        str | None, setting("prometheus_url", CLUSTER, "Where Prometheus answers.", "URL")
    ] = None,
    kube_context: Annotated[
        str | None,
        setting("kube_context", CLUSTER, "Context of the kubeconfig; else its current one."),
    ] = None,
    namespace: Annotated[str | None, setting("namespace", CLUSTER, "Namespace of the application.")] = None,
    load_generator: Annotated[
        str | None,
        setting("load_generator", CLUSTER, "Deployment that makes the load."),
    ] = None,
    label_key: Annotated[
        str | None, setting("label_key", CLUSTER, "Label of the Deployments that holds the service's name.")
    ] = None,
    excluded_services: Annotated[
        str | None, setting("excluded_services", CLUSTER, "Services to leave out, with commas.", "NAMES")
    ] = None,
    entry_service: Annotated[
        str | None, setting("entry_service", CLUSTER, "Service that the users call; shown while measuring.")
    ] = None,
    user_counts: Annotated[
        str | None,
        setting(
            "user_counts",
            LOAD,
            "Loads to run: 10,20,50, or 10:90:20 (start, end, step).",
            "USERS",
        ),
    ] = None,
    spawn_rate: Annotated[
        str | None, setting("spawn_rate", LOAD, "Users started per second, the variable RATE.", "N")
    ] = None,
    rate_window_seconds: Annotated[
        str | None, setting("rate_window_seconds", SAMPLING, "Range of rate() in the queries.", "S")
    ] = None,
    cpu_rate_window_seconds: Annotated[
        str | None,
        setting("cpu_rate_window_seconds", SAMPLING, "The same in those of CPU and throttling.", "S"),
    ] = None,
    warmup_seconds: Annotated[
        str | None, setting("warmup_seconds", SAMPLING, "Wait at full load before sampling.", "S")
    ] = None,
    sampling_interval_seconds: Annotated[
        str | None, setting("sampling_interval_seconds", SAMPLING, "Time between two samples.", "S")
    ] = None,
    measured_seconds: Annotated[
        str | None, setting("measured_seconds", SAMPLING, "How long an experiment is sampled.", "S")
    ] = None,
    cooldown_seconds: Annotated[
        str | None, setting("cooldown_seconds", SAMPLING, "Rest without load between experiments.", "S")
    ] = None,
    evaluation_lag_seconds: Annotated[
        str | None,
        setting("evaluation_lag_seconds", SAMPLING, "How far in the past queries are evaluated.", "S"),
    ] = None,
    request_timeout_seconds: Annotated[
        str | None, setting("request_timeout_seconds", CLUSTER, "Time-out of one request.", "S")
    ] = None,
    rollout_timeout_seconds: Annotated[
        str | None, setting("rollout_timeout_seconds", CLUSTER, "Time-out of one roll-out.", "S")
    ] = None,
    output_directory: Annotated[
        str | None, setting("output_directory", OUTPUT, "Folder for the campaign's files.", "DIR")
    ] = None,
    profile: Annotated[
        str | None,
        setting("profile", CLUSTER, "Queries to ask: istio-sidecar, istio-ambient, or a file.", "PROFILE"),
    ] = None,
    env_file: Annotated[
        Path | None, typer.Option(help="Read settings from this file; if not given, from .env.", exists=True)
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show plan and patches; touch nothing.", rich_help_panel=OUTPUT),
    ] = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Check all that a campaign needs; change nothing.", rich_help_panel=OUTPUT
        ),
    ] = False,
    skip_checks: Annotated[
        bool,
        typer.Option("--skip-checks", help="Start although checks fail.", rich_help_panel=OUTPUT),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON.", rich_help_panel=OUTPUT)
    ] = False,
) -> None:
    """Run a campaign: one experiment per load, every service measured, the cluster left as it was found.

    Each setting may also stand in the environment or in a .env file, under the name in brackets.
    """
    # every parameter that is named like a field of Config is a setting
    given = {field: value for field, value in locals().items() if field in setting_names()}
    config = read_config(given, os.environ, env_file or default_env_file())
    read_profile(config.profile)  # a faulty one is told before anything is done
    if dry_run:
        from kpp.cli.campaign_plan import show_plan

        show_plan(config, find_clock(os.environ), as_json=as_json)
    elif check:
        from kpp.cli.preflight import show_checks

        show_checks(config, find_clock(os.environ), as_json=as_json)
    else:
        _run(config, as_json=as_json, is_checked=not skip_checks)


def default_env_file() -> Path | None:
    """The `.env` of the working directory, None where there is none."""
    path = Path(".env")
    return path if path.is_file() else None


def _run(config: Config, *, as_json: bool, is_checked: bool) -> None:
    from kpp.cli.campaign_progress import CampaignProgress
    from kpp.cli.preflight import require_ready
    from kpp.collector.collector import run_campaign
    from kpp.collector.kubernetes_client import KubernetesClient
    from kpp.collector.prometheus_client import PrometheusClient

    clock = find_clock(os.environ)
    console = Console(stderr=True, highlight=False)
    progress = CampaignProgress(console, clock, config.entry_service)
    try:
        with KubernetesClient(config, clock) as cluster, PrometheusClient(config, clock) as prometheus:
            if is_checked:
                require_ready(config, cluster, prometheus, clock, console)
            run_campaign(config, cluster, prometheus, clock, progress)
    finally:
        progress.stop()
        if progress.files is not None:
            _show_files(progress.files, progress.row_count, as_json=as_json)


def _show_files(files: "CsvWriter", row_count: int, *, as_json: bool) -> None:
    from kpp.collector.manifest import manifest_path

    manifest = manifest_path(files.path)
    if row_count == 0:
        typer.echo("Nothing was collected.", err=True)
    elif as_json:
        paths = {"measurements": str(files.path), "calls": str(files.calls_path), "manifest": str(manifest)}
        typer.echo(json.dumps({**paths, "rows": row_count}, indent=2))
    else:
        typer.echo(f"Collected {row_count} rows in {files.path}")
        typer.echo(f"  who calls whom        {files.calls_path}")
        typer.echo(f"  settings and cluster  {manifest}")
