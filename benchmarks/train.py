"""Trains as `kpp train` does, with scores, files and plots; not the what-if models that it fits after that.

    python benchmarks/train.py FILE --models DIR --plots DIR

Prints JSON: the services and their epochs.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kpp.predictor.model_config import ModelConfig


class NoObserver:
    """Is told, and tells no one."""

    def sorting(self, share: float) -> None:
        """So much is sorted by service."""

    def group_begins(self, number: int, count: int) -> None:
        """A group of services."""

    def started(
        self, services: Sequence[str], kept: Sequence[str], skipped: Mapping[str, str], notes: Sequence[str]
    ) -> None:
        """What will be trained."""

    def epoch_done(self, service: str, epoch: int) -> None:
        """One more epoch."""

    def service_done(self, config: "ModelConfig") -> None:
        """A model is on the disk."""

    def plot_done(self, service: str) -> None:
        """A plot is on the disk."""


def main() -> None:
    """Train and report."""
    # late: the processes that draw plots import this file, too, and shall not load torch
    from kpp.predictor.main import train_all
    from kpp.predictor.settings import TrainingSettings

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="a table of measurements")
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--plots", type=Path, required=True)
    options = parser.parse_args()

    result = train_all([options.file], options.models, options.plots, TrainingSettings(), NoObserver())
    epochs = sum(config.training.epochs for config in result.trained)
    json.dump({"services": len(result.trained), "epochs": epochs}, sys.stdout)


if __name__ == "__main__":
    main()
