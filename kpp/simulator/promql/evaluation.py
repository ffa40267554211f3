"""Evaluates a syntax tree at all instants of a query at once."""

from dataclasses import replace
from functools import singledispatchmethod
from typing import cast

import numpy as np
from promql_parser import (
    AggModifierType,
    AggregateExpr,
    BinaryExpr,
    Call,
    Expr,
    MatrixSelector,
    NumberLiteral,
    ParenExpr,
    StringLiteral,
    SubqueryExpr,
    UnaryExpr,
    VectorSelector,
)

from kpp.simulator.promql.aggregation import aggregate, group_by, group_without
from kpp.simulator.promql.errors import ExecutionError, unsupported
from kpp.simulator.promql.functions import FUNCTIONS, absent, map_values
from kpp.simulator.promql.matching import SET_OPERATORS, combine_sets, combine_vectors
from kpp.simulator.promql.operators import Operator, combine_scalars, combine_with_scalar
from kpp.simulator.promql.parsing import matchers_of, matching_of, milliseconds, shift_of, unwrap
from kpp.simulator.promql.range_functions import RANGE_FUNCTIONS
from kpp.simulator.promql.samples import Integers, SampleStore, SeriesNumbers
from kpp.simulator.promql.values import Value, Vector, refuse_same_labels
from kpp.simulator.promql.windows import Windows, read_latest

_MOST_SAMPLES = 50_000_000  # Prometheus's --query.max-samples; here it counts the empty cells too


class Evaluation:
    """One query's evaluation.

    Args:
        store: the samples; locked by the caller.
        instants_ms: when to evaluate, ascending.
    """

    def __init__(self, store: SampleStore, instants_ms: Integers) -> None:
        self._store = store
        self._instants_ms = instants_ms

    @singledispatchmethod
    def evaluate(self, expression: Expr) -> Value:
        """The value of an expression that is no range vector.

        Raises:
            BadDataError: something in it is not supported; the message names it.
            ExecutionError: these samples give it no answer.
        """
        raise unsupported(_describe(expression))

    @evaluate.register
    def _number(self, expression: NumberLiteral) -> Value:
        return np.full(len(self._instants_ms), expression.val)

    @evaluate.register
    def _string(self, expression: StringLiteral) -> Value:
        return expression.val

    @evaluate.register
    def _parentheses(self, expression: ParenExpr) -> Value:
        return self.evaluate(expression.expr)

    def windows(self, selector: MatrixSelector) -> tuple[SeriesNumbers, Windows]:
        """The series that a range selector selects, and their samples in the range before each instant."""
        series, instants_ms = self._search(selector.vector_selector)
        return series, Windows(self._store, series, instants_ms, milliseconds(selector.range))

    @evaluate.register
    def _select(self, selector: VectorSelector) -> Value:
        series, instants_ms = self._search(selector)
        latest = read_latest(self._store, series, instants_ms)
        return Vector(
            [self._store.index.labels[number] for number in series], latest.values, latest.inside
        ).without_empty_rows()

    def _times_of_samples(self, expression: Expr) -> Value:
        """`timestamp(x)`: of a selector, when its samples were taken; of all else, the instant asked for."""
        if not isinstance(expression, VectorSelector):
            vector = cast(Vector, self.evaluate(expression))  # the parser has checked the types
            instants = np.broadcast_to(self._instants_ms / 1000, vector.values.shape)
            return map_values(vector, instants)
        series, instants_ms = self._search(expression)
        latest = read_latest(self._store, series, instants_ms)
        labels = [self._store.index.labels[number].nameless for number in series]
        vector = Vector(labels, latest.timestamps_ms / 1000, latest.inside)
        return refuse_same_labels(vector.without_empty_rows())

    def _search(self, selector: VectorSelector) -> tuple[SeriesNumbers, Integers]:
        """The series of a selector, and the instants at which it is to be read."""
        offset_ms, fixed_ms = shift_of(selector, int(self._instants_ms[0]), int(self._instants_ms[-1]))
        instants_ms = self._instants_ms if fixed_ms is None else np.full_like(self._instants_ms, fixed_ms)
        series = self._store.select(matchers_of(selector))
        if len(series) * len(instants_ms) > _MOST_SAMPLES:
            raise ExecutionError(
                "query processing would load too many samples into memory in query execution"
            )
        return series, instants_ms - offset_ms

    @evaluate.register
    def _negate(self, expression: UnaryExpr) -> Value:
        value = self.evaluate(expression.expr)
        if not isinstance(value, Vector):
            return -np.asarray(value)
        labels = [labels.nameless for labels in value.labels]
        return refuse_same_labels(replace(value, values=-value.values, labels=labels))

    @evaluate.register
    def _combine(self, expression: BinaryExpr) -> Value:
        left, right = self.evaluate(expression.lhs), self.evaluate(expression.rhs)
        symbol = str(expression.op).strip()
        modifier = expression.modifier
        operator = Operator(symbol, returns_bool=modifier is not None and modifier.return_bool)
        if isinstance(left, Vector) and isinstance(right, Vector):
            matching = matching_of(modifier)
            if symbol in SET_OPERATORS:
                return combine_sets(symbol, left, right, matching)
            return combine_vectors(operator, left, right, matching)
        if isinstance(left, Vector):
            return combine_with_scalar(operator, left, np.asarray(right), scalar_is_left=False)
        if isinstance(right, Vector):
            return combine_with_scalar(operator, right, np.asarray(left), scalar_is_left=True)
        return combine_scalars(operator, np.asarray(left), np.asarray(right))

    @evaluate.register
    def _aggregate(self, expression: AggregateExpr) -> Value:
        vector = cast(Vector, self.evaluate(expression.expr))  # the parser has checked the types
        parameter = self.evaluate(expression.param) if isinstance(expression.param, Expr) else None
        modifier = expression.modifier
        if modifier is not None and modifier.type == AggModifierType.Without:
            grouper = group_without(modifier.labels)
        else:
            grouper = group_by(modifier.labels if modifier is not None else ())
        scalar = parameter if isinstance(parameter, np.ndarray) else None
        return aggregate(str(expression.op).strip(), vector, grouper, scalar)

    @evaluate.register
    def _call(self, call: Call) -> Value:
        name = call.func.name
        if name in RANGE_FUNCTIONS:
            return self._call_range_function(name, unwrap(call.args[0]))
        if name == "time":
            return self._instants_ms / 1000
        if name == "timestamp":
            return self._times_of_samples(unwrap(call.args[0]))
        if name not in FUNCTIONS and name != "absent":
            raise unsupported(f'function "{name}"')
        arguments = [self.evaluate(argument) for argument in call.args]
        if name == "absent" and isinstance(arguments[0], Vector):
            selector = unwrap(call.args[0])
            return absent(arguments[0], matchers_of(selector) if isinstance(selector, VectorSelector) else ())
        return FUNCTIONS[name](*arguments)

    def _call_range_function(self, name: str, selector: Expr) -> Vector:
        if not isinstance(selector, MatrixSelector):
            raise unsupported(_describe(selector))
        series, windows = self.windows(selector)
        values, present = RANGE_FUNCTIONS[name](windows)
        labels = [self._store.index.labels[number] for number in series]
        if name != "last_over_time":
            labels = [label_set.nameless for label_set in labels]
        return refuse_same_labels(Vector(labels, values, present).without_empty_rows())


def _describe(expression: Expr) -> str:
    return "a subquery" if isinstance(expression, SubqueryExpr) else type(expression).__name__
