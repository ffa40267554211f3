"""Shows a running training: bars over services and epochs on a terminal, one line per service elsewhere."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from kpp.predictor.model_config import ModelConfig


class TrainingProgress:
    """Observes a training (`kpp.predictor.main.TrainingObserver`) and shows it on `console`."""

    def __init__(self, console: Console, files: Sequence[Path], max_epochs: int) -> None:
        self.done = 0
        self.total = 0
        self._console = console
        self._max_epochs = max_epochs
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            transient=True,
        )
        self._all = self._bars.add_task("all services", total=None)
        self._epochs = self._bars.add_task("", total=max_epochs)
        self._say(f"Reading {', '.join(map(str, files))}")

    def started(self, services: Sequence[str], skipped: Mapping[str, str], notes: Sequence[str]) -> None:
        """Tell what was done to the data and what is left out; show the bars."""
        self.total = len(services)
        for note in notes:
            self._say(note)
        for service, reason in skipped.items():
            self._say(f"{service} is skipped: {reason}")
        self._bars.update(self._all, total=self.total * self._max_epochs)
        if self._console.is_terminal:
            self._bars.start()

    def epoch_done(self, service: str, epoch: int) -> None:
        """Move both bars on."""
        self._bars.update(self._epochs, description=f"{service}, epoch {epoch}", completed=epoch)
        self._bars.update(self._all, completed=self.done * self._max_epochs + epoch)

    def service_done(self, config: "ModelConfig") -> None:
        """Say in a line what became of the service; an early stop moves the bar on to its end."""
        self.done += 1
        self._bars.update(self._all, completed=self.done * self._max_epochs)
        best, epochs = config.training.best_epoch, config.training.epochs
        self._say(f"[{self.done}/{self.total}] {config.service}: best after {best} of {epochs} epochs")

    def stop(self) -> None:
        """Give the terminal back."""
        self._bars.stop()

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
