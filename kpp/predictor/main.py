"""The training of all services, top to bottom. `python kpp/predictor/main.py` is `kpp train`."""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from kpp import __version__
from kpp.errors import InputError
from kpp.files import make_directory
from kpp.predictor.checkpoints import write_model
from kpp.predictor.model_config import ModelConfig, NetworkSize, TrainingRecord, config_path
from kpp.predictor.pipeline import PerformancesDataPipeline
from kpp.predictor.scores import compare
from kpp.predictor.trained_model import TrainedModel
from kpp.predictor.training import Fit, TrainingSettings, fit_service, select_device
from kpp.predictor.visualizer import plot_service
from kpp.predictor.windows import FEATURES, ServiceDataset
from kpp.schema import TARGETS, read_measurements

STAYS = "its model of an earlier training stays as it is"


class TrainingObserver(Protocol):
    """Is told how far the training is."""

    def started(self, services: Sequence[str], skipped: Mapping[str, str], notes: Sequence[str]) -> None:
        """What will be trained, what cannot be and why, and what reading and cleaning the data did."""

    def epoch_done(self, service: str, epoch: int) -> None:
        """One more epoch of a service, counted from 1."""

    def service_done(self, config: ModelConfig) -> None:
        """A service's model and plot are on the disk."""


@dataclass(frozen=True)
class TrainingResult:
    """What became of every service."""

    trained: tuple[ModelConfig, ...]
    skipped: Mapping[str, str]  # service -> why it cannot be trained
    notes: tuple[str, ...]  # what reading and cleaning the data did


def train_all(
    files: Sequence[Path], models: Path, plots: Path, settings: TrainingSettings, observer: TrainingObserver
) -> TrainingResult:
    """Train, score, write and plot a model for each service in the files.

    A service is complete on the disk before the next one begins. One that cannot be trained is skipped.

    Args:
        files: tables of measurements.
        models: folder for weights and configs; made where it is missing.
        plots: folder for plots; made where it is missing.
        settings: of the training.
        observer: is told about each step.

    Raises:
        InputError: a file cannot be used, or no service can be trained.
        ConfigError: the device or a folder cannot be used.
    """
    select_device(settings.device)  # before anything that takes long
    table = read_measurements(files)
    pipeline = PerformancesDataPipeline()
    prepared = pipeline.run(table)
    notes = (*table.notes, *map(str, prepared.reports.values()))
    skipped = {
        service: f"{reason}; {STAYS}" if config_path(models, service).exists() else reason
        for service, reason in prepared.verdicts.items()
    }

    if not prepared.datasets:
        reasons = "; ".join(f"{service}: {reason}" for service, reason in skipped.items())
        where = ", ".join(map(str, files))
        mend = "collect more, or name other files"
        raise InputError(f"no service can be trained: {reasons}", where=where, mend=mend)

    make_directory(models)
    make_directory(plots)
    observer.started(list(prepared.datasets), skipped, notes)
    trained = []
    for service, dataset in prepared.datasets.items():
        fit = fit_service(dataset, settings, on_epoch=partial(observer.epoch_done, service))
        lookback_steps = pipeline.settings.lookback_steps
        model = TrainedModel(service, fit.network, dataset.scaler, lookback_steps, fit.unlearned_targets)
        config = write_model(models, fit.network, describe(model, dataset, fit, settings))
        plot_service(plots / f"{service}_predictions.png", model, dataset, config.scores)
        trained.append(config)
        observer.service_done(config)
    return TrainingResult(tuple(trained), skipped, notes)


def describe(
    model: TrainedModel, dataset: ServiceDataset, fit: Fit, settings: TrainingSettings
) -> ModelConfig:
    """Score a model on the test rows, and put together all that is known of it beside its weights."""
    scores, normalized_rmse = compare(dataset, model.predict_scaled(dataset.test.inputs))
    rmse = normalized_rmse.model
    return ModelConfig(
        kpp_version=__version__,
        service=dataset.service,
        features=FEATURES,
        targets=TARGETS,
        unlearned_targets=fit.unlearned_targets,
        lookback_steps=model.lookback_steps,
        hyperparameters=NetworkSize(**fit.network.size),
        minima=tuple(dataset.scaler.data_min_.tolist()),
        maxima=tuple(dataset.scaler.data_max_.tolist()),
        seed=settings.seed,
        training=TrainingRecord(
            settings=dataclasses.asdict(settings),
            fit_rows=len(dataset.fit),
            validation_rows=len(dataset.validation),
            test_rows=len(dataset.test),
            epochs=fit.epochs,
            best_epoch=fit.best_epoch,
            best_validation_loss=fit.best_validation_loss,
        ),
        best_test_loss=None if rmse is None else rmse**2,
        normalized_rmse=normalized_rmse,
        scores=scores,
        data_digest=dataset.digest,
    )


if __name__ == "__main__":
    from kpp.cli.main import main

    main(["train", *sys.argv[1:]])
