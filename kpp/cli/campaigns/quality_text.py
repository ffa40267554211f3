"""The quality of a campaign's experiments as a table, and remarks below it."""

from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.table import Table

from kpp.collector.quality.experiment import ExperimentQuality
from kpp.collector.quality.load import AchievedLoad
from kpp.collector.quality.quality_file import find_achieved_loads
from kpp.collector.quality.remarks import find_remarks
from kpp.collector.quality.trend import TEST_NAME

_COLUMNS: tuple[tuple[str, Callable[[ExperimentQuality], object]], ...] = (
    ("#", lambda each: each.number),
    ("users", lambda each: each.load.user_count),
    ("req/s", lambda each: _rounded(each.load.throughput_rps)),
    ("CV", lambda each: _number(each.throughput_variation, ".1%")),
    ("ms", lambda each: _rounded(_times(each.load.response_time_seconds, 1000))),
    ("CV", lambda each: _number(each.response_time_variation, ".1%")),
    ("gaps", lambda each: _number(each.missing_share, ".1%")),
    ("errors", lambda each: _number(each.error_share, ".1%")),
    (
        "pods",
        lambda each: "-" if each.pods is None else each.pods.restarts + each.pods.replaced,
    ),  # restarted or replaced
    ("state", lambda each: each.steadiness),
)


def print_quality(experiments: Sequence[ExperimentQuality], console: Console) -> None:
    """Print the table, at most 80 columns wide, and what to know about single experiments."""
    if not experiments:
        return
    title = f"Quality at the entry service (state: {TEST_NAME} test)"
    table = Table(title=title, title_justify="left", title_style="", box=None, pad_edge=False)
    for name, _ in (*_COLUMNS, ("load", None)):
        table.add_column(name, justify="right", no_wrap=True)
    loads = find_achieved_loads(experiments)
    for quality, achieved in zip(experiments, loads, strict=True):
        cells = (str(tell(quality)) for _, tell in _COLUMNS)
        table.add_row(*cells, _number(None if achieved is None else achieved.share, ".0%"))
    console.print(table)
    for line in _remarks(experiments, loads):
        console.print(line)


def _remarks(experiments: Sequence[ExperimentQuality], loads: Sequence[AchievedLoad | None]) -> Iterator[str]:
    for quality, achieved in zip(experiments, loads, strict=True):
        if remarks := "; ".join(find_remarks(quality, achieved)):
            yield f"experiment {quality.number}: {remarks}"


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _rounded(value: float | None) -> str:
    return _number(value, ".1f" if value is not None and value < 1000 else ".0f")


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
