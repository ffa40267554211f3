"""The training of all services, top to bottom. `python kpp/predictor/main.py` is `kpp train`."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kpp.errors import InputError
from kpp.files import make_directory
from kpp.predictor.checkpoints import read_model, write_model
from kpp.predictor.finishing import Finished, finish
from kpp.predictor.model_config import ModelConfig, config_path
from kpp.predictor.pipeline import PerformancesDataPipeline
from kpp.predictor.plotting import Plotter
from kpp.predictor.preparation.windows import ServiceDataset
from kpp.predictor.resume import find_kept
from kpp.predictor.settings import TrainingSettings, select_device
from kpp.predictor.skipped import group_by_reason
from kpp.predictor.stacked.group import OnEpoch
from kpp.predictor.training import fit_services
from kpp.predictor.visualizer import PlotData, plot_path
from kpp.schema import Table, read_measurement_groups

STAYS = "its model of an earlier training stays as it is"


class TrainingObserver(Protocol):
    """Is told how far the training is."""

    def sorting(self, share: float) -> None:
        """So much of tables that do not fit in memory, 0 to 1, is sorted by service, before the training."""

    def group_begins(self, number: int, count: int) -> None:
        """The services of such tables are trained in so many groups, one after the other; from 1."""

    def started(
        self, services: Sequence[str], kept: Sequence[str], skipped: Mapping[str, str], notes: Sequence[str]
    ) -> None:
        """What will be trained, is kept, or cannot be trained and why; again for each group of services."""

    def epoch_done(self, service: str, epoch: int) -> None:
        """One more epoch of a service, counted from 1."""

    def service_done(self, config: ModelConfig) -> None:
        """A service's model is on the disk."""

    def plot_done(self, service: str) -> None:
        """A service's plot is on the disk."""


class Executor(Protocol):
    """Where services are trained."""

    def __call__(
        self, datasets: Sequence[ServiceDataset], settings: TrainingSettings, on_epoch: OnEpoch
    ) -> Iterator[Finished]:
        """Train each service; as they are ready."""


@dataclass(frozen=True)
class TrainingResult:
    """What became of every service."""

    trained: tuple[ModelConfig, ...]  # by service; those that were kept are among them
    kept: tuple[str, ...]  # services whose models of an earlier training were still right
    skipped: Mapping[str, str]  # service -> why it cannot be trained
    notes: tuple[str, ...]  # what reading and cleaning the data did

    def joined(self, other: "TrainingResult") -> "TrainingResult":
        """This and the result of other services."""
        trained = sorted((*self.trained, *other.trained), key=lambda config: config.service)
        return TrainingResult(
            tuple(trained),
            (*self.kept, *other.kept),
            {**self.skipped, **other.skipped},
            (*self.notes, *other.notes),
        )


def train_here(
    datasets: Sequence[ServiceDataset], settings: TrainingSettings, on_epoch: OnEpoch
) -> Iterator[Finished]:
    """Train in this process."""
    by_service = {dataset.service: dataset for dataset in datasets}
    for fit in fit_services(datasets, settings, on_epoch):
        yield finish(fit, by_service[fit.service], settings)


def train_all(
    files: Sequence[Path],
    models: Path,
    plots: Path,
    settings: TrainingSettings,
    observer: TrainingObserver,
    *,
    fresh: bool = False,
    executor: Executor = train_here,
) -> TrainingResult:
    """Train, score, write and plot a model for each service in the files.

    A service is on the disk as soon as it is trained. One that cannot be trained is skipped; one that an
    earlier training left with the same data, settings and seed is kept.

    Args:
        files: tables of measurements, or folders of them.
        models: folder for weights and configs; made where it is missing.
        plots: folder for plots; made where it is missing.
        settings: of the training.
        observer: is told about each step.
        fresh: train all services again, also those that could be kept.
        executor: where they are trained.

    Raises:
        InputError: a file cannot be used, or no service can be trained.
        ConfigError: the device or a folder cannot be used.
    """
    if executor is train_here:
        select_device(settings.device)  # before anything that takes long
    result = TrainingResult((), (), {}, ())
    for table in read_measurement_groups(files, observer.sorting):  # what does not fit in memory, in parts
        observer.group_begins(*table.group)
        result = result.joined(_train_group(table, models, plots, settings, observer, fresh, executor))
    if not result.trained:
        reasons = "; ".join(f"{services}: {reason}" for services, reason in group_by_reason(result.skipped))
        where = ", ".join(map(str, files))
        mend = "collect more, or name other files (for the what-if models, `kpp fit` needs less)"
        raise InputError(f"no service can be trained: {reasons}", where=where, mend=mend)
    return result


def _train_group(
    table: Table,
    models: Path,
    plots: Path,
    settings: TrainingSettings,
    observer: TrainingObserver,
    fresh: bool,
    executor: Executor,
) -> TrainingResult:
    """Train the services of one table."""
    prepared = PerformancesDataPipeline().run(table)
    skipped = {
        service: f"{reason}; {STAYS}" if config_path(models, service).exists() else reason
        for service, reason in prepared.verdicts.items()
    }
    notes = (*table.notes, *map(str, prepared.reports.values()))
    if not prepared.datasets:
        observer.started([], [], skipped, notes)
        return TrainingResult((), (), skipped, notes)
    make_directory(models)
    make_directory(plots)

    kept = {} if fresh else find_kept(prepared.datasets, models, settings)
    missing = [dataset for service, dataset in prepared.datasets.items() if service not in kept]
    without_plot = [service for service in kept if not plot_path(plots, service).exists()]
    observer.started([dataset.service for dataset in missing], list(kept), skipped, notes)
    configs = dict(kept)
    with Plotter(plots, len(missing) + len(without_plot), observer.plot_done) as plotter:
        for service in without_plot:
            model = read_model(models, service)
            plotter.draw(PlotData.of(model, prepared.datasets[service], kept[service].scores))
        for finished in executor(missing, settings, observer.epoch_done) if missing else ():
            config = write_model(models, finished.network, finished.config)
            configs[config.service] = config
            observer.service_done(config)
            plotter.draw(finished.plot)
        plotter.finish()
    return TrainingResult(tuple(configs.values()), tuple(kept), skipped, notes)


if __name__ == "__main__":
    from kpp.cli.main import main

    main(["train", *sys.argv[1:]])
