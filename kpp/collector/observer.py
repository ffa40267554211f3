"""Who watches a campaign."""

from collections.abc import Sequence
from typing import Protocol

from kpp.collector.campaign.plan import Experiment, Phase, Plan
from kpp.collector.csv_writer import CsvWriter
from kpp.collector.measurement import Measurement


class Observer(Protocol):
    """Watches a campaign, to show it; nothing that it does changes the campaign."""

    def started(self, plan: Plan, files: CsvWriter) -> None:
        """The campaign begins or goes on; `files` are being written."""

    def restored(self, changes: Sequence[str]) -> None:
        """What a dead campaign had left is put back, before it goes on; a line for each change."""

    def entered(self, experiment: Experiment, phase: Phase) -> None:
        """A phase of an experiment begins."""

    def waited(self) -> None:
        """Time has passed: called about once a second while a phase lasts."""

    def sampled(self, rows: Sequence[Measurement]) -> None:
        """One tick's rows are on disk."""
