"""What the pipeline hands to training: the windows of one service, in three parts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import MinMaxScaler

from kpp.schema import TARGETS, USER_COUNT

FEATURES = (USER_COUNT, *TARGETS)


@dataclass(frozen=True)
class Windows:
    """Windows of one service: `lookback_steps` past minutes as input, the next minute as target.

    Scaled values are those of the service's `MinMaxScaler`; own units are seconds, req/s and cores.
    """

    inputs: NDArray[np.float32]  # (n, lookback_steps, features), scaled, no NaN
    targets: NDArray[np.float32]  # (n, targets), scaled; NaN: not measured, so not learned
    observed: NDArray[np.float64]  # (n, targets), the targets in their own units as measured; NaN likewise
    last_observed: NDArray[np.float64]  # (n, targets), own units: the last measured value within the lookback
    timestamps: NDArray[np.int64]  # (n,), Unix seconds of the target minute
    user_counts: NDArray[np.float64]  # (n,), of the target minute

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True)
class ServiceDataset:
    """Everything that training and scoring one service needs."""

    service: str
    scaler: MinMaxScaler  # over FEATURES, fitted on training rows only
    fit: Windows  # the weights are fitted on these
    validation: Windows  # cut from the training rows: learning rate, early stop, best weights
    test: Windows  # only ever scored
    train_means: dict[float, NDArray[np.float64]]  # user count -> (targets,), own units, training rows
    digest: str  # SHA-256 of the service's rows, as hex
