"""Tells which services cannot be trained, and why: those with the same reason together."""

from collections.abc import Iterator, Mapping

NAMED = 12  # services of one reason; the others are counted


def group_by_reason(skipped: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The services of each reason in words, and the reason.

    >>> list(group_by_reason({"ad": "too few rows", "cart": "no values", "web": "too few rows"}))
    [('ad, web', 'too few rows'), ('cart', 'no values')]

    Args:
        skipped: service -> reason.
    """
    groups: dict[str, list[str]] = {}
    for service, reason in skipped.items():
        groups.setdefault(reason, []).append(service)
    for reason, services in groups.items():
        more = f" and {len(services) - NAMED} more" if len(services) > NAMED else ""
        yield ", ".join(services[:NAMED]) + more, reason
