"""Whether the rate window holds enough samples: the scrape interval, measured from the samples themselves."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from kpp.collector.config import Config
from kpp.collector.preflight.findings import Finding, Outcome

CHECK = "rate window"
NEEDED_INTERVALS = 2  # `rate` needs two samples in every window, wherever it lies
TOLERANCE = 0.85  # samples jitter, cAdvisor's most
WINDOWS_SECONDS = (60, 120, 240, 480, 960)  # over which samples are counted


def scrape_interval_seconds(counts: Mapping[int, float]) -> float | None:
    """The time between two samples of a series.

    n samples within w seconds span n - 1 intervals, so an interval is at most w / (n - 1); the least of these
    bounds is the closest. A series younger than a window only makes that window's bound weaker.

    Args:
        counts: how many samples the fullest series has in each window, in seconds.

    Returns:
        Seconds; None when no window has two samples.

    >>> scrape_interval_seconds({60: 5, 120: 8, 240: 8})
    15.0
    """
    bounds = [window / (count - 1) for window, count in counts.items() if count >= 2]
    return min(bounds, default=None)


@dataclass(frozen=True)
class Window:
    """A range of `rate()` among the settings."""

    field: str
    wanted_intervals: int  # a late or lost scrape then leaves a rate that is still one

    def mend(self, interval_seconds: float, config: Config) -> str:
        """The command that takes a window long enough, and a warm-up that it fits into."""
        seconds = math.ceil(self.wanted_intervals * interval_seconds / 10) * 10
        option = self.field.replace("_", "-")
        warmup = max(seconds, math.ceil(config.warmup_seconds))
        return f"kpp collect --{option} {seconds} --warmup-seconds {warmup}"


REQUESTS = Window("rate_window_seconds", 4)
CPU = Window("cpu_rate_window_seconds", 4)


def judge_scraping(metric: str, interval_seconds: float | None, window: Window, config: Config) -> Finding:
    """What is found of a metric's scrape interval against the range of its rates."""
    if interval_seconds is None:
        text = (
            f"{metric}: no two samples in {WINDOWS_SECONDS[-1] // 60} minutes, so no scrape interval is known"
        )
        return Finding(CHECK, Outcome.WARN, text, "see whether `up` is 1 in Prometheus, and check again")
    window_seconds = getattr(config, window.field)
    held = window_seconds / interval_seconds
    text = f"{metric}: at most {interval_seconds:.0f} s between scrapes, so {held:.1f} in {window_seconds} s"
    if held >= window.wanted_intervals * TOLERANCE:
        return Finding(CHECK, Outcome.PASS, text)
    mend = f"take a window of {window.wanted_intervals} scrapes, or a shorter scrape_interval in Prometheus:"
    command = window.mend(interval_seconds, config)
    if held < NEEDED_INTERVALS * TOLERANCE:
        return Finding(CHECK, Outcome.FAIL, f"{text}: rate() finds nothing", mend, command)
    return Finding(CHECK, Outcome.WARN, f"{text}: a lost scrape leaves a gap", mend, command)
