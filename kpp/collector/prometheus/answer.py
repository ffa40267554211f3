"""What Prometheus answered: the result of a query, with its types checked."""

from dataclasses import dataclass, field
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from kpp.collector.prometheus.faults import (
    OK,
    AnswerFaultError,
    is_refusal,
    not_prometheus,
    read_redirect,
    read_refusal,
    shorten,
)
from kpp.collector.prometheus.session import Reply

Instant = Annotated[float, Field(allow_inf_nan=False)]  # Unix seconds
Point = tuple[Instant, float]  # the value may be NaN or infinite


@dataclass(frozen=True)
class Sample:
    """One series of an instant vector: labels and value."""

    metric: dict[str, str]
    value: Point


@dataclass(frozen=True)
class Series:
    """One series of a range: labels, and the values at those instants at which there are any."""

    metric: dict[str, str]
    values: list[Point]


@dataclass(frozen=True)
class Vector:
    """The data of an instant query."""

    result_type: Annotated[Literal["vector"], Field(alias="resultType")]
    result: list[Sample]


@dataclass(frozen=True)
class Matrix:
    """The data of a range query."""

    result_type: Annotated[Literal["matrix"], Field(alias="resultType")]
    result: list[Series]


Data = TypeVar("Data")
_Texts = Annotated[list[str], BeforeValidator(lambda texts: texts or [])]


@dataclass(frozen=True)
class Answer(Generic[Data]):
    """The envelope of a successful answer of the query API."""

    status: Literal["success"]
    data: Data
    warnings: _Texts = field(default_factory=list)
    infos: _Texts = field(default_factory=list)
    is_partial: Annotated[bool, BeforeValidator(bool), Field(alias="isPartial")] = False  # VictoriaMetrics


VECTOR, MATRIX = TypeAdapter(Answer[Vector]), TypeAdapter(Answer[Matrix])
_KINDS = {id(VECTOR): "an instant vector", id(MATRIX): "a range of values"}


def read_answer(reply: Reply, kind: TypeAdapter[Answer[Data]]) -> Answer[Data]:
    """Read the answer to a query.

    Args:
        reply: what came.
        kind: `VECTOR` for an instant query, `MATRIX` for one over a range.

    Raises:
        AnswerFaultError: it is an error, or not what Prometheus answers.
    """
    if reply.location:
        raise read_redirect(reply)
    if reply.status != OK:
        raise read_refusal(reply)
    try:
        return kind.validate_json(reply.content)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
    if is_refusal(reply):
        raise read_refusal(reply)
    if fault["type"] == "json_invalid":
        raise not_prometheus(reply)
    place = ".".join(shorten(str(part)) for part in fault["loc"])
    raise AnswerFaultError(
        f"the answer is not {_KINDS[id(kind)]}: {shorten(place) or 'the whole'}: {shorten(fault['msg'])}",
        mend="check that PROMETHEUS_URL names a Prometheus, version 2 or later",
    )
