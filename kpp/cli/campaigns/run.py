"""What `kpp collect` does: run a campaign, or go on with one, and say where its files are."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import typer
from rich.console import Console

from kpp.cli.campaigns.cluster_clock import find_clock
from kpp.cli.campaigns.preflight import require_ready, show_checks
from kpp.cli.campaigns.progress import CampaignProgress
from kpp.cli.campaigns.quality_text import print_quality
from kpp.collector import collector
from kpp.collector.campaign.journal_record import CampaignRecord, find_unfinished, journal_of, read_journal
from kpp.collector.campaign.manifest import manifest_path
from kpp.collector.campaign.plan import Level, Plan, plan_campaign
from kpp.collector.campaign.resuming import refuse_other_settings, settings_of
from kpp.collector.config import Config, read_config
from kpp.collector.csv_writer import CsvWriter
from kpp.collector.kubernetes_client import KubernetesClient
from kpp.collector.preflight.preflight import Subject
from kpp.collector.prometheus_client import PrometheusClient
from kpp.collector.quality.book import read_judged
from kpp.collector.quality.quality_file import quality_path
from kpp.errors import InputError, Interrupted


def run(config: Config, levels: Sequence[Level] | None, *, is_checked: bool, as_json: bool) -> None:
    """Run a new campaign; `levels` are those of a campaign file."""
    plan = plan_campaign(config, levels)
    _carry_out(config, plan, is_checked=is_checked, as_json=as_json)


def resume_newest(
    path: Path | None,
    given: Mapping[str, object],
    env_file: Path | None,
    *,
    dry_run: bool,
    check: bool,
    is_checked: bool,
    as_json: bool,
) -> None:
    """Go on with a campaign.

    Args:
        path: its journal or measurements; None takes the newest in the output folder.
        given: the settings of the command line and the environment.
        env_file: further settings.
        dry_run: only show what would be done.
        check: only check all that it needs.
        is_checked: check it too before going on, when what the campaign left is put back.
        as_json: how to report.

    Raises:
        InputError: there is none that could go on.
        ConfigError: a setting differs that has to be the same.
    """
    record = _find(path, read_config(given, os.environ, env_file).output_directory)
    config = read_config(given, os.environ, env_file, settings_of(record))
    refuse_other_settings(record, config)
    if dry_run:
        from kpp.cli.campaigns.dry_run import show_remaining

        show_remaining(record, as_json=as_json)
    elif check:
        show_checks(config, record.plan, find_clock(os.environ), as_json=as_json)
    else:
        _carry_out(config, record, is_checked=is_checked, as_json=as_json)


def _find(path: Path | None, directory: Path) -> CampaignRecord:
    record = find_unfinished(directory) if path is None else read_journal(path)
    if record is None:
        raise InputError(
            "there is no campaign that is not finished" if path is None else "no campaign had begun",
            where=str(directory if path is None else journal_of(path)),
            mend="start one with `kpp collect`",
        )
    if record.is_finished:
        raise InputError(
            "its campaign is finished", where=str(record.path), mend="start another one with `kpp collect`"
        )
    return record


def _carry_out(config: Config, work: Plan | CampaignRecord, *, is_checked: bool, as_json: bool) -> None:
    record = work if isinstance(work, CampaignRecord) else None
    clock = find_clock(os.environ)
    console = Console(stderr=True, highlight=False)
    progress = CampaignProgress(console, clock, config.entry_service, record)
    is_done = False
    try:
        with KubernetesClient(config, clock) as cluster, PrometheusClient(config, clock) as prometheus:
            plan = work if isinstance(work, Plan) else work.plan

            def check() -> None:
                if is_checked:
                    require_ready(Subject(config, plan, cluster.api, prometheus, clock), console)

            if record is None:
                check()
                collector.run_campaign(config, cluster, prometheus, clock, progress, plan)
            else:
                collector.resume_campaign(record, config, cluster, prometheus, clock, progress, check)
        is_done = True
    except Interrupted:
        if progress.files is None:
            raise
        raise Interrupted("interrupted", mend=_to_go_on(progress.files)) from None
    finally:
        progress.stop()
        if progress.files is not None:
            _show_files(progress, is_done=is_done, as_json=as_json)


def _show_files(progress: CampaignProgress, *, is_done: bool, as_json: bool) -> None:
    files = progress.files
    assert files is not None
    journal = journal_of(files.path)
    record = read_journal(journal) if journal.exists() else None
    if as_json:
        typer.echo(json.dumps(_report(progress, files, record, is_done=is_done), indent=2))
    else:
        if record is not None:
            print_quality(read_judged(record.quality), Console(highlight=False, markup=False))
        _print_files(progress.row_count, files)
    if record is not None:
        typer.echo(_tell_state(record), err=True)
    if not is_done and not isinstance(sys.exc_info()[1], Interrupted):  # which says it itself
        typer.echo(f"To go on, {_to_go_on(files)}", err=True)


def _report(
    progress: CampaignProgress, files: CsvWriter, record: CampaignRecord | None, *, is_done: bool
) -> dict[str, object]:
    """What `--json` prints; files that are not there are left out."""
    paths = {
        "measurements": files.path,
        "calls": files.calls_path,
        "manifest": manifest_path(files.path),
        "journal": journal_of(files.path),
        "quality": quality_path(files.path),
    }
    report: dict[str, object] = {name: str(path) for name, path in paths.items() if path.exists()}
    report |= {"rows": progress.row_count, "finished": is_done}
    return report if record is None else {**report, "restored": record.is_restored}


def _print_files(row_count: int, files: CsvWriter) -> None:
    if row_count == 0:
        typer.echo("Nothing was collected.", err=True)
        return
    typer.echo(f"Collected {row_count} rows in {files.path}")
    typer.echo(f"  who calls whom        {files.calls_path}")
    typer.echo(f"  settings and cluster  {manifest_path(files.path)}")
    typer.echo(f"  journal               {journal_of(files.path)}")
    if quality_path(files.path).exists():
        typer.echo(f"  quality               {quality_path(files.path)}")


def _tell_state(record: CampaignRecord) -> str:
    if record.gone:
        return f"The cluster is as it was found, but for what is gone: {'; '.join(record.gone)}"
    if record.is_restored:
        return "The cluster is as it was found."
    return f"The cluster is NOT as it was found. To put it back: kpp restore {record.path}"


def _to_go_on(files: CsvWriter) -> str:
    return f"run `kpp collect --resume {journal_of(files.path)}`"
