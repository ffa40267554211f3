"""Instants as the API writes them: RFC 3339, UTC, whole seconds."""

from datetime import UTC, datetime


def format_timestamp(unix_seconds: float) -> str:
    """Unix seconds as the API writes them.

    >>> format_timestamp(1772569512.65)
    '2026-03-03T20:25:12Z'
    """
    return datetime.fromtimestamp(int(unix_seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_timestamp(text: str) -> float:
    """Unix seconds of what the API wrote.

    >>> parse_timestamp("2026-03-03T20:25:12Z")
    1772569512.0

    Raises:
        ValueError: it is no such timestamp.
    """
    return datetime.fromisoformat(text).timestamp()
