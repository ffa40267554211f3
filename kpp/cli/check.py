"""`kpp check`: data quality by the laws of queueing, and what a campaign tells about an application."""

import json
import math
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from kpp.cli.options import Calls, CpuLimits
from kpp.cli.whatif.files import read_campaign, show_notes
from kpp.errors import ShortfallError

if TYPE_CHECKING:
    from kpp.queueing.checks.findings import Finding
    from kpp.queueing.estimation.estimates import Estimates
    from kpp.queueing.estimation.robust import Estimate

ORDER = ("fault", "doubt", "untold", "ok")
MOST_SERVICES = 30  # on screen
NEGLIGIBLE = 1e-6  # relative
MOST_COLUMNS = 120  # longer lines are hard to read


def check(
    *,
    files: Annotated[
        list[Path], typer.Argument(metavar="CSV...", help="Tables of measurements of one application.")
    ],
    calls: Calls = None,
    cpu_limits: CpuLimits = None,
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
    from kpp.queueing.checks.checks import check_quality
    from kpp.queueing.checks.findings import Grade
    from kpp.queueing.estimation.estimation import estimate  # late, to keep `kpp --help` quick

    campaign, notes = read_campaign(files, calls, cpu_limits)
    show_notes(notes)
    found = estimate(campaign.measurements, campaign.calls, campaign.cpu_limits)
    findings = check_quality(found, think_time)
    if as_json:
        typer.echo(json.dumps(as_data(found, findings), indent=2, allow_nan=False))
    else:
        width = min(Console().width, MOST_COLUMNS)
        for line in (*render_estimates(found, width), "", *render_findings(findings, width)):
            typer.echo(line)
    faults = [finding for finding in findings if finding.grade is Grade.FAULT]
    if faults:
        first = f"{faults[0].check} ({faults[0].subject})"
        what = f"{len(faults)} of {len(findings)} checks found a fault, the first: {first}"
        raise ShortfallError(what, mend="collect again, or mend the tables before you train on them")


def render_estimates(found: "Estimates", width: int) -> Iterator[str]:
    """The application as estimated; a table of at most 80 columns, texts within `width`."""
    from kpp.cli.whatif.predictions import cut_middle

    levels = found.levels
    entry = levels.services[found.parameters.entry]
    bottleneck, bound = found.bottleneck()
    yield from _wrap(f"Entry service: {entry} ({found.entry_reason})", width)
    yield f"Think time: {_tell(found.think_time)} s per request"
    if math.isfinite(bound):
        who, most = levels.services[bottleneck], _tell_rate(bound)
        yield from _wrap(
            f"Bottleneck: {who}, from {found.knee():.0f} users on; at most {most} req/s at {entry}",
            width,
        )
    else:
        yield "Bottleneck: not known, as no CPU limit is"
    yield ""
    yield f"{'':<22}{'visits per':>16}{'CPU demand':>13}{'background':>13}{'limit':>6}{'saturates':>10}"
    yield f"{'service':<22}{'request':>16}{'ms':>13}{'millicores':>13}{'cores':>6}{'at req/s':>10}"
    rows = list(_rows(found))
    for row in rows[:MOST_SERVICES]:
        limit = "" if row["cpu_limit_cores"] is None else f"{row['cpu_limit_cores']:.2g}"
        rate = "" if row["replica_saturation_rps"] is None else _tell_rate(row["replica_saturation_rps"])
        demand, background = (_tell_pair(row[name], 1e3) for name in ("demand_seconds", "background_cores"))
        visits = _tell_pair(row["visit_ratio"], 1)
        cells = f" {visits:>15} {demand:>12} {background:>12} {limit:>5} {rate:>9}"
        yield f"{cut_middle(row['service'], 21):<22}{cells}"
    if len(rows) > MOST_SERVICES:
        yield f"… and {len(rows) - MOST_SERVICES} services more: --json has all"
    yield "Background, limit and saturation are those of one replica."
    for source in dict.fromkeys(row["limit_source"] for row in rows):
        services = [row["service"] for row in rows if row["limit_source"] == source]
        yield from _wrap(f"CPU limit {source}: {_name(services, len(rows))}", width)


def render_findings(findings: Sequence["Finding"], width: int) -> Iterator[str]:
    """Faults first, each with its factor and text; those of a check that came out well together."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in sorted(findings, key=lambda each: ORDER.index(each.grade.value)):
        groups.setdefault((finding.grade.value, finding.check), []).append(finding)
    for (grade, check_name), group in groups.items():
        if grade == "ok" and len(group) > 1:
            yield from _wrap(f"{grade:<8}{check_name}: {len(group)} times", width)
            continue
        for finding in group[:MOST_SERVICES]:
            factor = "" if math.isnan(finding.factor.value) else f", factor {finding.factor.value:.2f}"
            yield from _wrap(f"{grade:<8}{check_name}, {finding.subject}{factor}: {finding.text}", width)
        if len(group) > MOST_SERVICES:
            yield f"{'':<8}… and {len(group) - MOST_SERVICES} more: --json has all"


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent=" " * 8, break_on_hyphens=False)


def _name(services: Sequence[str], of: int) -> str:
    if len(services) == of:
        return "all services" if of > 1 else services[0]
    more = f" and {len(services) - MOST_SERVICES} more" if len(services) > MOST_SERVICES else ""
    return ", ".join(services[:MOST_SERVICES]) + more


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


def _tell_rate(rps: float) -> str:
    """Three digits, and no exponent where that is short.

    >>> _tell_rate(66.84), _tell_rate(1071.3)
    ('66.8', '1071')
    """
    return f"{rps:.0f}" if 999.5 <= rps < 1e6 else f"{rps:.3g}"


def _tell(estimate: "Estimate") -> str:
    return _tell_pair(_pair(estimate.value, estimate.standard_error), 1)


def _tell_pair(pair: dict[str, float | None], factor: float) -> str:
    if pair["value"] is None:
        return ""
    text, error = f"{factor * pair['value']:.3g}", pair["standard_error"]
    if error is None:
        return text
    told = error if abs(error) > NEGLIGIBLE * abs(pair["value"]) else 0.0  # what rounding leaves
    return f"{text} ± {factor * told:.1g}"
