"""The parameters of Prometheus's HTTP API: instants, durations and how a request carries them."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import promql_parser

from kpp.simulator.promql.errors import BadDataError
from kpp.simulator.promql.parsing import GREATEST_DURATION_MS

# Go's time.RFC3339Nano: the time zone is no option, a fraction is
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_EPOCH = datetime.fromtimestamp(0, tz=UTC)
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


class Parameters:
    """The parameters of one request: in its path, then in its form, then in its URL; the first counts.

    >>> Parameters("step=5", "step=7&query=up", {}).get("step")
    '5'
    """

    def __init__(self, form: str, url_query: str, path: Mapping[str, str]) -> None:
        self._pairs = [
            *path.items(),
            *parse_qsl(form, keep_blank_values=True),
            *parse_qsl(url_query, keep_blank_values=True),
        ]

    def get(self, name: str) -> str:
        """The value of a parameter; empty when it is not given."""
        values = self.get_all(name)
        return values[0] if values else ""

    def get_all(self, name: str) -> Sequence[str]:
        """All values of a parameter that may be given several times."""
        return [value for key, value in self._pairs if key == name]

    def instant_ms(self, name: str, default_ms: int | None = None) -> int:
        """An instant, as Unix time in milliseconds.

        Raises:
            BadDataError: it is no instant, or is missing and has no default.
        """
        text = self.get(name)
        if not text and default_ms is not None:
            return default_ms
        milliseconds = _read_instant_ms(text)
        if milliseconds is None:
            reason = f'cannot parse "{text}" to a valid timestamp'
            if default_ms is not None:  # in Prometheus too, the words depend on it
                reason = f"Invalid time value for '{name}': {reason}"
            raise BadDataError(f'invalid parameter "{name}": {reason}')
        return milliseconds

    def duration_ms(self, name: str) -> int:
        """A duration in milliseconds; it may be negative.

        Raises:
            BadDataError: it is none, or is missing.
        """
        text = self.get(name)
        milliseconds = _read_duration_ms(text)
        if milliseconds is None:
            raise BadDataError(f'invalid parameter "{name}": cannot parse "{text}" to a valid duration')
        return milliseconds


def _read_instant_ms(text: str) -> int | None:
    """Unix seconds or RFC 3339.

    >>> _read_instant_ms("1600000000.25"), _read_instant_ms("2020-09-13T12:26:40+00:00")
    (1600000000250, 1600000000000)
    >>> _read_instant_ms("2020-09-13")
    """
    if _NUMBER.fullmatch(text):
        return _within_bounds(round(float(text) * 1000))
    if not _RFC_3339.fullmatch(text):
        return None
    try:
        return (datetime.fromisoformat(text) - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):  # there is no such day, or it is before year 1
        return None


def _read_duration_ms(text: str) -> int | None:
    """Seconds, or a duration as in PromQL.

    >>> _read_duration_ms("15"), _read_duration_ms("1m30s"), _read_duration_ms("-0.5")
    (15000, 90000, -500)
    """
    if _NUMBER.fullmatch(text):
        return _within_bounds(int(float(text) * 1000))  # as in Go, what is less than 1 ms is cut off
    try:
        return promql_parser.parse_duration(text) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        return None


def _within_bounds(milliseconds: int) -> int | None:
    return milliseconds if abs(milliseconds) <= GREATEST_DURATION_MS else None
