"""From PromQL's text to its syntax tree, and from the tree's nodes to what the evaluation works with.

The parser knows a little more than Prometheus 2.42 does; what it would let through is refused here.
"""

import re
from datetime import timedelta

import promql_parser
from promql_parser import (
    AtModifierType,
    BinModifier,
    Expr,
    LabelModifierType,
    MatchOp,
    ParenExpr,
    VectorMatchCardinality,
    VectorSelector,
)

from kpp.simulator.promql.errors import BadDataError, unsupported
from kpp.simulator.promql.labels import METRIC_NAME
from kpp.simulator.promql.matchers import Matcher, MatchKind, compile_regex
from kpp.simulator.promql.matching import ManySide, Matching

_LONGEST_TEXT = 4096  # characters: at some thousand levels of nesting the parser ends the whole process
GREATEST_DURATION_MS = (2**63 - 1) // 1_000_000  # nanoseconds in 64 bits
_NEGATIVE_INSTANT = re.compile(r"@\s*-")  # the parser panics when it is asked for an instant before 1970

# pairs, as the parser's enumerations cannot be hashed
_KINDS: tuple[tuple[MatchOp, MatchKind], ...] = (
    (MatchOp.Equal, "="),
    (MatchOp.NotEqual, "!="),
    (MatchOp.Re, "=~"),
    (MatchOp.NotRe, "!~"),
)
_MANY_SIDES: tuple[tuple[VectorMatchCardinality, ManySide], ...] = (
    (VectorMatchCardinality.ManyToOne, "left"),
    (VectorMatchCardinality.OneToMany, "right"),
)


def parse_expression(text: str) -> Expr:
    """Parse an expression.

    Raises:
        BadDataError: it is none, or is not supported.
    """
    if len(text) > _LONGEST_TEXT:
        raise unsupported(f"a query of more than {_LONGEST_TEXT} characters")
    if _NEGATIVE_INSTANT.search(text):
        raise unsupported("@ with an instant before 1970")
    try:
        return promql_parser.parse(text)
    except ValueError as error:
        raise BadDataError(f"parse error: {error}") from error


def parse_selector(text: str) -> tuple[Matcher, ...]:
    """Parse a plain selector, as `match[]` asks for.

    Raises:
        BadDataError: it is something else.
    """
    selector = parse_expression(text)
    if not isinstance(selector, VectorSelector) or selector.offset is not None or selector.at is not None:
        raise BadDataError("parse error: a series selector is expected, without offset and @")
    return matchers_of(selector)


def unwrap(expression: Expr) -> Expr:
    """What stands inside of parentheses."""
    while isinstance(expression, ParenExpr):
        expression = expression.expr
    return expression


def matchers_of(selector: VectorSelector) -> tuple[Matcher, ...]:
    """All conditions of a selector, that on the metric's name among them.

    Raises:
        BadDataError: a regular expression is none, or the conditions hold an `or`.
    """
    if selector.matchers.or_matchers:
        raise unsupported('"or" between label matchers')
    found = [
        Matcher(matcher.name, kind, matcher.value)
        for matcher in selector.matchers.matchers
        for operator, kind in _KINDS
        if operator == matcher.op
    ]
    for matcher in found:
        if matcher.kind in ("=~", "!~"):
            compile_regex(matcher.value)
    if selector.name is not None:
        found.append(Matcher(METRIC_NAME, "=", selector.name))
    return tuple(found)


def shift_of(selector: VectorSelector, start_ms: int, end_ms: int) -> tuple[int, int | None]:
    """What `offset` and `@` say: milliseconds to go back, and the instant to evaluate at if there is one.

    Raises:
        BadDataError: a duration or an instant is out of range.
    """
    try:
        offset_ms = milliseconds(selector.offset or timedelta())
        at = selector.at
        if at is None:
            return offset_ms, None
        if at.type == AtModifierType.Start:
            return offset_ms, start_ms
        if at.type == AtModifierType.End or at.at is None:
            return offset_ms, end_ms
        return offset_ms, round(at.at.timestamp() * 1000)
    except OverflowError as error:
        raise BadDataError(f"parse error: duration or timestamp out of range: {error}") from error


def milliseconds(duration: timedelta) -> int:
    """A duration in whole milliseconds.

    Raises:
        BadDataError: it is longer than Go's durations can be, about 292 years.
    """
    found = duration // timedelta(milliseconds=1)
    if found > GREATEST_DURATION_MS:
        raise BadDataError("parse error: duration out of range")
    return found


def matching_of(modifier: BinModifier | None) -> Matching:
    """How the series of two vectors meet.

    Raises:
        BadDataError: missing series are to be filled in.
    """
    if modifier is None:
        return Matching()
    if modifier.fill_values.lhs is not None or modifier.fill_values.rhs is not None:
        raise unsupported('"fill"')
    labels = modifier.matching
    return Matching(
        on=labels is not None and labels.type == LabelModifierType.Include,
        names=tuple(labels.labels) if labels is not None else (),
        many_side=next((side for cardinality, side in _MANY_SIDES if cardinality == modifier.card), None),
        included=tuple(modifier.group_labels or ()),
    )
