"""Series with all that makes PromQL hard: resets, gaps, late starts, stale markers, NaN, odd buckets."""

import math
import random
from collections.abc import Callable, Iterator
from itertools import accumulate

from kpp.simulator.promql import STALE
from tests.simulator.promql.remote_write import Labels, Samples

STARTED_AT_MS = 1_700_000_000_000
SCRAPE_MS = 15_000
SCRAPE_COUNT = 120
ENDED_AT_MS = STARTED_AT_MS + SCRAPE_MS * (SCRAPE_COUNT - 1)

Series = tuple[Labels, Samples]

_TIMES = [STARTED_AT_MS + SCRAPE_MS * scrape for scrape in range(SCRAPE_COUNT)]
_JOBS = (("api", "a"), ("api", "b"), ("web", "a"), ("web", "c"))


def sample_series() -> Iterator[Series]:
    """The series, in the order in which both stores shall know them; always the same."""
    chance = random.Random(2042)
    yield from _counters(chance)
    yield from _gauges(chance)
    yield from _one_sides(chance)
    yield from _histograms(chance)
    yield from _shop(chance)


def _shaped(shape: str, chance: random.Random, value_at: Callable[[int], float]) -> Samples:
    """The samples of a series, with the irregularity that `shape` names."""
    samples = [(time, value_at(scrape)) for scrape, time in enumerate(_TIMES)]
    return _SHAPES[shape](samples, chance)


def _jitter(samples: Samples, chance: random.Random) -> Samples:
    return [(time + chance.randrange(-6000, 6000), value) for time, value in samples]


def _lag(samples: Samples, chance: random.Random) -> Samples:
    """CAdvisor's own timestamps: late, and not at every scrape."""
    return [(time - 7_123, value) for time, value in samples if chance.random() < 0.7]


def _blink(samples: Samples, _chance: random.Random) -> Samples:
    return [(time, STALE if scrape % 9 == 4 else value) for scrape, (time, value) in enumerate(samples)]


_SHAPES: dict[str, Callable[[Samples, random.Random], Samples]] = {
    "even": lambda samples, _: samples,
    "gap": lambda samples, _: [*samples[:40], *samples[70:]],  # longer than the look-back, without a marker
    "restart": lambda samples, _: [*samples[:50], (_TIMES[50], STALE), *samples[58:]],
    "late": lambda samples, _: samples[63:],
    "early": lambda samples, _: [*samples[:80], (_TIMES[80], STALE)],
    "jitter": _jitter,
    "lagging": _lag,
    "blinking": _blink,
}


def _constant(value: float) -> Callable[[int], float]:
    return lambda _: value


def _counter(chance: random.Random, *, reset_share: float = 0.02) -> Callable[[int], float]:
    """A counter with resets; its first value may be so low that `rate` meets its zero."""
    values = [chance.choice([0.0, 3.0, 50.0, 1e6])]
    for _ in range(SCRAPE_COUNT):
        grows = values[-1] + chance.choice([0, 1, 7.25, 30, chance.expovariate(0.1)])
        values.append(chance.uniform(0, 5) if chance.random() < reset_share else grows)
    return values.__getitem__


def _counters(chance: random.Random) -> Iterator[Series]:
    for number, (job, instance) in enumerate(_JOBS):
        for code in ("200", "404", "500"):
            shape = list(_SHAPES)[(number * 3 + int(code[0])) % len(_SHAPES)]
            labels = {"__name__": "http_requests_total", "job": job, "instance": instance, "code": code}
            yield labels, _shaped(shape, chance, _counter(chance))
    yield (
        {"__name__": "errors_total", "job": "api", "instance": "a", "code": "500"},
        _shaped("even", chance, _counter(chance)),
    )
    yield {"__name__": "errors_total", "job": "web", "code": "500"}, _shaped("late", chance, _counter(chance))


