"""The table of measurements as others see it: the names of its columns, their order and units."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

TIMESTAMP = "Timestamp"  # Unix seconds, UTC
SERVICE = "Service"
USER_COUNT = "User Count"
RESPONSE_TIME = "Response Time (s)"
THROUGHPUT = "Throughput (req/s)"
CPU_USAGE = "CPU Usage"  # cores, all replicas together

REPLICAS = "Replicas"
CPU_REQUEST = "CPU Request"  # cores of one replica
CPU_LIMIT = "CPU Limit"  # cores of one replica
SIDECAR_CPU_USAGE = "Sidecar CPU Usage"  # cores, all replicas together
THROTTLED = "Throttled"  # share of CFS periods, 0 to 1
ERROR_RATE = "Error Rate (req/s)"
RESPONSE_TIME_P95 = "Response Time p95 (s)"

TARGETS = (RESPONSE_TIME, THROUGHPUT, CPU_USAGE)
REQUIRED_COLUMNS = (TIMESTAMP, SERVICE, USER_COUNT, *TARGETS)
OPTIONAL_COLUMNS = (
    REPLICAS,
    CPU_REQUEST,
    CPU_LIMIT,
    SIDECAR_CPU_USAGE,
    THROTTLED,
    ERROR_RATE,
    RESPONSE_TIME_P95,
)

SOURCE, LINE = "Source", "Line"  # where a row was read: the file, and its line (in Parquet its row) from 1
REASON = "Reason"  # why a row was left out

CALLER, CALLEE, CALLS = "Caller", "Callee", "Calls"  # Calls: mean calls per request that the caller serves

STEP_SECONDS = 60  # the grid that timestamps are rounded to

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class Table:
    """Measurements as read: valid, typed, without duplicates, in the order of the files.

    Attributes:
        frame: the required columns, the optional ones that a file has, and `SOURCE` and `LINE`; numbers are
            float64, a missing value is NaN. Each row has a timestamp, a service, a user count and one of the
            targets. There is at least one, but maybe none in a group of services.
        left_out: the rows that cannot be used, as `SERVICE` (empty if unknown), `SOURCE`, `LINE`, `REASON`.
        notes: what reading changed or ignored, one line each, with files and lines.
        group: its number among the groups of services that the tables are read in, and how many there are.
    """

    frame: "pd.DataFrame"
    left_out: "pd.DataFrame"
    notes: tuple[str, ...] = ()
    group: tuple[int, int] = (1, 1)


def is_dns_label(name: str) -> bool:
    """Whether `name` is a DNS-1123 label, as Kubernetes asks of a Service's name (at most 63 characters).

    >>> is_dns_label("cartservice"), is_dns_label("../../etc"), is_dns_label("Cart")
    (True, False, False)
    """
    return _DNS_LABEL.fullmatch(name) is not None
