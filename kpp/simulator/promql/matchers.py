"""Label matchers, and the index that finds the series they select."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import re2
from numpy.typing import NDArray

from kpp.simulator.promql.errors import BadDataError
from kpp.simulator.promql.labels import LabelSet

_REMEMBERED_SELECTIONS = 256

MatchKind = Literal["=", "!=", "=~", "!~"]


@dataclass(frozen=True)
class Matcher:
    """A condition on one label; an absent label counts as an empty one.

    >>> Matcher("code", "=~", "2..|304").matches("2004")
    False
    """

    name: str
    kind: MatchKind
    value: str

    def matches(self, value: str) -> bool:
        """Whether a label's value meets the condition; regular expressions match the whole value.

        Raises:
            BadDataError: the regular expression is not one of RE2.
        """
        if self.kind in ("=", "!="):
            return (value == self.value) == (self.kind == "=")
        found = compile_regex(self.value).fullmatch(value) is not None
        return found == (self.kind == "=~")

    def __str__(self) -> str:
        return f'{self.name}{self.kind}"{self.value}"'


@lru_cache(maxsize=1024)
def compile_regex(text: str) -> Any:
    """Compile an expression in RE2's syntax, which is Prometheus's.

    Raises:
        BadDataError: the text is no such expression.
    """
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except re2.error as error:
        raise BadDataError(f"invalid regular expression {text!r}: {error.args[0].decode()}") from error


class SeriesIndex:
    """The label sets of all series, numbered in the order of their arrival, and found by their labels."""

    def __init__(self) -> None:
        self.labels: list[LabelSet] = []
        self._numbers: dict[LabelSet, int] = {}
        self._holders: dict[tuple[str, str], set[int]] = {}  # label and value -> the series that have it
        self._selections: dict[tuple[Matcher, ...], NDArray[np.intp]] = {}

    def number_of(self, labels: LabelSet) -> int:
        """The number of the series with these labels; a new one if there is none yet."""
        number = self._numbers.setdefault(labels, len(self.labels))
        if number == len(self.labels):
            self.labels.append(labels)
            for pair in labels.pairs:
                self._holders.setdefault(pair, set()).add(number)
            self._selections.clear()
        return number

    def select(self, matchers: Iterable[Matcher]) -> NDArray[np.intp]:
        """The numbers of the series that meet all conditions, ordered by label as in Prometheus."""
        conditions = tuple(matchers)
        if conditions not in self._selections:
            if len(self._selections) >= _REMEMBERED_SELECTIONS:
                self._selections.clear()
            self._selections[conditions] = np.array(
                sorted(self._search(conditions), key=self.labels.__getitem__), dtype=np.intp
            )
        return self._selections[conditions]

    def _search(self, matchers: tuple[Matcher, ...]) -> Iterable[int]:
        exact = [matcher for matcher in matchers if matcher.kind == "=" and matcher.value]
        held = sorted((self._holders.get((matcher.name, matcher.value), set()) for matcher in exact), key=len)
        found: Iterable[int] = set.intersection(*held) if held else range(len(self.labels))
        for matcher in set(matchers).difference(exact):
            verdicts: dict[str, bool] = {}  # labels have few values: ask once for each
            found = [number for number in found if self._check(matcher, number, verdicts)]
        return found

    def _check(self, matcher: Matcher, number: int, verdicts: dict[str, bool]) -> bool:
        value = self.labels[number].get(matcher.name)
        if value not in verdicts:
            verdicts[value] = matcher.matches(value)
        return verdicts[value]
