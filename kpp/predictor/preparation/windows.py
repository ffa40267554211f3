"""What the pipeline hands to training: the windows of one service, in three parts."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kpp.predictor.preparation.experiments import Part
from kpp.predictor.preparation.gaps import Grid
from kpp.predictor.preparation.scaling import Scaling
from kpp.predictor.preparation.service_rows import Floats, Indices
from kpp.schema import TARGETS, USER_COUNT

FEATURES = (USER_COUNT, *TARGETS)


@dataclass(frozen=True)
class Windows:
    """Windows of one service: `lookback_steps` past minutes as input, the next minute as target.

    An input is a view: so many rows of `history`, from its start on. The three parts of a service share one
    history. Scaled values are those of the service's `Scaling`; own units are seconds, req/s and cores.
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

    def select(self, rows: NDArray[np.bool_] | Indices | slice) -> "Windows":
        """Some of the windows, of the same history, in this order."""
        names = ("starts", "targets", "observed", "last_observed", "timestamps", "user_counts")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    def __len__(self) -> int:
        return len(self.starts)


@dataclass(frozen=True)
class ServiceDataset:
    """Everything that training and scoring one service needs."""

    service: str
    scaling: Scaling  # of FEATURES, fitted on training rows only
    fit: Windows  # the weights are fitted on these
    validation: Windows  # cut from the training rows: learning rate, early stop, best weights
    test: Windows  # only ever scored
    train_means: dict[float, NDArray[np.float64]]  # user count -> (targets,), own units, training rows
    digest: str  # SHA-256 of the service's rows, as hex


def cut_windows(grid: Grid, scalings: Scaling, lookback_steps: int) -> list[dict[Part, Windows]]:
    """Cut a window for every minute that was measured and has a minute before it in its stretch.

    A lookback that would begin before its stretch repeats the stretch's first minute instead
    (docs/adr/0003-windows-at-the-edge.md). An input holds nothing that was measured in the target's minute or
    later: where filling a gap would take that, the last value before the gap stands in; where there is none,
    there is no window. How these become views: docs/adr/0031-windows-are-views.md.

    Args:
        grid: of all services.
        scalings: of all services.
        lookback_steps: length of a window, in minutes.

    Returns:
        For each service its windows, by part; all are views of arrays that the services share.
    """
    laid_out, starts = _lay_out_stretches(grid, lookback_steps)
    ends = _find_targets(grid)
    starts = starts[ends - 1]
    # a fill is not yet known: then it is in the lookback's last minute, too
    early = (grid.known_at[ends - 1] >= ends[:, None]).any(axis=1)
    lookback = ends[early, None] + np.arange(-lookback_steps, 0)
    lookback = np.maximum(lookback, grid.stretch_starts[ends[early], None])
    own = _hold_what_is_not_known(grid, ends[early], lookback)
    starts[early] = len(laid_out) + lookback_steps * np.arange(len(own))
    complete = np.ones(len(ends), dtype=bool)
    complete[early] = ~np.isnan(own).any(axis=(1, 2))

    minutes = np.concatenate([laid_out, lookback.ravel()])
    values = np.concatenate([grid.interpolated[laid_out], own.reshape(-1, len(TARGETS))])
    history = _scale(scalings, grid, minutes, np.nan_to_num(values))
    ends, starts = ends[complete], starts[complete]
    firsts = np.maximum(ends - lookback_steps, grid.stretch_starts[ends])
    last_at = grid.last_measured_at[ends - 1]
    last_observed = np.take_along_axis(grid.observed, np.maximum(last_at, 0), axis=0)
    observed, of_test = grid.observed[ends], grid.parts[ends] == Part.TEST
    learned = np.where(of_test[:, None] | np.isnan(observed), observed, grid.clipped[ends])
    windows = Windows(
        history=history,
        starts=starts,
        lookback_steps=lookback_steps,
        targets=_scale(scalings, grid, ends, learned)[:, 1:],
        observed=observed,
        last_observed=np.where(last_at >= firsts[:, None], last_observed, np.nan),
        timestamps=grid.minutes[ends],
        user_counts=grid.user_counts[ends],
    )
    count = len(scalings.minima)
    return _split(windows, count, grid.services[minutes], grid.services[ends], grid.parts[ends])


def _split(
    windows: Windows, count: int, history_services: Indices, services: Indices, parts: Indices
) -> list[dict[Part, Windows]]:
    """Cut the windows of all services into those of each service and part.

    Args:
        windows: of all services.
        count: of the services.
        history_services: (minutes,), the service of each row of the history.
        services, parts: (n,), of each window.
    """
    by_service = np.argsort(history_services, kind="stable")
    history = windows.history[by_service]
    place = np.empty_like(by_service)
    place[by_service] = np.arange(len(by_service))
    begins = np.searchsorted(history_services[by_service], np.arange(count + 1))
    windows = replace(windows, starts=place[windows.starts] - begins[services])

    by_part = np.lexsort((parts, services))
    windows = windows.select(by_part)
    cuts = np.searchsorted((services * len(Part) + parts)[by_part], np.arange(count * len(Part) + 1))
    return [
        {
            part: replace(
                windows.select(slice(*cuts[number * len(Part) + part :][:2])),
                history=history[begins[number] : begins[number + 1]],
            )
            for part in Part
        }
        for number in range(count)
    ]


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


def _scale(scalings: Scaling, grid: Grid, minutes: Indices, targets: Floats) -> NDArray[np.float32]:
    """Scale the user counts of these minutes, and targets (n, targets), to (n, features)."""
    features = np.column_stack([grid.user_counts[minutes], targets])
    return scalings.transform_each(features, grid.services[minutes]).astype(np.float32)
