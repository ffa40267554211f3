"""The bar of what takes long: the share that is done, the time left, and what is being done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


@contextmanager
def progress_bar(start: str) -> Iterator[Callable[[float, str], None]]:
    """Show a bar on stderr, if that is a terminal, while the block runs; nothing of it stays.

    Args:
        start: what is done first, in words.

    Yields:
        Takes the share that is done, and what comes next.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(start, total=1.0)

        def show(share: float, description: str) -> None:
            bar.update(task, completed=share, description=description)

        yield show
