"""Datasets made by hand, without the pipeline: what training, scores and plots are tested on."""

import numpy as np
from numpy.typing import NDArray

from kpp.predictor.preparation.scaling import Scaling
from kpp.predictor.preparation.windows import FEATURES, ServiceDataset, Windows
from kpp.schema import TARGETS

LOOKBACK_STEPS = 5
STARTED_AT = 1_700_000_040

Floats = NDArray[np.float64]


def make_windows(
    series: Floats, scaling: Scaling, start: int, stop: int, user_count: float = 10.0
) -> Windows:
    """A window for each of the minutes `start` to `stop` of one long experiment.

    Args:
        series: (minutes, targets), own units; NaN in a target means not measured, and 0 as input.
        scaling: of FEATURES.
        start: at least LOOKBACK_STEPS.
        stop: exclusive.
        user_count: of all minutes.
    """
    features = np.column_stack([np.full(len(series), user_count), np.nan_to_num(series)])
    scaled = scaling.transform(features).astype(np.float32)
    observed = series[start:stop]
    return Windows(
        history=scaled,
        starts=np.arange(start, stop) - LOOKBACK_STEPS,
        lookback_steps=LOOKBACK_STEPS,
        targets=np.where(np.isnan(observed), np.nan, scaled[start:stop, 1:]).astype(np.float32),
        observed=observed,
        last_observed=series[start - 1 : stop - 1],
        timestamps=STARTED_AT + 60 * np.arange(start, stop, dtype=np.int64),
        user_counts=np.full(stop - start, user_count),
    )


def make_dataset(series: Floats, service: str = "frontend", user_count: float = 10.0) -> ServiceDataset:
    """60 % of a series to fit, 20 % to validate, 20 % to test."""
    count = len(series)
    fit_end, validation_end = 3 * count // 5, 4 * count // 5
    training = series[:validation_end]
    features = np.column_stack([np.full(len(training), user_count), np.nan_to_num(training)])
    assert features.shape[1] == len(FEATURES) == len(TARGETS) + 1
    scaling = Scaling(features.min(axis=0), features.max(axis=0))
    return ServiceDataset(
        service=service,
        scaling=scaling,
        fit=make_windows(series, scaling, LOOKBACK_STEPS, fit_end, user_count),
        validation=make_windows(series, scaling, fit_end, validation_end, user_count),
        test=make_windows(series, scaling, validation_end, count, user_count),
        train_means={user_count: training.mean(axis=0)},
        digest="0" * 64,
    )


def autoregressive(count: int, *, phi: float, mean: float, deviation: float, seed: int) -> Floats:
    """Three independent series y' = mean + phi (y - mean) + noise, the noise normal; (count, targets)."""
    rng = np.random.default_rng(seed)
    series = np.full((count, len(TARGETS)), mean, dtype=np.float64)
    for step in range(1, count):
        noise = rng.normal(0, deviation, len(TARGETS))
        series[step] = mean + phi * (series[step - 1] - mean) + noise
    return series
