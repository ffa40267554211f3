"""A learned residual that fades with the distance from the data.

It is an offset, which tends to 0 outside of the measured range, and on top of it, where the data speak for
it, a Gaussian process with mean 0 (C. E. Rasmussen and C. K. I. Williams, Gaussian Processes for Machine
Learning, MIT Press 2006, chapters 2 and 5). The kernel is squared exponential; its length and the share of
the signal are those of the largest marginal likelihood among a few, less what BIC asks for two parameters.
scikit-learn's would search with a general optimizer, which takes longer than the second that all services
together may take, and its state is a pickle.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kpp.whatif.model import State
from kpp.whatif.plain_data import from_plain, to_plain

Floats = NDArray[np.float64]

LENGTHS = (0.15, 0.3, 0.6, 1.2)  # in logarithms of load: 0.6 is a factor of 1.8
RATIOS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # variance of the signal to that of a level's scatter
LAYOUT_LENGTH = 0.7  # in logarithms of replicas or limits: from one replica to two
FADE_LENGTH = 0.3  # in logarithms beyond the measured range, over which the offset fades
LEAST_SCATTER = 1e-4
MOST_LEVELS = 150  # more are thinned out evenly: beyond, they only cost time
FEATURES = 3  # load, replicas, limit
LARGEST = 1.0  # of a residual, in logarithms


@dataclass(frozen=True)
class Residual:
    """What a physical model leaves over of one target of one service, in logarithms.

    Attributes:
        points: (levels, features) where it was measured: logarithms of load, replicas and limit.
        offset: the median of what is left over.
        offset_error: its standard error.
        weights: (levels,) such that the rest at p is signal x kernel(p, points) @ weights.
        length: of the kernel along the load.
        signal: variance of the rest; 0 if there is none.
        scatter: variance of a level around it.
    """

    points: Floats
    offset: float
    offset_error: float
    weights: Floats
    length: float
    signal: float
    scatter: float

    def at(self, points: Floats) -> Floats:
        """The residual at (rows, features), (rows,); tends to 0 away from the data."""
        values = self.offset * self._fade(points)
        if self.signal:
            values = values + self.signal * _kernel(points, self.points, self.length) @ self.weights
        return np.clip(values, -LARGEST, LARGEST)

    def deviation(self, points: Floats) -> Floats:
        """The standard deviation of the residual at (rows, features), (rows,)."""
        fade = self._fade(points)
        variance = (self.offset_error * fade) ** 2 + (self.offset * (1 - fade)) ** 2
        if self.signal:
            near = self.signal * _kernel(points, self.points, self.length)
            covariance = self.signal * _kernel(self.points, self.points, self.length)
            covariance[np.diag_indices_from(covariance)] += self.scatter
            known = (near * np.linalg.solve(covariance, near.T).T).sum(axis=1)
            variance = variance + np.maximum(self.signal - known, 0.0)
        return np.asarray(np.sqrt(variance), dtype=np.float64)

    def dump(self) -> State:
        """As plain data."""
        numbers = {name: getattr(self, name) for name in NUMBERS}
        return {"points": to_plain(self.points), "weights": to_plain(self.weights), **numbers}

    @classmethod
    def restore(cls, state: State) -> "Residual":
        """From what `dump` gave."""
        points = from_plain(state["points"]).reshape(-1, FEATURES)
        numbers = {name: float(state[name]) for name in NUMBERS}
        return cls(points=points, weights=from_plain(state["weights"]), **numbers)

    def _fade(self, points: Floats) -> Floats:
        """(rows,) 1 within the measured range, less beyond."""
        if not len(self.points):
            return np.zeros(len(points))
        below, above = self.points.min(axis=0) - points, points - self.points.max(axis=0)
        beyond = np.maximum(np.maximum(below, above), 0.0)
        fade: Floats = np.exp(-0.5 * ((beyond / FADE_LENGTH) ** 2).sum(axis=1))
        return fade


NUMBERS = ("offset", "offset_error", "length", "signal", "scatter")
NOTHING = Residual(np.empty((0, FEATURES)), 0.0, 0.0, np.empty(0), length=1.0, signal=0.0, scatter=0.0)


def fit_residual(points: Floats, values: Floats) -> Residual:
    """Learn the residual of one target of one service.

    Args:
        points: (levels, features) logarithms.
        values: (levels,) log(measured / predicted); NaN where one of them is not known.
    """
    known = np.flatnonzero(np.isfinite(values))
    if len(known) < 3:
        return NOTHING
    known = known[np.linspace(0, len(known) - 1, min(len(known), MOST_LEVELS)).round().astype(int)]
    points, values = points[known], np.clip(values[known], -LARGEST, LARGEST)
    offset = float(np.median(values))
    error = float(np.std(values)) / np.sqrt(len(values))
    rest = values - offset
    found = Residual(points, offset, error, np.zeros(len(rest)), length=1.0, signal=0.0, scatter=0.0)
    best = _without_signal(rest) + float(np.log(len(rest)))
    for length in LENGTHS:
        roots, vectors = np.linalg.eigh(_kernel(points, points, length))
        projected = vectors.T @ rest
        for ratio in RATIOS:
            spectrum = ratio * np.maximum(roots, 0.0) + 1
            scatter = max(float(np.mean(projected**2 / spectrum)), LEAST_SCATTER**2)
            likelihood = _likelihood(scatter, spectrum, projected)
            if likelihood > best:
                best = likelihood
                weights = vectors @ (projected / (spectrum * scatter))
                found = Residual(points, offset, error, weights, length, ratio * scatter, scatter)
    return found


def _without_signal(values: Floats) -> float:
    scatter = max(float(np.mean(values**2)), LEAST_SCATTER**2)
    return _likelihood(scatter, np.ones(len(values)), values)


def _likelihood(scatter: float, spectrum: Floats, projected: Floats) -> float:
    """The logarithm of the marginal likelihood, up to a constant."""
    misfit = float(np.sum(projected**2 / (spectrum * scatter)))
    return -0.5 * (misfit + float(np.log(spectrum).sum()) + len(projected) * float(np.log(scatter)))


def _kernel(left: Floats, right: Floats, length: float) -> Floats:
    """(rows, levels) correlations between points."""
    lengths = np.array([length, *[LAYOUT_LENGTH] * (left.shape[1] - 1)])
    apart = (left[:, None, :] - right[None, :, :]) / lengths
    correlations: Floats = np.exp(-0.5 * (apart**2).sum(axis=-1))
    return correlations
