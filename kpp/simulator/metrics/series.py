"""Series and their values, in blocks that share labels: what sources give and readers take."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Labels = tuple[tuple[str, str], ...]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Family:
    """A metric as a TYPE line announces it."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str = ""  # Envoy has none


@dataclass(frozen=True)
class Series:
    """One series of a family, without the labels that its block adds."""

    family: Family
    suffix: str = ""  # of a histogram: _bucket, _sum, _count
    labels: Labels = ()

    @property
    def name(self) -> str:
        """The name under which samples stand."""
        return self.family.name + self.suffix


@dataclass(frozen=True, eq=False)
class Layout:
    """The series of a block, in the order of its values. It equals itself only, so that it hashes fast."""

    series: tuple[Series, ...]


@dataclass(frozen=True)
class Block:
    """The values of several series with the same labels at one instant."""

    layout: Layout
    labels: Labels
    values: Values
    timestamp_ms: int | None = None  # the samples' own, Unix milliseconds; None: the scrape's

    @property
    def key(self) -> tuple[Layout, Labels]:
        """The same for the same series."""
        return self.layout, self.labels

    def label_sets(self) -> Iterator[dict[str, str]]:
        """The labels of each series, `__name__` among them; empty ones are as good as absent."""
        for series in self.layout.series:
            yield {"__name__": series.name, **dict(self.labels), **dict(series.labels)}


def layout_of(*families: Family) -> Layout:
    """A layout with one series of each family."""
    return Layout(tuple(Series(family) for family in families))


def block(layout: Layout, labels: Labels, values: Sequence[float], timestamp_ms: int | None = None) -> Block:
    """A block from plain numbers."""
    return Block(layout, labels, np.array(values, dtype=np.float64), timestamp_ms)
