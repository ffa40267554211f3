"""The nearest measured load: what was seen there is what is predicted."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from kpp.whatif.model import State
from kpp.whatif.models.per_service import Floats, PerServiceModel, ServiceLevels
from kpp.whatif.plain_data import from_plain, to_plain


@dataclass(frozen=True)
class NearestLoad:
    """The medians of one service at each load.

    Attributes:
        inputs: (levels, features) and `targets`: (levels, 3), own units.
    """

    features: tuple[str, ...]
    inputs: Floats
    targets: Floats

    def predict(self, inputs: Floats) -> Floats:
        """The medians of the level with the smallest sum of |ln(asked / measured)| over the features.

        Of two that are equally near the one with fewer users is taken. A target that was not measured there
        is taken from the nearest level where it was.
        """
        apart = np.abs(np.log(inputs)[:, None, :] - np.log(self.inputs)[None, :, :]).sum(axis=2)
        predicted = np.full((len(inputs), self.targets.shape[1]), np.nan)
        for column, known in enumerate(~np.isnan(self.targets).T):
            if known.any():
                nearest = apart[:, known].argmin(axis=1)
                predicted[:, column] = self.targets[known, column][nearest]
        return predicted

    def dump(self) -> State:
        """As plain data."""
        return {"inputs": to_plain(self.inputs), "targets": to_plain(self.targets)}

    @classmethod
    def restore(cls, state: State) -> "NearestLoad":
        """From what `dump` gave, and the features."""
        return cls(tuple(state["features"]), from_plain(state["inputs"]), from_plain(state["targets"]))


def _fit(levels: ServiceLevels) -> NearestLoad:
    return NearestLoad(levels.features, levels.inputs, levels.targets)


make_nearest = partial(PerServiceModel, "nearest", _fit, NearestLoad.restore)
