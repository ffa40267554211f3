"""The series of one cgroup, as cAdvisor names them (`metrics/prometheus.go`)."""

from dataclasses import dataclass

from kpp.simulator.metrics.series import Block, Family, Labels, Layout, Series, block, layout_of

PERIOD_SECONDS = 0.1  # of CFS
_PERIOD_MICROSECONDS = 100_000
_FEWEST_SHARES = 2  # the kernel's

CPU_USAGE = Family("container_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed in seconds.")
CFS_PERIODS = Family(
    "container_cpu_cfs_periods_total", "counter", "Number of elapsed enforcement period intervals."
)
CFS_THROTTLED_PERIODS = Family(
    "container_cpu_cfs_throttled_periods_total", "counter", "Number of throttled period intervals."
)
CFS_THROTTLED_SECONDS = Family(
    "container_cpu_cfs_throttled_seconds_total",
    "counter",
    "Total time duration the container has been throttled.",
)
LAST_SEEN = Family("container_last_seen", "gauge", "Last time a container was seen by the exporter")
START_TIME = Family(
    "container_start_time_seconds", "gauge", "Start time of the container since unix epoch in seconds."
)
SPEC_PERIOD = Family("container_spec_cpu_period", "gauge", "CPU period of the container.")
SPEC_QUOTA = Family("container_spec_cpu_quota", "gauge", "CPU quota of the container.")
SPEC_SHARES = Family("container_spec_cpu_shares", "gauge", "CPU share of the container.")
SPEC_MEMORY_LIMIT = Family("container_spec_memory_limit_bytes", "gauge", "Memory limit for the container.")
MACHINE_CORES = Family("machine_cpu_cores", "gauge", "Number of logical CPU cores.")

_USAGE = (Series(CPU_USAGE, labels=(("cpu", "total"),)), Series(LAST_SEEN))
_CFS = (Series(CFS_PERIODS), Series(CFS_THROTTLED_PERIODS), Series(CFS_THROTTLED_SECONDS))
_FREE_LAYOUT, _LIMITED_LAYOUT = Layout(_USAGE), Layout((*_USAGE, *_CFS))
_SPEC_LAYOUT = layout_of(START_TIME, SPEC_PERIOD, SPEC_SHARES, SPEC_MEMORY_LIMIT)
_QUOTA_LAYOUT = layout_of(SPEC_QUOTA)
_MACHINE_LAYOUT = layout_of(MACHINE_CORES)


@dataclass(frozen=True)
class Cgroup:
    """A cgroup: its path, the labels that the kubelet adds to it, and what it may use."""

    path: str
    labels: Labels = ()
    cpu_request_cores: float | None = None
    cpu_limit_cores: float | None = None  # None: no quota, and nothing that CFS counts
    memory_limit_bytes: float | None = None


@dataclass(frozen=True)
class CpuReading:
    """Its counters at one instant."""

    cpu_seconds: float
    started_at: float  # Unix seconds
    periods: int = 0
    throttled_periods: int = 0
    throttled_seconds: float = 0.0


def expose_cgroup(cgroup: Cgroup, reading: CpuReading, seen_at: float) -> list[Block]:
    """The series of a cgroup. Its counters carry the time of the reading, its specification does not.

    Args:
        cgroup: whose series.
        reading: its counters at `seen_at`.
        seen_at: Unix seconds.
    """
    labels = (("id", cgroup.path), *cgroup.labels)
    usage, timestamp_ms = [reading.cpu_seconds, float(int(seen_at))], round(seen_at * 1000)
    shares = max(int((cgroup.cpu_request_cores or 0.0) * 1024), _FEWEST_SHARES)
    spec = [reading.started_at, _PERIOD_MICROSECONDS, shares, cgroup.memory_limit_bytes or 0.0]
    specified = block(_SPEC_LAYOUT, labels, spec)
    if cgroup.cpu_limit_cores is None:
        return [block(_FREE_LAYOUT, labels, usage, timestamp_ms), specified]
    cfs = [reading.periods, reading.throttled_periods, reading.throttled_seconds]
    quota = block(_QUOTA_LAYOUT, labels, [round(cgroup.cpu_limit_cores * _PERIOD_MICROSECONDS)])
    return [block(_LIMITED_LAYOUT, labels, [*usage, *cfs], timestamp_ms), specified, quota]


def expose_machine(cores: float) -> Block:
    """What cAdvisor says of the machine itself."""
    return block(_MACHINE_LAYOUT, (), [cores])
