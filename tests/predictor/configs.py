"""Configs of models that were never trained, with scores that are easy to recognize."""

from kpp.predictor.model_config import (
    Comparison,
    ModelConfig,
    NetworkSize,
    NormalizedRMSE,
    Scores,
    TrainingRecord,
)
from kpp.schema import CPU_USAGE, RESPONSE_TIME, TARGETS, THROUGHPUT, USER_COUNT


def make_scores(rmse: float | None, mape: float | None) -> Scores:
    return Scores(rmse=rmse, mae=rmse, mape=mape, wape=mape)


def make_comparison(*rmse_and_mape: tuple[float | None, float | None]) -> Comparison:
    """Of the model, the last observed value and the training mean, in this order."""
    model, last_observed, training_mean = (make_scores(*each) for each in rmse_and_mape)
    return Comparison(rows=20, model=model, last_observed=last_observed, training_mean=training_mean)


def make_config(
    service: str,
    *,
    scores: dict[str, Comparison] | None = None,
    normalized: tuple[float | None, ...] = (1, 2, 3),
) -> ModelConfig:
    usual = {
        RESPONSE_TIME: make_comparison((0.0123, 0.051), (0.0234, 0.102), (0.0345, 1.5)),
        THROUGHPUT: make_comparison((1.5, 0.02), (2.5, 0.03), (3.5, 0.01)),
        CPU_USAGE: make_comparison((0.0041, 0.11), (0.0052, 0.10), (0.0063, 0.12)),
    }
    model, last_observed, training_mean = normalized
    return ModelConfig(
        kpp_version="0.1.0",
        service=service,
        features=(USER_COUNT, *TARGETS),
        targets=TARGETS,
        lookback_steps=5,
        hyperparameters=NetworkSize(input_size=4, hidden_size=64, layer_count=2, output_size=3),
        minima=(10.0, 0.01, 5.0, 0.1),
        maxima=(50.0, 0.03, 25.0, 0.9),
        seed=0,
        training=TrainingRecord(
            settings={"seed": 0, "device": "cpu"},
            fit_rows=60,
            validation_rows=20,
            test_rows=20,
            epochs=30,
            best_epoch=15,
            best_validation_loss=0.05,
        ),
        best_test_loss=None if model is None else model**2,
        normalized_rmse=NormalizedRMSE(model=model, last_observed=last_observed, training_mean=training_mean),
        scores=usual if scores is None else scores,
        data_digest="0" * 64,
        weights_digest="1" * 64,
    )
