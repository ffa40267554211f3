"""Whether the rate window holds enough samples: the scrape interval, measured from the samples themselves."""

import math
from collections.abc import Iterator, Mapping

from kpp.collector.config import Config
from kpp.collector.preflight.findings import Finding, Outcome

CHECK = "rate window"
WANTED_INTERVALS = 4  # a late or lost scrape then leaves a rate that is still one
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


def judge_scraping(intervals: Mapping[str, float | None], config: Config) -> Iterator[Finding]:
    """What is found of each metric's scrape interval, in seconds, against the rate window."""
    window_seconds = config.rate_window_seconds
    for metric, interval_seconds in intervals.items():
        if interval_seconds is None:
            longest = WINDOWS_SECONDS[-1] // 60
            text = f"{metric}: no two samples in {longest} minutes, so its scrape interval is not known"
            yield Finding(CHECK, Outcome.WARN, text, "see whether `up` is 1 in Prometheus, and check again")
            continue
        held = window_seconds / interval_seconds
        text = f"{metric}: at most {interval_seconds:.0f} s between scrapes"
        text += f", so {held:.1f} in {window_seconds} s"
        wanted = math.ceil(WANTED_INTERVALS * interval_seconds / 10) * 10
        mend = f"take a window of {WANTED_INTERVALS} scrapes, or a shorter scrape_interval in Prometheus:"
        warmup = max(wanted, math.ceil(config.warmup_seconds))
        command = f"kpp collect --rate-window-seconds {wanted} --warmup-seconds {warmup}"
        if held < NEEDED_INTERVALS * TOLERANCE:
            yield Finding(CHECK, Outcome.FAIL, f"{text}: rate() finds nothing", mend, command)
        elif held < WANTED_INTERVALS * TOLERANCE:
            yield Finding(CHECK, Outcome.WARN, f"{text}: a lost scrape leaves a gap", mend, command)
        else:
            yield Finding(CHECK, Outcome.PASS, text)
