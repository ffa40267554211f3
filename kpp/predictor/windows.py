"""What the pipeline hands to training: the windows of one service, in three parts."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import MinMaxScaler

from kpp.predictor.experiments import Part
from kpp.predictor.gaps import Floats, Grid, Indices
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


def cut_windows(grid: Grid, scaler: MinMaxScaler, lookback_steps: int) -> dict[Part, Windows]:
    """Cut a window for every minute that was measured and has a minute before it in its stretch.

    A lookback that would begin before its stretch repeats the stretch's first minute instead
    (docs/adr/0003-windows-at-the-edge.md). An input holds nothing that was measured in the target's minute or
    later: where filling a gap would take that, the last value before the gap stands in; where there is none,
    there is no window.
    """
    ends, lookback = _place_windows(grid, lookback_steps)
    not_yet_known = grid.known_at[lookback] >= ends[:, None, None]  # (n, lookback_steps, targets)
    history = np.where(not_yet_known, grid.held[lookback], grid.interpolated[lookback])
    complete = ~np.isnan(history).any(axis=(1, 2))
    ends, lookback, history = ends[complete], lookback[complete], history[complete]

    parts, observed = grid.parts[ends], grid.observed[ends]
    learned = np.where((parts == Part.TEST)[:, None] | np.isnan(observed), observed, grid.clipped[ends])
    last_at = grid.last_measured_at[ends - 1]
    last_observed = np.take_along_axis(grid.observed, np.maximum(last_at, 0), axis=0)
    windows = Windows(
        inputs=_scale(scaler, grid.user_counts[lookback], history),
        targets=_scale(scaler, grid.user_counts[ends], learned)[:, 1:],
        observed=observed,
        last_observed=np.where(last_at >= lookback[:, :1], last_observed, np.nan),
        timestamps=grid.minutes[ends],
        user_counts=grid.user_counts[ends],
    )
    return {part: _select(windows, parts == part) for part in Part}


def _place_windows(grid: Grid, lookback_steps: int) -> tuple[Indices, Indices]:
    """The minutes that can be targets (n,), and the minutes of their lookbacks (n, lookback_steps)."""
    here = np.arange(len(grid.minutes))
    measured = ~np.isnan(grid.observed).all(axis=1)
    has_history = (grid.stretch_starts >= 0) & (here > grid.stretch_starts)
    ends = np.flatnonzero(measured & has_history)
    lookback = ends[:, None] + np.arange(-lookback_steps, 0)
    return ends, np.maximum(lookback, grid.stretch_starts[ends][:, None])


def _scale(scaler: MinMaxScaler, user_counts: Floats, targets: Floats) -> NDArray[np.float32]:
    """Scale (…) user counts and (…, targets) to (…, features)."""
    features = np.concatenate([user_counts[..., None], targets], axis=-1)
    if not features.size:
        return features.astype(np.float32)
    scaled = np.asarray(scaler.transform(features.reshape(-1, len(FEATURES))))
    return scaled.reshape(features.shape).astype(np.float32)


def _select(windows: Windows, mask: NDArray[np.bool_]) -> Windows:
    return Windows(**{field.name: getattr(windows, field.name)[mask] for field in fields(Windows)})
