"""The types of settings: how each is read from text, and what is allowed."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, HttpUrl, TypeAdapter

from kpp.collector.cluster.load_profile import parse_load_variables
from kpp.schema import is_dns_label

MOST_COUNTS = 10_000


def parse_user_counts(text: object) -> object:
    """Read `10,20,50` or `start:end:step` (the end included); anything else is left for the check to refuse.

    >>> parse_user_counts("10:30:10")
    (10, 20, 30)
    >>> parse_user_counts("5, 80")
    (5, 80)
    """
    if not isinstance(text, str):
        return text
    try:
        numbers = [int(part) for part in text.replace(",", ":").split(":")]
        if ":" not in text:
            return tuple(numbers)
        start, end, step = numbers
    except ValueError:
        raise ValueError("a list of whole numbers like 10,20,50, or start:end:step like 10:100:10") from None
    if step <= 0 or end < start:
        raise ValueError("a range start:end:step needs end >= start and step > 0")
    if (end - start) // step >= MOST_COUNTS:
        raise ValueError(f"a range of at most {MOST_COUNTS} counts")
    return tuple(range(start, end + 1, step))


def _split_names(text: object) -> object:
    return tuple(name.strip() for name in text.split(",") if name.strip()) if isinstance(text, str) else text


def _check_variables(text: str) -> str:
    parse_load_variables(text)
    return text


def _check_url(text: str) -> str:
    url = TypeAdapter(HttpUrl).validate_python(text)
    if url.username is not None or url.password is not None:
        raise ValueError("user and password belong into PROMETHEUS_USER and PROMETHEUS_PASSWORD")
    if url.query is not None or url.fragment is not None:
        raise ValueError("must end with the path, without ? and #")
    return text.rstrip("/")


def _check_name(text: str) -> str:
    if not is_dns_label(text):
        raise ValueError("a name in Kubernetes has lower-case letters, digits and '-', at most 63 characters")
    return text


Url = Annotated[str, AfterValidator(_check_url)]
Name = Annotated[str, AfterValidator(_check_name)]
Names = Annotated[tuple[str, ...], BeforeValidator(_split_names)]
UserCounts = Annotated[
    tuple[Annotated[int, Field(ge=1, le=1_000_000)], ...],
    BeforeValidator(parse_user_counts),
    Field(min_length=1),
]
LabelKey = Annotated[str, Field(pattern=r"^([a-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$")]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
SecondsOrNone = Annotated[float, Field(ge=0, allow_inf_nan=False)]
LoadVariables = Annotated[str, AfterValidator(_check_variables)]
