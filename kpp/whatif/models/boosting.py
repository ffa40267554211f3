"""Gradient boosting of regression trees (scikit-learn): follows any shape within the data, none beyond."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.ensemble import GradientBoostingRegressor

from kpp.whatif.model import State
from kpp.whatif.models.per_service import Floats, PerServiceModel, ServiceLevels, from_logs

Integers = NDArray[np.intp]

TREES, DEPTH, LEARNING_RATE = 40, 2, 0.15
LEAF = -1  # scikit-learn's sign of a node without children


@dataclass(frozen=True)
class Forest:
    """The boosted trees of one target as arrays, as `sklearn.tree` lays them out; padded to one length.

    Attributes:
        start: the prediction before any tree.
        left, right: (trees, nodes): the children of a node, `LEAF` at leaves.
        feature: (trees, nodes): the column that a node compares; values up to `threshold` go left.
        threshold: (trees, nodes).
        value: (trees, nodes): what a leaf adds, learning rate included.
    """

    start: float
    left: Integers
    right: Integers
    feature: Integers
    threshold: Floats
    value: Floats

    def predict(self, inputs: Floats) -> Floats:
        """(rows, features) to (rows,)."""
        rows = np.arange(len(inputs))[:, None]
        trees = np.arange(len(self.left))[None, :]
        nodes = np.zeros((len(inputs), len(self.left)), dtype=np.intp)
        compared = inputs.astype(np.float32)  # scikit-learn compares so
        for _ in range(DEPTH):
            smaller = compared[rows, self.feature[trees, nodes]] <= self.threshold[trees, nodes]
            children = np.where(smaller, self.left[trees, nodes], self.right[trees, nodes])
            nodes = np.where(children == LEAF, nodes, children)
        predicted: Floats = self.start + self.value[trees, nodes].sum(axis=1)
        return predicted

    def dump(self) -> State:
        """As plain data."""
        arrays = {name: value.tolist() for name, value in vars(self).items() if name != "start"}
        return {"start": self.start, **arrays}

    @classmethod
    def restore(cls, state: State) -> "Forest":
        """From what `dump` gave."""
        left, right, feature = (np.array(state[name], np.intp) for name in ("left", "right", "feature"))
        threshold, value = (np.array(state[name], np.float64) for name in ("threshold", "value"))
        return cls(float(state["start"]), left, right, feature, threshold, value)

    @classmethod
    def of(cls, regressor: Any) -> "Forest":
        """The trees of a fitted `GradientBoostingRegressor`."""
        trees = [estimator.tree_ for estimator in regressor.estimators_[:, 0]]
        nodes = max(tree.node_count for tree in trees)

        def stack(name: str, padding: float) -> Any:
            rows = [getattr(tree, name).reshape(tree.node_count) for tree in trees]
            stacked = np.full((len(rows), nodes), padding, dtype=rows[0].dtype)
            for place, row in zip(stacked, rows, strict=True):
                place[: len(row)] = row
            return stacked

        return cls(
            start=float(regressor.init_.constant_[0, 0]),
            left=stack("children_left", LEAF),
            right=stack("children_right", LEAF),
            feature=np.maximum(stack("feature", 0), 0),  # of a leaf it is negative
            threshold=stack("threshold", 0.0),
            value=regressor.learning_rate * stack("value", 0.0),
        )


@dataclass(frozen=True)
class BoostedService:
    """One service's forests, by target; None where it was not measured."""

    features: tuple[str, ...]
    forests: tuple[Forest | None, ...]

    def predict(self, inputs: Floats) -> Floats:
        """(rows, features) to (rows, 3)."""
        unknown = np.full(len(inputs), np.nan)
        columns = [unknown if forest is None else forest.predict(inputs) for forest in self.forests]
        return from_logs(np.column_stack(columns))

    def dump(self) -> State:
        """As plain data."""
        return {"forests": [None if forest is None else forest.dump() for forest in self.forests]}

    @classmethod
    def restore(cls, state: State) -> "BoostedService":
        """From what `dump` gave, and the features."""
        forests = [None if each is None else Forest.restore(each) for each in state["forests"]]
        return cls(tuple(state["features"]), tuple(forests))


def _fit(levels: ServiceLevels, *, seed: int) -> BoostedService:
    """Boost the logarithms, so that relative errors count."""
    forests: list[Forest | None] = []
    for values in levels.log_targets().T:
        known = ~np.isnan(values)
        if not known.any():
            forests.append(None)
            continue
        regressor = GradientBoostingRegressor(
            n_estimators=TREES, max_depth=DEPTH, learning_rate=LEARNING_RATE, random_state=seed
        )
        with config_context(skip_parameter_validation=True):  # it would take a third of the time
            forests.append(Forest.of(regressor.fit(levels.inputs[known], values[known])))
    return BoostedService(levels.features, tuple(forests))


def make_boosting(seed: int = 0) -> PerServiceModel:
    """The model of the registry."""
    return PerServiceModel("boosting", partial(_fit, seed=seed), BoostedService.restore)
