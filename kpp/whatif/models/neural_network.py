"""A neural network per service (scikit-learn), with one output for each target."""

import warnings
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from threadpoolctl import ThreadpoolController

from kpp.whatif.model import State
from kpp.whatif.models.per_service import Floats, PerServiceModel, ServiceLevels, from_logs
from kpp.whatif.plain_data import from_plain, to_plain

HIDDEN = (16,)
PENALTY = 0.1  # of squared weights
MAX_ITERATIONS = 300


@dataclass(frozen=True)
class Network:
    """One service's network, from standardized logarithms to standardized logarithms.

    Attributes:
        input_scale, output_scale: (2, features) and (2, 3): mean and deviation; NaN for a target that was not
            learned.
        weights: of each layer, (inputs + 1, outputs), the bias as the last row.
    """

    features: tuple[str, ...]
    input_scale: Floats
    output_scale: Floats
    weights: tuple[Floats, ...]

    def predict(self, inputs: Floats) -> Floats:
        """(rows, features) to (rows, 3)."""
        values = (np.log(inputs) - self.input_scale[0]) / self.input_scale[1]
        for number, layer in enumerate(self.weights, start=1):
            values = values @ layer[:-1] + layer[-1]
            if number < len(self.weights):
                values = np.tanh(values)
        learned = ~np.isnan(self.output_scale[0])
        logs = np.full((len(inputs), len(learned)), np.nan)
        if learned.any():
            logs[:, learned] = values
        return from_logs(logs * self.output_scale[1] + self.output_scale[0])

    def dump(self) -> State:
        """As plain data."""
        return {
            "input_scale": to_plain(self.input_scale),
            "output_scale": to_plain(self.output_scale),
            "weights": [to_plain(layer) for layer in self.weights],
        }

    @classmethod
    def restore(cls, state: State) -> "Network":
        """From what `dump` gave, and the features."""
        weights = tuple(from_plain(layer) for layer in state["weights"])
        shapes = [layer.shape for layer in weights]
        if any(before[1] + 1 != after[0] for before, after in pairwise(shapes)):
            raise ValueError("layers do not fit each other")
        return cls(
            tuple(state["features"]),
            from_plain(state["input_scale"]),
            from_plain(state["output_scale"]),
            weights,
        )


def _fit(levels: ServiceLevels, *, seed: int) -> Network:
    """Train on all loads; a target that was not measured at one of them is interpolated there."""
    inputs, outputs = np.log(levels.inputs), levels.log_targets()
    learned = ~np.isnan(outputs).all(axis=0)
    filled = np.column_stack([_interpolate(inputs[:, 0], column) for column in outputs.T])
    input_scale, output_scale = _scale(inputs), np.where(learned, _scale(filled), np.nan)
    if not learned.any():
        return Network(levels.features, input_scale, output_scale, ())
    scaled = ((filled - output_scale[0]) / output_scale[1])[:, learned]
    network = MLPRegressor(
        hidden_layer_sizes=HIDDEN,
        activation="tanh",
        solver="lbfgs",
        alpha=PENALTY,
        max_iter=MAX_ITERATIONS,
        random_state=seed,
    )
    with warnings.catch_warnings(), _threads().limit(limits=1):  # small matrices are slower on several cores
        warnings.simplefilter("ignore", ConvergenceWarning)  # so many steps are what it gets
        single = scaled.shape[1] == 1  # which scikit-learn wants flat
        network.fit((inputs - input_scale[0]) / input_scale[1], scaled.ravel() if single else scaled)
    layers = zip(network.coefs_, network.intercepts_, strict=True)
    weights = tuple(np.vstack([weight, bias]) for weight, bias in layers)
    return Network(levels.features, input_scale, output_scale, weights)


@cache
def _threads() -> ThreadpoolController:
    """The thread pools of the linear algebra; to look for them takes a tenth of a fit."""
    return ThreadpoolController()


def _interpolate(places: Floats, values: Floats) -> Floats:
    """Fill in NaN between its neighbors; zeros where there are none."""
    known = ~np.isnan(values)
    if not known.any():
        return np.zeros_like(values)
    order = np.argsort(places[known], kind="stable")
    filled: Floats = np.where(known, values, np.interp(places, places[known][order], values[known][order]))
    return filled


def _scale(values: Floats) -> Floats:
    """Mean and deviation of each column; a constant one deviates by 1."""
    deviations = values.std(axis=0)
    return np.stack([values.mean(axis=0), np.where(deviations > 0, deviations, 1.0)])


def make_neural_network(seed: int = 0) -> PerServiceModel:
    """The model of the registry."""
    return PerServiceModel("neural-network", partial(_fit, seed=seed), Network.restore)
