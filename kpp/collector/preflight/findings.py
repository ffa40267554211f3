"""What a check says: pass, warn or fail, what was found, and what mends it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from kpp.errors import ClusterError


class Outcome(StrEnum):
    """How a check went. A campaign does not start while one fails."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    check: str  # what was checked, in a word or two
    outcome: Outcome
    text: str  # what was found
    mend: str = ""  # what to do about it; empty only where all is well
    command: str = ""  # for a shell, if one does it


@dataclass(frozen=True)
class Report:
    """All findings, and what could not be reached."""

    findings: tuple[Finding, ...]
    unreachable: tuple[ClusterError, ...] = ()

    @property
    def failed(self) -> tuple[Finding, ...]:
        """The findings that keep a campaign from starting."""
        return tuple(each for each in self.findings if each.outcome is Outcome.FAIL)

    @property
    def warned(self) -> tuple[Finding, ...]:
        """The findings that a person should know of."""
        return tuple(each for each in self.findings if each.outcome is Outcome.WARN)


def name_some(names: Iterable[str], most: int = 6) -> str:
    """Names as part of a sentence, the rest of a long list counted.

    >>> name_some(["b", "a"]), name_some("abcdefgh", 3)
    ('a, b', 'a, b, c and 5 more')
    """
    ordered = sorted(names)
    rest = len(ordered) - most
    return ", ".join(ordered[:most]) + (f" and {rest} more" if rest > 0 else "")
