"""What a check of data quality found."""

from dataclasses import dataclass
from enum import StrEnum

from kpp.queueing.estimation.robust import Estimate

SIGNIFICANT = 3.0  # standard errors: a deviation below may be chance


class Grade(StrEnum):
    """How a check came out."""

    OK = "ok"
    UNTOLD = "untold"  # the data cannot tell
    DOUBT = "doubt"  # odd, but possible
    FAULT = "fault"


@dataclass(frozen=True)
class Finding:
    """One line of a report.

    Attributes:
        check: its name.
        subject: a service, a file, or what else was checked.
        grade: how it came out.
        factor: measured / what the law says; NaN if there is none.
        text: one line for people: what was found, and what may be behind it.
    """

    check: str
    subject: str
    grade: Grade
    factor: Estimate
    text: str


NO_FACTOR = Estimate(float("nan"), float("nan"))


def deviates(factor: Estimate, tolerance: float) -> bool:
    """Whether a factor differs from 1 by more than the tolerance and more than chance."""
    apart = abs(factor.value - 1)
    error = 0.0 if factor.standard_error != factor.standard_error else factor.standard_error
    return apart > tolerance and apart > SIGNIFICANT * error


def tell_factor(factor: Estimate) -> str:
    """A factor with its standard error, in words.

    >>> tell_factor(Estimate(1.987, 0.012)), tell_factor(Estimate(1.9, float("nan")))
    ('1.99 ± 0.01', '1.90')
    """
    if factor.standard_error != factor.standard_error:
        return f"{factor.value:.2f}"
    return f"{factor.value:.2f} ± {factor.standard_error:.2f}"
