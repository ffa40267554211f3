"""Whether this machine, the API server and Prometheus agree on what time it is.

Queries are evaluated at instants of this machine's clock. If it is behind Prometheus's, the first windows of
an experiment reach back into its warm-up; if it is ahead, the last samples of a window are not there yet.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kpp.collector.config import Config
from kpp.collector.preflight.findings import Finding, Outcome

CHECK = "clock"
WARNED_SECONDS = 2.0  # a second is within what NTP and the header's whole seconds leave open
FAILED_SHARE = 0.25  # of the rate window: more would mix a quarter of another phase into a sample


_COMMAND = "timedatectl set-ntp true"


@dataclass(frozen=True)
class Skew:
    """How far another clock is ahead of this machine's (negative: behind), and how well that is known."""

    seconds: float
    uncertainty_seconds: float

    @property
    def least_seconds(self) -> float:
        """The difference that there is at least, without its sign."""
        return max(abs(self.seconds) - self.uncertainty_seconds, 0.0)


def measure_skew(asked_at: float, answered_at: float, told: float, resolution_seconds: float = 0.0) -> Skew:
    """The skew of a clock that told its time between two instants of ours, as in NTP (RFC 5905, section 8).

    Args:
        asked_at: when we asked, Unix seconds.
        answered_at: when the answer was here.
        told: what the other clock told, cut to its resolution.
        resolution_seconds: the step in which it tells.

    >>> measure_skew(100.0, 102.0, 111.0)
    Skew(seconds=10.0, uncertainty_seconds=1.0)
    """
    middle = (asked_at + answered_at) / 2
    uncertainty = (answered_at - asked_at + resolution_seconds) / 2
    return Skew(told + resolution_seconds / 2 - middle, uncertainty)


def judge_clocks(skews: Mapping[str, Skew], config: Config) -> Iterator[Finding]:
    """What is found of each other clock, by the name of who has it."""
    for name, skew in skews.items():
        text = f"{name} is {abs(skew.seconds):.1f} s {'ahead' if skew.seconds > 0 else 'behind'}"
        text += f" (± {skew.uncertainty_seconds:.1f} s)"
        mend = "set this machine's clock and those of the nodes by NTP (Minikube: start it anew):"
        if skew.least_seconds > FAILED_SHARE * config.rate_window_seconds:
            yield Finding(CHECK, Outcome.FAIL, text, mend, _COMMAND)
        elif skew.least_seconds > WARNED_SECONDS:
            yield Finding(CHECK, Outcome.WARN, text, mend, _COMMAND)
        else:
            yield Finding(CHECK, Outcome.PASS, text)
