"""Series are found by their labels."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpp.simulator.promql.errors import BadDataError
from kpp.simulator.promql.labels import LabelSet
from kpp.simulator.promql.matchers import Matcher, SeriesIndex

names = st.sampled_from(["a", "b", "c"])
values = st.sampled_from(["", "x", "xy", "y", "z.", "zz"])
label_sets = st.dictionaries(names, values).map(LabelSet)
matchers = st.one_of(
    st.builds(Matcher, names, st.sampled_from(["=", "!="]), values),
    st.builds(
        Matcher, names, st.sampled_from(["=~", "!~"]), st.sampled_from(["", "x", "x.*", "x|y", ".+", "z\\."])
    ),
)


def holds(matcher: Matcher, labels: LabelSet) -> bool:
    """The definition, on Python's own regular expressions."""
    value = labels.as_dict().get(matcher.name, "")
    found = (
        value == matcher.value if matcher.kind in ("=", "!=") else bool(re.fullmatch(matcher.value, value))
    )
    return found == (matcher.kind in ("=", "=~"))


@given(
    label_sets=st.lists(label_sets, max_size=20),
    conditions=st.lists(st.lists(matchers, max_size=3), max_size=4),
)
def test_finds_what_meets_all_conditions(label_sets: list[LabelSet], conditions: list[list[Matcher]]) -> None:
    index = SeriesIndex()
    for labels in label_sets:
        index.number_of(labels)
        for wanted in conditions:  # while the index grows
            found = [index.labels[number] for number in index.select(wanted)]
            assert found == sorted(
                labels for labels in index.labels if all(holds(matcher, labels) for matcher in wanted)
            )


@given(labels=label_sets, names=st.sets(names))
def test_what_is_kept_and_what_is_dropped_make_the_whole(labels: LabelSet, names: set[str]) -> None:
    kept, dropped = labels.keep(names), labels.drop(names)
    assert set(kept.as_dict()) <= names
    assert LabelSet({**kept.as_dict(), **dropped.as_dict()}) == labels


def test_an_expression_that_is_none_is_refused() -> None:
    with pytest.raises(BadDataError, match="invalid regular expression"):
        Matcher("a", "=~", "(").matches("x")
