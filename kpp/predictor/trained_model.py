"""A trained model: a network with its scaling, which predicts in own units."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from kpp.predictor.model import PerformancesGRU
from kpp.predictor.preparation.scaling import Scaling
from kpp.predictor.preparation.windows import FEATURES
from kpp.schema import TARGETS

TARGET_COLUMNS = [FEATURES.index(target) for target in TARGETS]
LARGEST_INPUT = 2.0  # normalized units; training saw 0 to 1


@dataclass(frozen=True)
class TrainedModel:
    """Predicts a service's next minute from its last ones."""

    service: str
    network: PerformancesGRU  # on the CPU
    scaling: Scaling  # of FEATURES
    lookback_steps: int
    unlearned_targets: tuple[str, ...] = ()  # nothing to learn from: predicted as NaN

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Predict the minute after each window.

        Measured values more than one training range above the highest that training saw are taken as that:
        a single outlier in a window is not to throw the network off.

        Args:
            rows: (n, lookback_steps, features), the columns `FEATURES` in own units, oldest first, no NaN.

        Returns:
            (n, targets), own units, never negative.

        Raises:
            ValueError: the shape is another one, or a value is missing.
        """
        if rows.shape[1:] != (self.lookback_steps, len(FEATURES)) or not np.isfinite(rows).all():
            wanted = (self.lookback_steps, len(FEATURES))
            raise ValueError(f"rows must be (n, {wanted[0]}, {wanted[1]}) without NaN, not {rows.shape}")
        if not len(rows):
            return np.empty((0, len(TARGETS)))
        scaled = self.scaling.transform(rows)
        scaled[..., TARGET_COLUMNS] = scaled[..., TARGET_COLUMNS].clip(max=LARGEST_INPUT)
        return self.predict_scaled(scaled.astype(np.float32))

    def predict_scaled(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Predict from windows of normalized features (n, lookback_steps, features); see `predict`."""
        self.network.eval()
        with torch.inference_mode():
            scaled = self.network(torch.from_numpy(inputs)).numpy().astype(np.float64)
        predicted = (scaled - self.scaling.offset[TARGET_COLUMNS]) / self.scaling.scale[TARGET_COLUMNS]
        predicted = predicted.clip(min=0.0)  # no time, rate or CPU is negative
        predicted[:, [target in self.unlearned_targets for target in TARGETS]] = np.nan
        return np.asarray(predicted)
