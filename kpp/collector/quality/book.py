"""The judged experiments of a campaign: as the journal has them, and as a file that is written anew."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from kpp.collector.quality.experiment import ExperimentQuality
from kpp.collector.quality.quality_file import write_quality

_ADAPTER = TypeAdapter(ExperimentQuality)


def read_judged(recorded: Mapping[int, Mapping[str, Any]]) -> list[ExperimentQuality]:
    """The experiments that a journal has recorded, in their order."""
    return [_ADAPTER.validate_python(recorded[number]) for number in sorted(recorded)]


class QualityBook:
    """All experiments so far, by number; one that is run again takes its own place."""

    def __init__(self, path: Path, recorded: Mapping[int, Mapping[str, Any]]) -> None:
        """Go on with what a journal has recorded; nothing in a new campaign."""
        self._path = path
        self._judged = {quality.number: quality for quality in read_judged(recorded)}

    def add(self, quality: ExperimentQuality) -> Mapping[str, Any]:
        """Write the file with one more experiment; returns what the journal is to record.

        Raises:
            ConfigError: the file cannot be written.
        """
        self._judged[quality.number] = quality
        write_quality(self._path, [self._judged[number] for number in sorted(self._judged)])
        return asdict(quality)
