"""`kpp check`: data quality by the laws of queueing, and what a campaign tells about an application."""

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kpp.cli.campaign_files import read_campaign
from kpp.errors import ShortfallError

if TYPE_CHECKING:
    from kpp.queueing.estimates import Estimates
    from kpp.queueing.findings import Finding
    from kpp.queueing.robust import Estimate


def check(
    *,
    files: Annotated[
        list[Path], typer.Argument(metavar="CSV...", help="Tables of measurements of one application.")
    ],
    calls: Annotated[
        Path | None,
        typer.Option(help="Who calls whom: Caller,Callee,Calls; if not given, what lies beside the tables."),
    ] = None,
    cpu_limits: Annotated[
        Path | None,
        typer.Option(help="CPU limits where the tables have none: Service,CPU Limit in cores of a replica."),
    ] = None,
    think_time: Annotated[
        float | None,
        typer.Option(min=0, help="The users' true pause per request, in seconds: tells double counting."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Check tables of measurements by the laws of queueing, and print what they tell of each service.

    Finds throughput or CPU that is counted twice, users that the load generator did not reach, think times
    that differ between tables, and lost traffic, each with the factor found. Exits with 5 if something is
    wrong.
    """
    from kpp.queueing.estimation import estimate  # late, to keep `kpp --help` quick
    from kpp.queueing.findings import Grade
    from kpp.queueing.quality import check_quality

    campaign, notes = read_campaign(files, calls, cpu_limits)
    for note in notes:
        typer.echo(note, err=True)
    found = estimate(campaign.measurements, campaign.calls, campaign.cpu_limits)
    findings = check_quality(found, think_time)
    if as_json:
        typer.echo(json.dumps(as_data(found, findings), indent=2))
    else:
        for line in (*render_estimates(found), "", *render_findings(findings)):
            typer.echo(line)
    faults = [finding for finding in findings if finding.grade is Grade.FAULT]
    if faults:
        first = f"{faults[0].check} ({faults[0].subject})"
        what = f"{len(faults)} of {len(findings)} checks found a fault, the first: {first}"
        raise ShortfallError(what, mend="collect again, or mend the tables before you train on them")


def render_estimates(found: "Estimates") -> Iterator[str]:
    """The application as estimated, within 100 columns."""
    levels = found.levels
    entry = levels.services[found.parameters.entry]
    bottleneck, bound = found.bottleneck()
    yield f"Entry service: {entry} ({found.entry_reason})"
    yield f"Think time: {_tell(found.think_time)} s per request"
    if math.isfinite(bound):
        who = levels.services[bottleneck]
        yield f"Bottleneck: {who}, from {found.knee():.0f} users on; at most {bound:.3g} req/s at {entry}"
    else:
        yield "Bottleneck: not known, as no CPU limit is"
    yield ""
    yield "For one replica: CPU limit in cores, and the req/s that saturate it. CPU demand of one request."
    head = f"{'service':<24}{'visits':>16}{'demand ms':>16}{'background mc':>16}{'limit':>7}"
    yield f"{head}{'req/s':>9}  limit is"
    for row in _rows(found):
        limit = "" if row["cpu_limit_cores"] is None else f"{row['cpu_limit_cores']:.2g}"
        rate = "" if row["replica_saturation_rps"] is None else f"{row['replica_saturation_rps']:.3g}"
        parts = [_tell_pair(row["visit_ratio"], 1), _tell_pair(row["demand_seconds"], 1e3)]
        parts.append(_tell_pair(row["background_cores"], 1e3))
        cells = f"{parts[0]:>16}{parts[1]:>16}{parts[2]:>16}{limit:>7}{rate:>9}"
        yield f"{row['service'][:23]:<24}{cells}  {row['limit_source']}"


def render_findings(findings: Sequence["Finding"]) -> Iterator[str]:
    """A line for each finding, faults first."""
    order = ["fault", "doubt", "untold", "ok"]
    for finding in sorted(findings, key=lambda each: order.index(each.grade.value)):
        factor = "" if math.isnan(finding.factor.value) else f"{finding.factor.value:.2f}"
        yield f"{finding.grade.value:<7}{finding.check:<25}{finding.subject:<24}{factor:>6}  {finding.text}"


def as_data(found: "Estimates", findings: Sequence["Finding"]) -> dict[str, Any]:
    """The report as plain data; None for what could not be estimated."""
    bottleneck, bound = found.bottleneck()
    known = math.isfinite(bound)
    return {
        "entry_service": found.levels.services[found.parameters.entry],
        "entry_reason": found.entry_reason,
        "think_time_seconds": _pair(found.think_time.value, found.think_time.standard_error),
        "bottleneck": found.levels.services[bottleneck] if known else None,
        "saturation_rps": bound if known else None,
        "knee_users": found.knee() if known else None,
        "services": list(_rows(found)),
        "findings": [
            {
                "check": finding.check,
                "subject": finding.subject,
                "grade": finding.grade.value,
                "factor": _number(finding.factor.value),
                "standard_error": _number(finding.factor.standard_error),
                "text": finding.text,
            }
            for finding in findings
        ],
    }


def _rows(found: "Estimates") -> Iterator[dict[str, Any]]:
    saturation = found.saturation_of_replica()
    for index, service in enumerate(found.levels.services):
        errors = [math.sqrt(found.cpu.covariance[index, term, term]) for term in (0, 1)]
        visits, unloaded = found.visit_ratios[index], found.unloaded[index]
        yield {
            "service": service,
            "visit_ratio": _pair(visits.value, visits.standard_error),
            "own_time_seconds": _pair(unloaded.value, unloaded.standard_error),
            "demand_seconds": _pair(float(found.cpu.demand[index]), errors[1]),
            "background_cores": _pair(float(found.cpu.background[index]), errors[0]),
            "application_share": _number(float(found.capacity.share[index])),
            "cpu_limit_cores": _number(float(found.capacity.cpu_limit[-1, index])),
            "limit_source": found.capacity.source[index].value,
            "replica_saturation_rps": _number(float(saturation[index])),
        }


def _pair(value: float, error: float) -> dict[str, float | None]:
    return {"value": _number(value), "standard_error": _number(error)}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _tell(estimate: "Estimate") -> str:
    return _tell_pair(_pair(estimate.value, estimate.standard_error), 1)


def _tell_pair(pair: dict[str, float | None], factor: float) -> str:
    if pair["value"] is None:
        return ""
    text = f"{factor * pair['value']:.3g}"
    return text if pair["standard_error"] is None else f"{text} ± {factor * pair['standard_error']:.1g}"
