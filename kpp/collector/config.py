"""The settings of a campaign: options over environment over `.env` over defaults, checked all at once."""

import dataclasses
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    HttpUrl,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.dataclasses import dataclass

from kpp.collector.load_profile import parse_load_variables
from kpp.errors import ConfigError
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
    TypeAdapter(HttpUrl).validate_python(text)
    return text.rstrip("/")


def _check_name(text: str) -> str:
    if not is_dns_label(text):
        raise ValueError("a name in Kubernetes has lower-case letters, digits and '-', at most 63 characters")
    return text


logger = logging.getLogger(__name__)

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


@dataclass(frozen=True)
class Config:
    """Every setting of a campaign. The environment variable of a field is `KPP_` and its name in capitals."""

    prometheus_url: Url = "http://localhost:9090"
    kube_context: str | None = None
    namespace: Name = "default"
    load_generator: Name = "loadgenerator"
    load_container: Name | None = None  # None: the only one that has a variable with the users
    load_variables: Annotated[str, AfterValidator(_check_variables)] = "USERS={users} RATE={rate}"
    users_per_replica: Annotated[int, Field(ge=1)] | None = None  # not None: the replicas alone are the load
    label_key: LabelKey = "app"
    excluded_services: Names = ("redis-cart",)
    entry_service: Name = "frontend"
    user_counts: UserCounts = (10, 20, 30, 40, 50, 60, 70, 80, 90, 100)
    campaign: Path | None = None  # a file of experiments, instead of the user counts
    spawn_rate: Annotated[int, Field(ge=1)] = 10  # users started per second: the variable RATE
    rate_window_seconds: Annotated[int, Field(ge=1)] = 60
    warmup_seconds: Seconds = 60.0
    sampling_interval_seconds: Seconds = 60.0
    measured_seconds: Seconds = 600.0
    cooldown_seconds: SecondsOrNone = 180.0
    evaluation_lag_seconds: SecondsOrNone = 30.0  # cAdvisor's samples are up to 15 s old, and so are scrapes
    request_timeout_seconds: Seconds = 10.0
    rollout_timeout_seconds: Seconds = 600.0
    output_directory: Path = Path("dataset")

    @field_validator("warmup_seconds")
    @classmethod
    def _fills_the_rate_window(cls, warmup_seconds: float, info: ValidationInfo) -> float:
        rate_window_seconds = info.data.get("rate_window_seconds", 0)
        if warmup_seconds < rate_window_seconds:
            raise ValueError(
                f"at least {variable_of('rate_window_seconds')} ({rate_window_seconds} s), "
                "else the first samples reach back to before the load was steady"
            )
        return warmup_seconds

    @field_validator("measured_seconds")
    @classmethod
    def _holds_a_sample(cls, measured_seconds: float, info: ValidationInfo) -> float:
        interval_seconds = info.data.get("sampling_interval_seconds", 0)
        if measured_seconds < interval_seconds:
            raise ValueError(
                f"at least {variable_of('sampling_interval_seconds')} ({interval_seconds:g} s), "
                "else an experiment has no sample"
            )
        return measured_seconds

    @property
    def samples_per_experiment(self) -> int:
        """How many ticks an experiment's measuring phase holds."""
        return int(self.measured_seconds // self.sampling_interval_seconds)


# of these a resumed campaign takes the present ones: they say how to reach what is measured, not what
MAY_CHANGE = frozenset(
    {
        "kube_context",
        "output_directory",
        "prometheus_url",
        "request_timeout_seconds",
        "rollout_timeout_seconds",
    }
)


def variable_of(field: str) -> str:
    """The environment variable of a field; Prometheus's URL keeps the name that other tools use too.

    >>> variable_of("namespace"), variable_of("prometheus_url")
    ('KPP_NAMESPACE', 'PROMETHEUS_URL')
    """
    return "PROMETHEUS_URL" if field == "prometheus_url" else f"KPP_{field.upper()}"


def read_config(
    options: Mapping[str, object],
    environment: Mapping[str, str],
    env_file: Path | None,
    recorded: Mapping[str, object] | None = None,
) -> Config:
    """Merge the settings and check them all.

    Args:
        options: field name to value; None means not given.
        environment: the process's environment.
        env_file: a `.env` file that exists, or None.
        recorded: settings of a campaign that is resumed, by field. The file does not go before them, except
            for those that may change.

    Raises:
        ConfigError: one line for all faults, each with the variable, what it held and what is allowed.
    """
    variables = {variable_of(field.name): field.name for field in dataclasses.fields(Config)}
    from_file = dotenv_values(env_file) if env_file is not None else {}
    settings: dict[str, Any] = {}
    for variable, field in variables.items():
        before = (recorded or {}).get(field)
        in_file = from_file.get(variable)
        later = (in_file, before) if field in MAY_CHANGE else (before, in_file)
        for value in (options.get(field), environment.get(variable), *later):
            if value not in (None, ""):
                settings[field] = value
                break
    for name in _strangers(environment, variables):
        logger.warning("The environment variable %s is no setting of kpp and has no effect.", name)
    faults = [f"{name} in {env_file} is no setting of kpp" for name in _strangers(from_file, variables)]
    return _check(settings, faults)


def _strangers(given: Iterable[str], variables: Iterable[str]) -> list[str]:
    return sorted(name for name in given if name.startswith("KPP_") and name not in variables)


def _check(settings: dict[str, Any], faults: list[str]) -> Config:
    try:
        config = Config(**settings)
    except ValidationError as error:
        faults = [*faults, *_describe(error)]
    if faults:
        raise ConfigError(
            "; ".join(faults), where="configuration", mend="see `kpp collect --help` for all settings"
        )
    return config


def _describe(error: ValidationError) -> list[str]:
    """One text per faulty setting, however many of its parts are wrong."""
    texts: dict[str, str] = {}
    for fault in error.errors():
        field, *part = fault["loc"]
        held = f"… {fault['input']} …" if part else fault["input"]
        message = fault["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
        texts.setdefault(str(field), f"{variable_of(str(field))} is {held!r}: {message}")
    return list(texts.values())
