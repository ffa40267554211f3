"""Queries: a text and instants in, Prometheus's answer out."""

from typing import cast

import numpy as np
from promql_parser import Expr, MatrixSelector, StringLiteral, SubqueryExpr

from kpp.simulator.promql.answers import Answer, answer_instant, answer_range, answer_windows
from kpp.simulator.promql.errors import BadDataError
from kpp.simulator.promql.evaluation import Evaluation
from kpp.simulator.promql.parsing import parse_expression, unwrap
from kpp.simulator.promql.samples import SampleStore
from kpp.simulator.promql.values import Scalar, Value, Vector

_MOST_STEPS = 11_000


def query_instant(store: SampleStore, text: str, instant_ms: int) -> Answer:
    """Evaluate an expression at one instant (Unix time in milliseconds).

    Raises:
        BadDataError: the text is no expression, or asks for what is not supported.
        ExecutionError: these samples give it no answer.
    """
    expression = unwrap(parse_expression(text))
    with store.lock, np.errstate(all="ignore"):
        evaluation = Evaluation(store, np.array([instant_ms]))
        if isinstance(expression, MatrixSelector):
            return answer_windows(store, *evaluation.windows(expression))
        return answer_instant(_evaluate(evaluation, expression), instant_ms)


def query_range(store: SampleStore, text: str, start_ms: int, end_ms: int, step_ms: int) -> Answer:
    """Evaluate an expression at each step from `start_ms` to at most `end_ms` (Unix time in milliseconds).

    Raises:
        BadDataError: the text is no expression, or one without a value at each instant, or asks for what is
            not supported; or the range is empty, or has more than 11,000 steps.
        ExecutionError: these samples give it no answer.
    """
    if end_ms < start_ms:
        raise BadDataError('invalid parameter "end": end timestamp must not be before start time')
    if step_ms <= 0:
        raise BadDataError(
            'invalid parameter "step": zero or negative query resolution step widths are not accepted. '
            "Try a positive integer"
        )
    if (end_ms - start_ms) // step_ms > _MOST_STEPS:
        raise BadDataError(
            f"exceeded maximum resolution of {_MOST_STEPS:,} points per timeseries. "
            "Try decreasing the query resolution (?step=XX)"
        )
    expression = unwrap(parse_expression(text))
    if isinstance(expression, MatrixSelector | SubqueryExpr | StringLiteral):
        kind = "string" if isinstance(expression, StringLiteral) else "range vector"
        raise BadDataError(
            f'invalid expression type "{kind}" for range query, must be Scalar or instant Vector'
        )
    instants_ms = np.arange(start_ms, end_ms + 1, step_ms)
    with store.lock, np.errstate(all="ignore"):
        value = _evaluate(Evaluation(store, instants_ms), expression)
        return answer_range(cast(Vector | Scalar, value), instants_ms)


def _evaluate(evaluation: Evaluation, expression: Expr) -> Value:
    try:
        return evaluation.evaluate(expression)
    except RecursionError as error:
        raise BadDataError("parse error: the expression is nested too deeply") from error
