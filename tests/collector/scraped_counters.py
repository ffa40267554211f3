"""Counters that grow by one a second, scraped now and then: whatever `rate` says of them, the truth is 1."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

Labels = dict[str, str]
Samples = list[tuple[int, float]]  # Unix milliseconds, value

STARTED_AT = 1_700_000_000.0  # of the counters; none was 0 for a long time
COUNTED_BEFORE = 1e6
METRIC = "work_seconds_total"


@dataclass(frozen=True)
class Outage:
    """A time in which nothing is scraped, both ends included; Unix seconds."""

    start: float
    end: float
    targets: frozenset[str] | None = None  # None: all, as when Prometheus is down

    def hits(self, target: str, at: float) -> bool:
        """Whether a scrape of a target fails."""
        return self.start <= at <= self.end and (self.targets is None or target in self.targets)


def scrape_evenly(start: float, end: float, every_seconds: float) -> list[float]:
    """When a target is scraped, Unix seconds."""
    return [start + every_seconds * number for number in range(int((end - start) / every_seconds) + 1)]


def sample(
    scrapes: Mapping[str, Sequence[float]], outages: Sequence[Outage]
) -> Iterator[tuple[str, Samples]]:
    """The samples of each target: those scrapes that no outage hits."""
    for target, times in scrapes.items():
        taken = [at for at in times if not any(each.hits(target, at) for each in outages)]
        yield target, [(round(1000 * at), COUNTED_BEFORE + (at - STARTED_AT)) for at in taken]


def name(target: str, workload: str = "web", case: str = "0") -> Labels:
    """The labels of a target's counter."""
    return {"__name__": METRIC, "destination_workload": workload, "instance": target, "case": case}
