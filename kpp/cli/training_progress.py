"""Shows a running training: bars over epochs and plots on a terminal, one line per service elsewhere."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from kpp.predictor.skipped import group_by_reason

if TYPE_CHECKING:
    from kpp.predictor.model_config import ModelConfig


class TrainingProgress:
    """Observes a training (`kpp.predictor.main.TrainingObserver`) and shows it on `console`."""

    def __init__(self, console: Console, files: Sequence[Path], max_epochs: int) -> None:
        self.done = 0
        self.total = 0
        self._is_sorting = False
        self._expected = 1.0  # services of all groups, for each of those so far
        self._console = console
        self._max_epochs = max_epochs
        self._epochs: dict[str, int] = {}  # of the services in training
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            transient=True,
        )
        self._sorting = self._bars.add_task("sorting by service", total=1.0, visible=False)
        self._all = self._bars.add_task("training", total=None, visible=False)
        self._plots = self._bars.add_task("plots", total=None, visible=False)
        self._say(f"Reading {', '.join(map(str, files))}")

    def sorting(self, share: float) -> None:
        """Say once what is done before the training, and move its bar on."""
        self._bars.update(self._sorting, completed=share, visible=share < 1)
        if not self._is_sorting:
            self._is_sorting = True
            self._say(f"Sorting by service into a temporary file in {gettempdir()}: not all fits in memory")
            self._start()

    def group_begins(self, number: int, count: int) -> None:
        """Say which group of services it is, where there are several; they are of like size."""
        self._expected = count / number
        if count > 1:
            self._say(f"Group {number} of {count}, so many services as fit in memory:")

    def started(
        self, services: Sequence[str], kept: Sequence[str], skipped: Mapping[str, str], notes: Sequence[str]
    ) -> None:
        """Tell what was done to the data, what is kept and what is left out; show the bars."""
        self.total += len(services)
        for note in notes:
            self._say(note)
        for names, reason in group_by_reason(skipped):
            self._say(f"skipped: {names}: {reason}")
        if kept:
            names = f"{kept[0]} is" if len(kept) == 1 else f"{len(kept)} services are"
            self._say(f"{names} kept: trained before on the same data with the same settings")
        expected = self.total * self._expected  # services, those of later groups among them
        self._bars.update(self._all, total=expected * self._max_epochs, visible=True)
        self._bars.update(self._plots, total=self.total)
        if self.total:
            self._start()

    def epoch_done(self, service: str, epoch: int) -> None:
        """Move the bar on."""
        self._epochs[service] = epoch
        self._show()

    def service_done(self, config: "ModelConfig") -> None:
        """Say in a line what became of the service; an early stop moves the bar on to its end."""
        self.done += 1
        self._epochs.pop(config.service, None)
        self._show()
        best, epochs = config.training.best_epoch, config.training.epochs
        self._say(f"[{self.done}/{self.total}] {config.service}: best after {best} of {epochs} epochs")

    def plot_done(self, service: str) -> None:
        """Move the bar of the plots on; it is shown once it is all that is left."""
        self._bars.update(self._plots, advance=1, visible=self.done == self.total)

    def stop(self) -> None:
        """Give the terminal back."""
        self._bars.stop()

    def _start(self) -> None:
        if self._console.is_terminal:
            self._bars.start()

    def _show(self) -> None:
        epochs = self.done * self._max_epochs + sum(self._epochs.values())
        running = f", {len(self._epochs)} in training" if self._epochs else ""
        self._bars.update(self._all, completed=epochs, description=f"{self.done} done{running}")

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
