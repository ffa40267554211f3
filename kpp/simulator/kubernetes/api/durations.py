"""Ages as kubectl shows them."""

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400

# below this many seconds: the unit, and the smaller unit that is shown with it
_Unit = tuple[int, str]
_STEPS: tuple[tuple[float, _Unit, _Unit | None], ...] = (
    (2 * _MINUTE, (1, "s"), None),
    (10 * _MINUTE, (_MINUTE, "m"), (1, "s")),
    (3 * _HOUR, (_MINUTE, "m"), None),
    (8 * _HOUR, (_HOUR, "h"), (_MINUTE, "m")),
    (2 * _DAY, (_HOUR, "h"), None),
    (8 * _DAY, (_DAY, "d"), (_HOUR, "h")),
    (2 * _YEAR, (_DAY, "d"), None),
    (8 * _YEAR, (_YEAR, "y"), (_DAY, "d")),
    (float("inf"), (_YEAR, "y"), None),
)


def human_duration(seconds: float) -> str:
    """The one or two units that matter.

    Source: k8s.io/apimachinery `pkg/util/duration/duration.go`, `HumanDuration`.

    >>> [human_duration(each) for each in (-9, 5, 125, 700, 4 * 3600, 30 * 3600, 20 * 86400)]
    ['<invalid>', '5s', '2m5s', '11m', '4h', '30h', '20d']
    """
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    whole = max(whole, 0)
    (size, unit), smaller = next((large, small) for limit, large, small in _STEPS if whole < limit)
    count, rest = divmod(whole, size)
    if smaller is not None and rest // smaller[0]:
        return f"{count}{unit}{rest // smaller[0]}{smaller[1]}"
    return f"{count}{unit}"
