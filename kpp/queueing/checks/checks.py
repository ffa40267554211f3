"""Laws as checks of data quality: what contradicts them was measured wrong, and by which factor."""

from kpp.queueing.checks.cpu import check_cpu_by_file, check_cpu_limits, check_cpu_time
from kpp.queueing.checks.findings import Finding
from kpp.queueing.checks.flow import check_calls, check_visit_ratios
from kpp.queueing.checks.users import check_think_time_by_file, check_throughput, check_users
from kpp.queueing.estimation.estimates import Estimates


def check_quality(found: Estimates, think_time_seconds: float | None = None) -> list[Finding]:
    """All checks of a campaign.

    Args:
        found: `kpp.queueing.estimation.estimates.estimate` of it.
        think_time_seconds: the users' true pause per request to the entry service, where it is known.
    """
    return [
        *check_throughput(found, think_time_seconds),
        *check_users(found),
        *check_think_time_by_file(found),
        *check_calls(found),
        *check_visit_ratios(found),
        *check_cpu_limits(found),
        *check_cpu_time(found),
        *check_cpu_by_file(found),
    ]
