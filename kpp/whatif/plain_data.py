"""Arrays as plain data for JSON files, and back; NaN is null there."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def to_plain(values: Floats) -> list[Any]:
    """Nested lists, None for NaN.

    >>> to_plain(np.array([[1.0, np.nan]]))
    [[1.0, None]]
    """
    plain = values.astype(object)
    plain[np.isnan(values)] = None
    nested: list[Any] = plain.tolist()
    return nested


def from_plain(values: list[Any]) -> Floats:
    """What `to_plain` was given.

    >>> from_plain([[1.0, None]])
    array([[ 1., nan]])
    """
    return np.array(values, dtype=np.float64)
