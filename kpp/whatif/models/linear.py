"""Straight lines: of the load itself, or of logarithms, which makes a power of the load."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from sklearn.linear_model import LinearRegression

from kpp.whatif.model import State
from kpp.whatif.models.per_service import Floats, PerServiceModel, ServiceLevels, from_logs
from kpp.whatif.plain_data import from_plain, to_plain


@dataclass(frozen=True)
class Lines:
    """One service's lines.

    Attributes:
        coefficients: (3, 1 + features): intercept and slopes of each target; NaN where it was not measured.
        logarithmic: ln(target) = intercept + sum(slope x ln(feature)) instead of target = intercept + …
    """

    features: tuple[str, ...]
    coefficients: Floats
    logarithmic: bool

    def predict(self, inputs: Floats) -> Floats:
        """(rows, features) to (rows, 3)."""
        inputs = np.log(inputs) if self.logarithmic else inputs
        lines: Floats = self.coefficients[:, 0] + inputs @ self.coefficients[:, 1:].T
        return from_logs(lines) if self.logarithmic else lines

    def dump(self) -> State:
        """As plain data."""
        return {"coefficients": to_plain(self.coefficients)}

    @classmethod
    def restore(cls, state: State, *, logarithmic: bool) -> "Lines":
        """From what `dump` gave, and the features."""
        return cls(tuple(state["features"]), from_plain(state["coefficients"]), logarithmic)


def _fit(levels: ServiceLevels, *, logarithmic: bool) -> Lines:
    """Least squares of relative errors: those of logarithms are, others are weighted with 1 / target^2."""
    inputs = np.log(levels.inputs) if logarithmic else levels.inputs
    targets = levels.log_targets() if logarithmic else levels.targets
    coefficients = np.full((targets.shape[1], 1 + inputs.shape[1]), np.nan)
    for column, values in enumerate(targets.T):
        known = ~np.isnan(values)
        if known.any():
            weights = None if logarithmic else _relative(values[known])
            line = LinearRegression().fit(inputs[known], values[known], sample_weight=weights)
            coefficients[column] = [line.intercept_, *line.coef_]
    return Lines(levels.features, coefficients, logarithmic)


def _relative(values: Floats) -> Floats:
    """1 / value^2, where a value far below the others counts as a hundredth of their median."""
    sizes = np.maximum(values, 0.01 * np.median(values))
    weights: Floats = np.ones_like(values) if sizes.min() <= 0 else (sizes.mean() / sizes) ** 2
    return weights


make_linear = partial(
    PerServiceModel, "linear", partial(_fit, logarithmic=False), partial(Lines.restore, logarithmic=False)
)
make_log_linear = partial(
    PerServiceModel, "log-linear", partial(_fit, logarithmic=True), partial(Lines.restore, logarithmic=True)
)