def _gauges(chance: random.Random) -> Iterator[Series]:
    for room, shape in zip(
        ("north", "south", "east", "west"), ("even", "gap", "jitter", "blinking"), strict=True
    ):
        values = [chance.gauss(0, 20) for _ in _TIMES]
        yield {"__name__": "temperature", "room": room}, _shaped(shape, chance, values.__getitem__)
    odd = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1e308, -1e308, 5e-324, 1.0]
    for number in range(3):
        values = [chance.choice(odd) if chance.random() < 0.4 else chance.uniform(-5, 5) for _ in _TIMES]
        yield {"__name__": "odd", "number": str(number)}, _shaped("even", chance, values.__getitem__)
    yield {"__name__": "odd", "number": "all-nan"}, _shaped("even", chance, _constant(math.nan))
    steps = [float(scrape // 10) for scrape in range(SCRAPE_COUNT)]
    yield {"__name__": "level", "unit": "m", "zone": 'ü "b" \\c'}, _shaped("even", chance, steps.__getitem__)
    yield {"__name__": "level"}, _shaped("early", chance, steps.__getitem__)


def _one_sides(chance: random.Random) -> Iterator[Series]:
    """What other series are divided by or described with, one for each job and instance."""
    for number, (job, instance) in enumerate(_JOBS):
        labels = {"job": job, "instance": instance}
        quota = float(number + 1)
        yield {"__name__": "quota", **labels}, _shaped("even", chance, _constant(quota))
        before, after = (
            _shaped("restart", chance, _constant(1.0))[:51],
            _shaped("even", chance, _constant(1.0))[58:],
        )
        yield {"__name__": "build_info", **labels, "version": "1"}, before
        yield {"__name__": "build_info", **labels, "version": "2"}, after
    yield {"__name__": "quota", "job": "idle", "instance": "z"}, _shaped("even", chance, _constant(9.0))


def _histograms(chance: random.Random) -> Iterator[Series]:
    for (job, instance), bounds in zip(
        _JOBS,
        (
            ("0.1", "0.5", "1", "2.5", "+Inf"),
            ("0.1", "0.5", "1", "1.0", "+Inf"),  # the same bound twice
            ("-1", "0", "1e0", "+Inf"),
            ("0.1", "0.5", "1"),  # no +Inf
        ),
        strict=True,
    ):
        increments = [[chance.randrange(0, 4) for _ in bounds] for _ in _TIMES]
        for place, bound in enumerate(bounds):
            cumulative = list(accumulate(float(sum(row[: place + 1])) for row in increments))
            labels = {"__name__": "latency_seconds_bucket", "job": job, "instance": instance, "le": bound}
            shape = "blinking" if (job, bound) == ("web", "0.5") else "even"
            yield labels, _shaped(shape, chance, cumulative.__getitem__)
    yield (
        {"__name__": "latency_seconds_bucket", "job": "api", "le": "many"},
        _shaped("even", chance, _constant(3.0)),
    )
    for bound, count in (("1", 7.0), ("2", 5.0), ("4", 9.0), ("+Inf", 8.0)):  # falls: no histogram does
        yield (
            {"__name__": "falling_bucket", "le": bound},
            _shaped("even", chance, _constant(count)),
        )


def _shop(chance: random.Random) -> Iterator[Series]:
    """Istio's and cAdvisor's series of a small shop."""
    calls = (("loadgenerator", "frontend"), ("frontend", "cartservice"), ("frontend", "currencyservice"))
    duration = "istio_request_duration_milliseconds"
    for caller, callee in calls:
        for reporter in ("source", "destination"):
            for code, status in (("200", "0"), ("503", "14"), ("0", "")):
                labels = {
                    "reporter": reporter,
                    "source_workload": caller,
                    "source_workload_namespace": "shop",
                    "destination_workload": callee,
                    "destination_workload_namespace": "shop",
                    "response_code": code,
                    "grpc_response_status": status,
                }
                shape = "late" if code == "503" else "even"
                yield {"__name__": "istio_requests_total", **labels}, _shaped(shape, chance, _counter(chance))
                yield {"__name__": f"{duration}_sum", **labels}, _shaped(shape, chance, _counter(chance))
                yield {"__name__": f"{duration}_count", **labels}, _shaped(shape, chance, _counter(chance))
                for bound in ("5", "10", "25", "50", "100", "+Inf"):
                    yield (
                        {"__name__": f"{duration}_bucket", **labels, "le": bound},
                        _shaped(shape, chance, _counter(chance, reset_share=0.0)),
                    )
    for pod in ("frontend-1", "frontend-2", "cartservice-1"):
        for container in ("server", "istio-proxy", "POD", ""):
            labels = {"namespace": "shop", "pod": pod, "container": container, "image": container and "image"}
            for name in (
                "container_cpu_usage_seconds_total",
                "container_cpu_cfs_periods_total",
                "container_cpu_cfs_throttled_periods_total",
            ):
                yield {"__name__": name, **labels}, _shaped("lagging", chance, _counter(chance))
