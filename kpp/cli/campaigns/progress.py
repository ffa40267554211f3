"""Shows a running campaign: a bar with the time left on a terminal, one line per phase elsewhere."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from kpp.clock import Clock
from kpp.collector.campaign.plan import Experiment, Phase, Plan
from kpp.collector.csv_writer import CsvWriter
from kpp.collector.measurement import Measurement

if TYPE_CHECKING:  # loading it takes the Kubernetes client with it
    from kpp.collector.campaign.journal_record import CampaignRecord


class _TimeLeftColumn(ProgressColumn):
    """The planned seconds that are left: they are known, so none are estimated."""

    def render(self, task: Task) -> Text:
        left_seconds = max((task.total or 0.0) - task.completed, 0.0)
        return Text(f"{timedelta(seconds=round(left_seconds))} left", style="progress.remaining")


class _CampaignBar(Progress):
    """The bar, and below it what the entry service did last."""

    def __init__(self, console: Console) -> None:
        self.last_values = ""
        columns = TextColumn("{task.description}"), BarColumn(bar_width=None), _TimeLeftColumn()
        super().__init__(*columns, console=console, expand=True, transient=True)

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        if self.last_values:
            yield Text(self.last_values, style="dim")


class CampaignProgress:
    """Observes a campaign and shows where it is in its plan; roll-outs take no planned time."""

    def __init__(
        self,
        console: Console,
        clock: Clock,
        entry_service: str,
        resumed: "CampaignRecord | None" = None,
    ) -> None:
        """Show a campaign; `resumed` is what was done of it before."""
        self.files: CsvWriter | None = None
        self.row_count = resumed.row_count if resumed is not None else 0
        self._resumed = resumed
        self._console = console
        self._clock = clock
        self._entry_service = entry_service
        self._bar = _CampaignBar(console)
        self._task = self._bar.add_task("campaign", total=None)
        self._experiment_count = 0
        self._planned_before: dict[tuple[int, Phase], float] = {}
        self._phase: tuple[int, Phase] | None = None
        self._phase_entered_at = 0.0

    def started(self, plan: Plan, files: CsvWriter) -> None:
        """Learn the plan and show the bar."""
        self.files = files
        self._experiment_count = len(plan.experiments)
        self._planned_before = planned_seconds_before(plan)
        self._bar.update(self._task, total=plan.total_seconds)
        if self._resumed is not None:
            done = f"{len(self._resumed.completed)} of {self._experiment_count}"
            self._console.print(f"Going on with campaign {files.stem}: {done} experiments are done.")
        if self._console.is_terminal:
            self._bar.start()

    def restored(self, changes: Sequence[str]) -> None:
        """Say what was put back."""
        for change in changes:
            self._console.print(f"Put back: {change}", soft_wrap=True)

    def entered(self, experiment: Experiment, phase: Phase) -> None:
        """Name the experiment and its phase."""
        text = f"{experiment.number}/{self._experiment_count} · {experiment.load} · {phase}"
        self._phase = experiment.number, phase
        self._phase_entered_at = self._clock.now()
        self._bar.update(self._task, description=text, completed=self._planned_before[self._phase])
        if not self._console.is_terminal:
            self._console.print(f"experiment {text}")

    def waited(self) -> None:
        """Move the bar on to where the clock is within the phase."""
        if self._phase is not None:
            in_phase_seconds = self._clock.now() - self._phase_entered_at
            self._bar.update(self._task, completed=self._planned_before[self._phase] + in_phase_seconds)

    def sampled(self, rows: Sequence[Measurement]) -> None:
        """Show the last values of the entry service; of the first one where that is not measured."""
        self.row_count += len(rows)
        shown = next((row for row in rows if row.service == self._entry_service), rows[0])
        self._bar.last_values = describe_values(shown)

    def stop(self) -> None:
        """Leave the bar as it stands and give the terminal back."""
        if self._console.is_terminal:  # elsewhere it would print an empty line
            self._bar.stop()


def planned_seconds_before(plan: Plan) -> dict[tuple[int, Phase], float]:
    """Planned seconds from the campaign's start to each phase of each experiment, by its number."""
    before: dict[tuple[int, Phase], float] = {}
    position_seconds = 0.0
    for experiment in plan.experiments:
        durations = {
            Phase.STARTING: 0.0,
            Phase.WARMUP: experiment.warmup_seconds,
            Phase.MEASURING: experiment.measured_seconds,
            Phase.COOLDOWN: experiment.cooldown_seconds,
        }
        for phase, seconds in durations.items():
            before[experiment.number, phase] = position_seconds
            position_seconds += seconds
    return before


def describe_values(row: Measurement) -> str:
    """The three targets of a row in a line; a dash where nothing was measured."""
    response_time = "-" if row.response_time_seconds is None else f"{1000 * row.response_time_seconds:.1f} ms"
    throughput = "-" if row.throughput_rps is None else f"{row.throughput_rps:.1f} req/s"
    cpu = "-" if row.cpu_cores is None else f"{row.cpu_cores:.3f} cores"
    return f"{row.service}: {response_time} · {throughput} · {cpu}"
