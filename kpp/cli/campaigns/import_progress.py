"""Shows how far an import has come."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class ImportProgress:
    """Observes an import: chunks that are there, and the time that is left; without a terminal, a line."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            console=console,
            expand=True,
            transient=True,
        )
        self._task = self._bar.add_task("asking Prometheus", total=None)
        self._total = 0

    def started(self, chunk_count: int) -> None:
        """So many chunks more are going to be asked for."""
        self._total += chunk_count
        self._bar.update(self._task, total=self._total)
        if self._console.is_terminal:
            self._bar.start()
        else:
            self._console.print(
                f"asking Prometheus for {chunk_count} {'chunk' if chunk_count == 1 else 'chunks'}"
            )

    def advanced(self) -> None:
        """One of them is there."""
        self._bar.advance(self._task)

    def stop(self) -> None:
        """Give the terminal back."""
        if self._console.is_terminal:  # elsewhere it would print an empty line
            self._bar.stop()
