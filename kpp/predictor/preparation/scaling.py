"""The scale of a service's features: what scikit-learn's `MinMaxScaler` learns and does, as plain arrays.

scikit-learn takes longer to load than a small table to train on, and a `MinMaxScaler` for each of a thousand
services longer than all else that is prepared. Training computes with this; `Scaling.as_scaler` is the object
for everything else. A test holds the two against each other, bit by bit.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from kpp.predictor.preparation.service_rows import Floats, Indices

if TYPE_CHECKING:
    from sklearn.preprocessing import MinMaxScaler

SMALLEST_RANGE = 10 * np.finfo(np.float64).eps  # what scikit-learn takes for constant


@dataclass(frozen=True, eq=False)
class Scaling:
    """Turns features into 0 to 1 over the rows that it was fitted on; a constant one becomes 0.

    It may also hold that of many services, with a row for each.

    Attributes:
        minima, maxima: of each feature, own units: (features,), or (services, features).
    """

    minima: Floats
    maxima: Floats

    @cached_property
    def scale(self) -> Floats:
        """What a feature is multiplied by, shaped as the minima."""
        ranges = self.maxima - self.minima
        return np.asarray(1.0 / np.where(ranges < SMALLEST_RANGE, 1.0, ranges))

    @cached_property
    def offset(self) -> Floats:
        """What is added after that."""
        return np.asarray(0.0 - self.minima * self.scale)

    def transform(self, features: Floats) -> Floats:
        """Scale (…, features) of one service; NaN stays NaN."""
        return np.asarray(features * self.scale + self.offset)

    def transform_each(self, features: Floats, services: Indices) -> Floats:
        """Scale (n, features), each row as its service's number, (n,), says."""
        return np.asarray(features * self.scale[services] + self.offset[services])

    def split(self) -> "list[Scaling]":
        """The scaling of each service."""
        return [Scaling(*both) for both in zip(self.minima, self.maxima, strict=True)]

    def inverse_transform(self, scaled: Floats) -> Floats:
        """Turn (…, features) of one service back into own units."""
        return np.asarray((scaled - self.offset) / self.scale)

    def as_scaler(self) -> "MinMaxScaler":
        """The same as scikit-learn's."""
        from sklearn.preprocessing import MinMaxScaler  # late: it takes a second to load

        return MinMaxScaler().fit(np.array([self.minima, self.maxima]))
