"""`kpp collect --check`, and the same checks at the start of a campaign: what is shown, and the exit code."""

import json
import textwrap
from collections.abc import Iterable
from dataclasses import asdict

import typer
from rich.console import Console

from kpp.clock import Clock
from kpp.collector.campaign.plan import Plan
from kpp.collector.config import Config
from kpp.collector.kubernetes_client import KubernetesClient
from kpp.collector.preflight.findings import Finding, Outcome, Report
from kpp.collector.preflight.preflight import Subject, run_preflight
from kpp.collector.prometheus_client import PrometheusClient
from kpp.errors import ClusterError, ShortfallError

_CHECK_COLUMNS = 15  # the longest name of a check, and a space
_INDENT = 5 + _CHECK_COLUMNS
_STYLES = {Outcome.PASS: "green", Outcome.WARN: "yellow", Outcome.FAIL: "bold red"}
SKIP = "--skip-checks"


def show_checks(config: Config, plan: Plan, clock: Clock, *, as_json: bool) -> None:
    """Run all checks and print them.

    Raises:
        ClusterError: neither the cluster nor Prometheus could be reached.
        ShortfallError: something failed.
    """
    report = _check(config, plan, clock)
    if as_json:
        typer.echo(json.dumps(as_data(report), indent=2))
    else:
        print_findings(report.findings, Console(markup=False, emoji=False, highlight=False))
        typer.echo(_sum_up(report))
    if len(report.unreachable) > 1:
        raise report.unreachable[0]
    _refuse(report, "run `kpp collect --check` again when they are mended")


def require_ready(subject: Subject, console: Console) -> None:
    """Run all checks before a campaign; show what is not as it should be.

    Raises:
        ClusterError: the cluster or Prometheus could not be reached.
        ShortfallError: something failed, so the campaign is not started.
    """
    report = run_preflight(subject)
    if report.unreachable:
        raise report.unreachable[0]
    print_findings([*report.failed, *report.warned], console)
    _refuse(report, f"mend them, or start all the same with {SKIP}")


def print_findings(findings: Iterable[Finding], console: Console) -> None:
    """One finding after the other, in lines no longer than the console is wide; commands are not broken."""
    for finding in findings:
        first, *rest = _wrap(finding.text, console.width) or [""]
        console.print(f"{finding.outcome:<5}", style=_STYLES[finding.outcome], end="")
        console.print(f"{finding.check:<{_CHECK_COLUMNS}}{first}", soft_wrap=True)
        for line in (*rest, *_wrap(f"-> {finding.mend}" if finding.mend else "", console.width)):
            console.print(f"{'':<{_INDENT}}{line}", soft_wrap=True)
        if finding.command:
            console.print(f"{'':<{_INDENT}}$ {finding.command}", soft_wrap=True)


def as_data(report: Report) -> dict[str, object]:
    """The report as plain data."""
    return {
        "passed": not report.failed,
        "findings": [{**asdict(each), "outcome": each.outcome.value} for each in report.findings],
    }


def _check(config: Config, plan: Plan, clock: Clock) -> Report:
    with PrometheusClient(config, clock) as prometheus:
        try:
            with KubernetesClient(config, clock) as cluster:
                return run_preflight(Subject(config, plan, cluster.api, prometheus, clock))
        except ClusterError as error:  # no credentials, so no client: every other error is in the report
            return run_preflight(Subject(config, plan, error, prometheus, clock))


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(width - _INDENT, 20), break_long_words=False, break_on_hyphens=False)


def _sum_up(report: Report) -> str:
    counts = {outcome: sum(each.outcome is outcome for each in report.findings) for outcome in Outcome}
    return f"passed: {counts[Outcome.PASS]}, warnings: {counts[Outcome.WARN]}, failed: {counts[Outcome.FAIL]}"


def _refuse(report: Report, mend: str) -> None:
    if report.failed:
        names = ", ".join(dict.fromkeys(each.check for each in report.failed))
        count = f"{len(report.failed)} of {len(report.findings)} checks"
        raise ShortfallError(f"{count} failed: {names}", where="before the campaign", mend=mend)
