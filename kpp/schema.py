"""The table of measurements: the names of its columns, their order and units."""

import re

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

CALLER, CALLEE, CALLS = "Caller", "Callee", "Calls"  # Calls: mean calls per request that the caller serves

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def is_dns_label(name: str) -> bool:
    """Whether `name` is a DNS-1123 label, as Kubernetes asks of a Service's name (at most 63 characters).

    >>> is_dns_label("cartservice"), is_dns_label("../../etc"), is_dns_label("Cart")
    (True, False, False)
    """
    return _DNS_LABEL.fullmatch(name) is not None
