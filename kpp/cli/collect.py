"""`kpp collect`: run a campaign on a live cluster, or show what it would do."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kpp.cli.campaigns.cluster_clock import find_clock
from kpp.cli.options import setting
from kpp.collector.config import Config, read_config, setting_names, variable_of
from kpp.collector.profiles.reading import read_profile
from kpp.errors import ConfigError

if TYPE_CHECKING:
    from kpp.collector.campaign.plan import Level

CLUSTER, LOAD, SAMPLING, OUTPUT = "Cluster", "Load", "Phases and sampling", "Output"


def collect(  # noqa: PLR0913 - typer makes an option of each parameter
    journal: Annotated[
        Path | None,
        typer.Argument(
            help="With --resume: the journal or the measurements of the campaign; if not given, the newest "
            "campaign in the output folder that is not finished.",
            show_default=False,
        ),
    ] = None,
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
    load_container: Annotated[
        str | None,
        setting(
            "load_container", CLUSTER, "Its container that is told the load; else the one with the users."
        ),
    ] = None,
    load_variables: Annotated[
        str | None,
        setting("load_variables", CLUSTER, "Variables that it is told the load by.", "VARIABLES"),
    ] = None,
    users_per_replica: Annotated[
        str | None,
        setting("users_per_replica", CLUSTER, "Set no variable: the load is its replicas, of N users.", "N"),
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
    campaign: Annotated[
        str | None,
        setting("campaign", LOAD, "File of experiments with users and replicas, instead of these.", "FILE"),
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
    repeat: Annotated[str | None, setting("repeat", LOAD, "Run the whole sweep so many times.", "N")] = None,
    until_steady: Annotated[
        bool | None,
        typer.Option(
            "--until-steady/--no-until-steady",
            help="Extend an experiment while its throughput or response time drifts.",
            envvar=variable_of("until_steady"),
            show_default="no",
            rich_help_panel=SAMPLING,
        ),
    ] = None,
    max_measured_seconds: Annotated[
        str | None, setting("max_measured_seconds", SAMPLING, "How far it is extended at most.", "S")
    ] = None,
    error_budget: Annotated[
        str | None,
        setting("error_budget", SAMPLING, "End the campaign if a larger share of requests fails.", "SHARE"),
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
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Put back what a dead campaign left, then go on with it.", rich_help_panel=OUTPUT
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON.", rich_help_panel=OUTPUT)
    ] = False,
) -> None:
    """Run a campaign: one experiment per load, every service measured, the cluster left as it was found.

    Each setting may also stand in the environment or in a .env file, under the name in brackets.
    """
    if journal is not None and not resume:
        raise ConfigError(
            f"a new campaign takes no argument, and {journal} is one",
            mend="give --resume to go on with that campaign",
        )
    # every parameter that is named like a field of Config is a setting
    given = {field: value for field, value in locals().items() if field in setting_names()}
    env_file = env_file or default_env_file()
    if resume:
        from kpp.cli.campaigns.run import resume_newest

        resume_newest(
            *(journal, given, env_file),
            dry_run=dry_run,
            check=check,
            is_checked=not skip_checks,
            as_json=as_json,
        )
        return
    config, levels = _read_levels(read_config(given, os.environ, env_file), given)
    read_profile(config.profile)  # a faulty one is told before anything is done
    if dry_run:
        from kpp.cli.campaigns.dry_run import show_plan

        show_plan(config, levels, find_clock(os.environ), as_json=as_json)
    elif check:
        from kpp.cli.campaigns.preflight import show_checks
        from kpp.collector.campaign.plan import plan_campaign

        show_checks(config, plan_campaign(config, levels), find_clock(os.environ), as_json=as_json)
    else:
        from kpp.cli.campaigns.run import run

        run(config, levels, is_checked=not skip_checks, as_json=as_json)


def _read_levels(config: Config, given: Mapping[str, object]) -> "tuple[Config, tuple[Level, ...] | None]":
    """The experiments of a campaign file, and the settings with their user counts; None without a file."""
    if config.campaign is None or (given["user_counts"] and not given["campaign"]):
        return replace(config, campaign=None), None
    if given["user_counts"]:
        raise ConfigError(
            "both KPP_CAMPAIGN and KPP_USER_COUNTS say what to run",
            where="configuration",
            mend="give only one of --campaign and --user-counts",
        )
    from kpp.collector.campaign.campaign_file import read_campaign_file

    levels = read_campaign_file(config.campaign)
    return replace(config, user_counts=tuple(sorted({level.user_count for level in levels}))), levels


def default_env_file() -> Path | None:
    """The `.env` of the working directory, None where there is none."""
    path = Path(".env")
    return path if path.is_file() else None
