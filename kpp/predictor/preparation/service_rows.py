"""Where each service's rows lie in a table that is sorted by service, and figures over them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kpp.schema import SERVICE

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ServiceRows:
    """The services of a table, each with at least one row.

    Attributes:
        names: by service, in the order of the rows.
        ends: (services,), where the rows of each service end.
    """

    names: tuple[str, ...]
    ends: Indices

    @classmethod
    def of(cls, rows: pd.DataFrame) -> "ServiceRows":
        """The services of rows that are sorted by `SERVICE`."""
        counts = rows.groupby(SERVICE, sort=False).size()
        return cls(tuple(map(str, counts.index)), np.cumsum(counts.to_numpy()))

    @cached_property
    def starts(self) -> Indices:
        """Where the rows of each service begin: (services,)."""
        return np.concatenate([[0], self.ends[:-1]])

    @cached_property
    def numbers(self) -> Indices:
        """The service of each row, by its number: (rows,)."""
        return np.repeat(np.arange(len(self.names)), self.ends - self.starts)

    def cut(self, values: NDArray[Any]) -> list[NDArray[Any]]:
        """The rows of each service, as views."""
        return [values[start:end] for start, end in zip(self.starts, self.ends, strict=True)]

    def count(self, which: NDArray[np.bool_]) -> Indices:
        """How many rows of each service it holds for: (rows, …) to (services, …)."""
        return np.asarray(np.add.reduceat(which, self.starts, axis=0, dtype=np.int64))

    def smallest(self, values: NDArray[Any]) -> NDArray[Any]:
        """The smallest value of each service, NaN left out: (rows, …) to (services, …)."""
        return np.asarray(np.fmin.reduceat(values, self.starts, axis=0))

    def largest(self, values: NDArray[Any]) -> NDArray[Any]:
        """The largest value of each service, NaN left out: (rows, …) to (services, …)."""
        return np.asarray(np.fmax.reduceat(values, self.starts, axis=0))
