"""A file of faults: what goes wrong when, in YAML, for `kpp simulate --faults`.

Each entry names a `fault` and, in seconds after the cluster was handed over, when it begins (`at`) and how
long it lasts (`for`):

    - {fault: refuse, at: 60, server: kubernetes, method: PATCH, code: 409, times: 2}
    - {fault: prometheus-down, at: 300, for: 60}
    - {fault: restart, at: 600, service: cartservice}
"""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from kpp.errors import InputError
from kpp.simulator.application import Name, NotNegative, Positive

_STRICT = ConfigDict(extra="forbid", populate_by_name=True)

Server = Literal["kubernetes", "prometheus"]


@dataclass(frozen=True, config=_STRICT, kw_only=True)
class _Entry:
    """When a fault happens."""

    at: NotNegative = 0.0
    lasts_seconds: Annotated[Positive | None, Field(alias="for")] = None  # None: once, or for ever


@dataclass(frozen=True, config=_STRICT, kw_only=True)
class _RequestFault(_Entry):
    """Which requests it hits: the first `times` that match, or all while it lasts."""

    server: Server = "kubernetes"
    method: Annotated[str, Field(pattern="^[A-Z]+$")] | None = None
    path: str = ""  # a regular expression that is found in the path
    times: Annotated[int, Field(ge=1)] | None = None  # None: 1, or any number with `for`


@dataclass(frozen=True, config=_STRICT, kw_only=True)
class RefuseFault(_RequestFault):
    """The answer is an error."""

    fault: Literal["refuse"]
    code: Annotated[int, Field(ge=400, le=599)] = 500
    retry_after_seconds: Annotated[int, Field(ge=0)] | None = None


@dataclass(frozen=True, config=_STRICT, kw_only=True)
class ResetFault(_RequestFault):
    """The connection is reset; with `is_done` after the request took effect."""

    fault: Literal["reset"]
    is_done: bool = False


@dataclass(frozen=True, config=_STRICT, kw_only=True)
class DelayFault(_RequestFault):
    """The answer is late, in real seconds."""

    fault: Literal["delay"]
    seconds: Positive = 1.0


@dataclass(frozen=True, config=_STRICT, kw_only=True)
class PrometheusFault(_Entry):
    """Prometheus is down, or is up and scrapes nothing."""

    fault: Literal["prometheus-down", "scrape-gap"]


@dataclass(frozen=True, config=_STRICT, kw_only=True)
class ServiceFault(_Entry):
    """What happens to the pods of a service.

    `restart`: their containers end and start again. `replace`: they are deleted, so that all counters of the
    new ones begin at 0. `never-ready`: new ones do not get ready, while it lasts.
    """

    fault: Literal["restart", "replace", "never-ready"]
    service: Name


AnyFault = Annotated[
    RefuseFault | ResetFault | DelayFault | PrometheusFault | ServiceFault, Field(discriminator="fault")
]
_ADAPTER: TypeAdapter[list[AnyFault]] = TypeAdapter(list[AnyFault])


def read_faults(path: Path) -> list[AnyFault]:
    """Read a file of faults.

    Raises:
        InputError: it cannot be read, is no YAML, or holds something else; all that is wrong in one line.
    """
    mend = "write a list of faults as in docs/simulator.md"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return _ADAPTER.validate_python(content or [])
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", where=str(path), mend=mend) from error
    except yaml.YAMLError as error:
        raise InputError(f"no YAML: {' '.join(str(error).split())}", where=str(path), mend=mend) from error
    except ValidationError as error:
        texts = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        raise InputError("; ".join(texts), where=str(path), mend=mend) from error
