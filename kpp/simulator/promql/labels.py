"""Label sets: what names a series."""

from collections.abc import Collection, Mapping
from functools import cached_property

METRIC_NAME = "__name__"


class LabelSet:
    """The labels of one series. Immutable, hashable, ordered as Prometheus orders series.

    A label with an empty value is a label that is absent.

    >>> labels = LabelSet({"__name__": "up", "job": "pods", "zone": ""})
    >>> labels
    up{job="pods"}
    >>> labels.get("zone")
    ''
    >>> labels.nameless == LabelSet({"job": "pods"})
    True
    """

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._values = {name: labels[name] for name in sorted(labels) if labels[name]}
        self.pairs = tuple(self._values.items())
        self._hash = hash(self.pairs)

    def get(self, name: str) -> str:
        """The value of a label; empty when it is absent."""
        return self._values.get(name, "")

    def as_dict(self) -> dict[str, str]:
        """Name to value, sorted by name."""
        return dict(self._values)

    def keep(self, names: Collection[str]) -> "LabelSet":
        """Only the labels named."""
        return LabelSet({name: value for name, value in self.pairs if name in names})

    def drop(self, names: Collection[str]) -> "LabelSet":
        """All labels but those named."""
        return LabelSet({name: value for name, value in self.pairs if name not in names})

    def replace(self, changes: Mapping[str, str]) -> "LabelSet":
        """These labels with others set over them; one set to nothing is removed."""
        return LabelSet({**self._values, **changes})

    @cached_property
    def nameless(self) -> "LabelSet":
        """The labels without the metric's name."""
        return self.drop((METRIC_NAME,))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LabelSet) and self.pairs == other.pairs

    def __lt__(self, other: "LabelSet") -> bool:
        return self.pairs < other.pairs

    def __repr__(self) -> str:
        inside = ", ".join(f'{name}="{value}"' for name, value in self.nameless.pairs)
        return f"{self.get(METRIC_NAME)}{{{inside}}}"
