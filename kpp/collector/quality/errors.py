"""How many requests fail, and whether an experiment has used up the share that may."""

from collections.abc import Iterable

from kpp.collector.measurement import Measurement
from kpp.errors import ShortfallError

FEWEST_REQUESTS = 100  # before that, one failure is no share


def error_share(rows: Iterable[Measurement]) -> float | None:
    """Failed requests in all requests; None where there was no request.

    The windows are equally long, so that rates add up like requests.
    """
    known = [
        (row.error_rate_rps, row.throughput_rps)
        for row in rows
        if row.error_rate_rps is not None and row.throughput_rps is not None
    ]
    requests = sum(throughput for _, throughput in known)
    return sum(errors for errors, _ in known) / requests if requests > 0 else None


def keep_to_budget(
    rows: Iterable[Measurement], entry_service: str, budget: float | None, interval_seconds: float
) -> None:
    """End an experiment that breaks the application.

    Args:
        rows: of the experiment so far, all services.
        entry_service: whose requests are those of the users; where it is not measured, all services count.
        budget: the share of requests that may fail, 0 to 1; None: any.
        interval_seconds: the time that a row stands for.

    Raises:
        ShortfallError: more have failed.
    """
    if budget is None:
        return
    rows = list(rows)
    counted = [row for row in rows if row.service == entry_service] or rows
    share = error_share(counted)
    request_count = interval_seconds * sum(row.throughput_rps or 0.0 for row in counted)
    if share is not None and share > budget and request_count >= FEWEST_REQUESTS:
        raise ShortfallError(
            f"{share:.1%} of {request_count:.0f} requests failed, and the error budget is {budget:.1%}",
            where=f"the experiment with {counted[-1].user_count} users",
            mend="what was measured is kept; measure fewer users, or raise KPP_ERROR_BUDGET",
        )
