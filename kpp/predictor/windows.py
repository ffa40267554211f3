"""What the pipeline hands to training: the windows of one service, in three parts."""

from dataclasses import dataclass, replace

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

    An input is a view: so many rows of `history`, from its start on. The three parts of a service share one
    history. Scaled values are those of the service's `MinMaxScaler`; own units are seconds, req/s and cores.
    """

    history: NDArray[np.float32]  # (minutes, features), scaled, no NaN
    starts: NDArray[np.int64]  # (n,), the row of `history` where each window begins
    lookback_steps: int
    targets: NDArray[np.float32]  # (n, targets), scaled; NaN: not measured, so not learned
    observed: NDArray[np.float64]  # (n, targets), the targets in their own units as measured; NaN likewise
    last_observed: NDArray[np.float64]  # (n, targets), own units: the last measured value within the lookback
    timestamps: NDArray[np.int64]  # (n,), Unix seconds of the target minute
    user_counts: NDArray[np.float64]  # (n,), of the target minute

    @property
    def inputs(self) -> NDArray[np.float32]:
        """The windows one by one, copied out: (n, lookback_steps, features)."""
        return np.asarray(self.history[self.starts[:, None] + np.arange(self.lookback_steps)])

    def select(self, rows: NDArray[np.bool_] | Indices) -> "Windows":
        """Some of the windows, of the same history, in this order."""
        names = ("starts", "targets", "observed", "last_observed", "timestamps", "user_counts")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    def __len__(self) -> int:
        return len(self.starts)


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
    there is no window. How these become views: docs/adr/0031-windows-are-views.md.
    """
    minutes, starts = _lay_out_stretches(grid, lookback_steps)
    user_counts, history = grid.user_counts[minutes], grid.interpolated[minutes]

    ends = _find_targets(grid)
    lookback = np.maximum(ends[:, None] + np.arange(-lookback_steps, 0), grid.stretch_starts[ends][:, None])
    starts = starts[ends - 1]
    early = (grid.known_at.max(axis=1)[lookback] >= ends[:, None]).any(axis=1)  # a fill is not yet known
    own = _hold_what_is_not_known(grid, ends[early], lookback[early])
    starts[early] = len(minutes) + lookback_steps * np.arange(len(own))
    user_counts = np.concatenate([user_counts, grid.user_counts[lookback[early]].ravel()])
    history = np.concatenate([history, own.reshape(-1, history.shape[1])])
    complete = np.ones(len(ends), dtype=bool)
    complete[early] = ~np.isnan(own).any(axis=(1, 2))
    ends, starts, firsts = ends[complete], starts[complete], lookback[complete, 0]

    parts, observed = grid.parts[ends], grid.observed[ends]
    learned = np.where((parts == Part.TEST)[:, None] | np.isnan(observed), observed, grid.clipped[ends])
    last_at = grid.last_measured_at[ends - 1]
    last_observed = np.take_along_axis(grid.observed, np.maximum(last_at, 0), axis=0)
    windows = Windows(
        history=_scale(scaler, user_counts, np.nan_to_num(history)),
        starts=starts,
        lookback_steps=lookback_steps,
        targets=_scale(scaler, grid.user_counts[ends], learned)[:, 1:],
        observed=observed,
        last_observed=np.where(last_at >= firsts[:, None], last_observed, np.nan),
        timestamps=grid.minutes[ends],
        user_counts=grid.user_counts[ends],
    )
    return {part: windows.select(parts == part) for part in Part}


def _lay_out_stretches(grid: Grid, lookback_steps: int) -> tuple[Indices, Indices]:
    """Put stretches one after the other, the first minute of each repeated, so that every lookback is a view.

    Returns:
        The minute at each row of the history, and for each minute the row where the lookback that it ends
        begins.
    """
    here = np.arange(len(grid.minutes))
    repeats = np.where(here == grid.stretch_starts, lookback_steps, grid.stretch_starts >= 0)
    return np.repeat(here, repeats), np.cumsum(repeats) - lookback_steps


def _find_targets(grid: Grid) -> Indices:
    """The minutes that were measured and have a minute before them in their stretch: (n,)."""
    here = np.arange(len(grid.minutes))
    has_history = (grid.stretch_starts >= 0) & (here > grid.stretch_starts)
    return np.flatnonzero(~np.isnan(grid.observed).all(axis=1) & has_history)


def _hold_what_is_not_known(grid: Grid, ends: Indices, lookback: Indices) -> Floats:
    """Lookbacks in which the last value stands in for each fill that is known only at their end, or later.

    Returns:
        (n, lookback_steps, targets); NaN where no value stands in.
    """
    not_yet_known = grid.known_at[lookback] >= ends[:, None, None]
    return np.where(not_yet_known, grid.held[lookback], grid.interpolated[lookback])


def _scale(scaler: MinMaxScaler, user_counts: Floats, targets: Floats) -> NDArray[np.float32]:
    """Scale (…) user counts and (…, targets) to (…, features)."""
    features = np.concatenate([user_counts[..., None], targets], axis=-1)
    if not features.size:
        return features.astype(np.float32)
    scaled = np.asarray(scaler.transform(features.reshape(-1, len(FEATURES))))
    return scaled.reshape(features.shape).astype(np.float32)
