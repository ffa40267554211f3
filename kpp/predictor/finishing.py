"""From fitted weights to what is kept of a service: its model, its scores, its plot."""

import dataclasses
from dataclasses import dataclass

from kpp import __version__
from kpp.predictor.model import PerformancesGRU
from kpp.predictor.model_config import ModelConfig, NetworkSize, TrainingRecord
from kpp.predictor.preparation.windows import FEATURES, ServiceDataset
from kpp.predictor.scores import compare
from kpp.predictor.settings import TrainingSettings
from kpp.predictor.stacked.group import Fit
from kpp.predictor.trained_model import TrainedModel
from kpp.predictor.visualizer import PlotData
from kpp.schema import TARGETS


@dataclass(frozen=True)
class Finished:
    """What is written of one service."""

    network: PerformancesGRU
    config: ModelConfig
    plot: PlotData


def finish(fit: Fit, dataset: ServiceDataset, settings: TrainingSettings) -> Finished:
    """Score the weights on the test rows, and put together all that is known of them."""
    lookback_steps = dataset.test.lookback_steps
    model = TrainedModel(fit.service, fit.network, dataset.scaling, lookback_steps, fit.unlearned_targets)
    config = describe(model, dataset, fit, settings)
    return Finished(fit.network, config, PlotData.of(model, dataset, config.scores))


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
        minima=tuple(dataset.scaling.minima.tolist()),
        maxima=tuple(dataset.scaling.maxima.tolist()),
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
