"""Every error that kpp raises on purpose.

    KppError                    1  a fault in kpp
    ├── ConfigError             2  wrong usage or configuration
    ├── InputError              3  bad input data
    ├── ClusterError            4  the cluster or Prometheus could not be reached, or refused
    │   ├── KubernetesError
    │   │   ├── RolloutError       a roll-out did not finish
    │   │   └── LeaseLostError     another campaign has taken the namespace over
    │   └── PrometheusError
    │       └── QueryError         a query has no answer
    ├── ShortfallError          5  a result fell short of what was asked
    └── Interrupted           130  Ctrl-C or SIGTERM

The number is the exit code of the command line. Each error is one line: where, what, and how to mend it.
"""

from typing import Any


class KppError(Exception):
    """What went wrong, where, and how to mend it, as one line.

    >>> print(InputError("the file is empty", where="a.csv", mend="collect again or name another file"))
    a.csv: the file is empty; collect again or name another file
    """

    exit_code = 1

    def __init__(self, what: str, *, mend: str, where: str | None = None) -> None:
        self.what = what
        self.where = where
        self.mend = mend
        place = f"{where}: " if where else ""
        super().__init__(f"{place}{what}; {mend}")

    def __reduce__(self) -> tuple[Any, ...]:
        """So that one that was raised in another process is the same here."""
        return _raised_elsewhere, (type(self), self.what, self.mend, self.where)


def _raised_elsewhere(kind: type[KppError], what: str, mend: str, where: str | None) -> KppError:
    return kind(what, mend=mend, where=where)


class ConfigError(KppError):
    """A setting or an option is missing or wrong."""

    exit_code = 2


class InputError(KppError):
    """A file that was handed in cannot be used."""

    exit_code = 3


class ClusterError(KppError):
    """The cluster or its monitoring could not be reached, or refused."""

    exit_code = 4


class KubernetesError(ClusterError):
    """The Kubernetes API could not be reached, or refused."""


class RolloutError(KubernetesError):
    """A roll-out did not finish in time, or failed."""


class LeaseLostError(KubernetesError):
    """Another campaign has taken the namespace over: nothing more may be changed there, or put back."""


class PrometheusError(ClusterError):
    """Prometheus could not be reached, or refused a query."""


class QueryError(PrometheusError):
    """A query has no answer.

    Attributes:
        query: its name.
        is_passing: the same query may be answered a little later.
        is_too_much: a part of it may be answered.
        is_refused: the server objects to what it asks.
        retry_after: how long to wait, in the server's words; empty if it said nothing.
    """

    query = ""
    is_passing = False
    is_too_much = False
    is_refused = False
    retry_after = ""


class ShortfallError(KppError):
    """A result fell short of what was asked."""

    exit_code = 5


class Interrupted(KppError):  # noqa: N818 - it is no error: the user asked for it
    """Ctrl-C or SIGTERM."""

    exit_code = 130
