"""What a journal says of its campaign: what was planned, found and done, and what is left to do."""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kpp.collector.batch_file import Mark
from kpp.collector.campaign.journal import FORMAT_VERSION, JOURNAL, SUFFIX, stem_of
from kpp.collector.campaign.plan import Experiment, Plan
from kpp.collector.cluster.state import ClusterState
from kpp.collector.csv_writer import RESULTS, TableMarks
from kpp.errors import InputError

logger = logging.getLogger(__name__)


@dataclass
class CampaignRecord:
    """A campaign as its journal tells it."""

    path: Path
    campaign_id: str
    settings: Mapping[str, Any]
    plan: Plan
    queries: Mapping[str, str]
    found: Mapping[str, Any] | None = None  # the cluster; None: nothing was touched
    completed: dict[int, int] = field(default_factory=dict)  # experiment to its rows
    quality: dict[int, Mapping[str, Any]] = field(
        default_factory=dict
    )  # by experiment; of one that was ended, too
    marks: TableMarks | None = None  # where the last completed experiment ends
    is_restored: bool = True  # whether the cluster is as it was found
    gone: tuple[str, ...] = ()  # what nobody can put back any more, a line each
    outcome: str | None = None  # None: it runs, or died

    @property
    def stem(self) -> str:
        """What the names of its files share."""
        return stem_of(self.path)

    @property
    def measurements(self) -> Path:
        """Its table of measurements, which may not be there yet."""
        return self.path.with_name(f"{RESULTS}{self.stem}.csv")

    @property
    def state(self) -> ClusterState | None:
        """What has to be put back, as it was found."""
        return ClusterState.from_json(self.found["state"]) if self.found is not None else None

    @property
    def remaining(self) -> tuple[Experiment, ...]:
        """The experiments that are not completed."""
        return tuple(each for each in self.plan.experiments if each.number not in self.completed)

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.outcome == "completed"

    @property
    def row_count(self) -> int:
        """The rows of the completed experiments."""
        return sum(self.completed.values())


def read_journal(path: Path) -> CampaignRecord | None:
    """Read a journal.

    Args:
        path: of the journal, or of the campaign's measurements.

    Returns:
        The campaign; None when the file ends before its first line does: nothing had begun.

    Raises:
        InputError: it cannot be read, or is no journal of this or an earlier version.
    """
    journal = journal_of(path)
    events = _read_events(journal)
    first = next(events, None)
    if first is None:
        return None
    number = 1
    try:
        record = _begin(journal, first)
        for event in events:
            number += 1
            _follow(record, event)
    except (KeyError, TypeError, ValueError) as error:
        raise _is_none(journal, f"line {number} is not what kpp writes ({error!r})") from error
    return record


def journal_of(path: Path) -> Path:
    """The journal beside a campaign's measurements; a journal's own path as it is."""
    if path.name.startswith(RESULTS) and path.suffix == ".csv":
        return path.with_name(f"{JOURNAL}{path.stem.removeprefix(RESULTS)}{SUFFIX}")
    return path


def find_unfinished(directory: Path) -> CampaignRecord | None:
    """The newest campaign in a folder that is not finished."""
    return next((record for record in _newest_first(directory) if not record.is_finished), None)


def find_unrestored(directory: Path) -> CampaignRecord | None:
    """The newest campaign in a folder that left a cluster changed."""
    return next(find_all_unrestored(directory), None)


def find_all_unrestored(directory: Path) -> Iterator[CampaignRecord]:
    """Every campaign in a folder that left a cluster changed, newest first; of whichever cluster."""
    return (record for record in _newest_first(directory) if not record.is_restored)


def _newest_first(directory: Path) -> Iterator[CampaignRecord]:
    for path in sorted(directory.glob(f"{JOURNAL}*{SUFFIX}"), reverse=True):
        try:
            record = read_journal(path)
        except InputError as error:
            logger.warning("%s", error)
            continue
        if record is not None:
            yield record


def _read_events(journal: Path) -> Iterator[Mapping[str, Any]]:
    try:
        content = journal.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror}",
            where=str(journal),
            mend="name the journal (performance_journal_….jsonl) or the measurements of a campaign",
        ) from error
    lines = content.split(b"\n")[:-1]  # what follows the last line break is a line that was not finished
    for number, line in enumerate(lines, start=1):
        try:
            event = json.loads(line)
        except ValueError as error:
            raise _is_none(journal, f"line {number} is no JSON") from error
        if not isinstance(event, dict):
            raise _is_none(journal, f"line {number} is no JSON object")
        yield event


def _begin(journal: Path, first: Mapping[str, Any]) -> CampaignRecord:
    if first["event"] != "campaign":
        raise ValueError("it does not begin with a campaign")
    if first["format_version"] > FORMAT_VERSION:
        raise _is_none(journal, "it was written by a newer kpp")
    experiments = tuple(Experiment(**each) for each in first["experiments"])
    return CampaignRecord(
        journal, first["campaign_id"], first["settings"], Plan(experiments), first["queries"]
    )


def _follow(record: CampaignRecord, event: Mapping[str, Any]) -> None:
    match event["event"]:
        case "found":
            ClusterState.from_json(event["state"])  # what cannot be read is told now
            record.found = event
        case "resumed":
            record.outcome = None
        case "phase":
            record.is_restored, record.outcome, record.gone = False, None, ()
        case "completed":
            record.completed[int(event["experiment"])] = int(event["row_count"])
            record.marks = _read_marks(event["tables"])
        case "judged":
            record.quality[int(event["experiment"])] = event["quality"]
        case "restored":
            record.is_restored, record.gone = True, tuple(event.get("gone", ()))
        case "ended":
            record.outcome = event["outcome"]


def _read_marks(tables: Mapping[str, Mapping[str, Any]]) -> TableMarks:
    return TableMarks(Mark(**tables["measurements"]), Mark(**tables["calls"]))


def _is_none(journal: Path, reason: str) -> InputError:
    return InputError(f"is no journal of a campaign: {reason}", where=str(journal), mend="name another one")


def describe_difference(recorded: Iterable[str], present: Iterable[str]) -> str:
    """What has gone and what has come, for a message.

    >>> describe_difference(["a", "b"], ["b", "c"])
    'gone: a; new: c'
    """
    before, now = set(recorded), set(present)
    parts = ("gone", sorted(before - now)), ("new", sorted(now - before))
    return "; ".join(f"{word}: {', '.join(names)}" for word, names in parts if names)
