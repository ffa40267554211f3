"""The settings of a campaign: options over environment over `.env` over defaults, checked all at once."""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from dotenv import dotenv_values
from pydantic import ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic.dataclasses import dataclass

from kpp.collector.profiles.reading import DEFAULT_PROFILE
from kpp.collector.prometheus.access import PrometheusAccess
from kpp.collector.prometheus.access_settings import (
    ACCESS_VARIABLES,
    AccessFaultError,
    check_option,
    connect,
    hide_password,
)
from kpp.collector.setting_types import (
    LabelKey,
    LoadVariables,
    Name,
    Names,
    Seconds,
    SecondsOrNone,
    Url,
    UserCounts,
)
from kpp.errors import ConfigError

logger = logging.getLogger(__name__)


# defaults are validated too: one that does not go with what was set is a fault
@dataclass(frozen=True, config=ConfigDict(validate_default=True))
class Config:
    """Every setting of a campaign. The environment variable of a field is `KPP_` and its name in capitals."""

    prometheus_url: Url = "http://localhost:9090"
    kube_context: str | None = None
    namespace: Name = "default"
    load_generator: Name = "loadgenerator"
    load_container: Name | None = None  # None: the only one that has a variable with the users
    load_variables: LoadVariables = "USERS={users} RATE={rate}"
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
    cpu_rate_window_seconds: Annotated[int, Field(ge=1)] = 120  # longer: cAdvisor's samples are far apart
    measured_seconds: Seconds = 600.0
    cooldown_seconds: SecondsOrNone = 180.0
    evaluation_lag_seconds: SecondsOrNone = 30.0  # cAdvisor's samples are up to 15 s old, and so are scrapes
    request_timeout_seconds: Seconds = 10.0
    rollout_timeout_seconds: Seconds = 600.0
    repeat: Annotated[int, Field(ge=1, le=1000)] = 1  # how often the whole sweep is run
    until_steady: bool = False  # whether an experiment is extended that is not steady by its planned end
    max_measured_seconds: Seconds = 1800.0  # how far it is extended at most
    error_budget: Annotated[float, Field(ge=0, le=1)] | None = None  # share of requests that may fail
    output_directory: Path = Path("dataset")
    profile: Annotated[str, Field(min_length=1)] = (
        DEFAULT_PROFILE  # of queries: a name, or the path of a file
    )
    prometheus_access: PrometheusAccess = PrometheusAccess()  # no setting: it has its own, `ACCESS_VARIABLES`

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

    @field_validator("cpu_rate_window_seconds")
    @classmethod
    def _holds_steady_load_only(cls, cpu_rate_window_seconds: int, info: ValidationInfo) -> int:
        steady_seconds = info.data.get("warmup_seconds", 0) + info.data.get("sampling_interval_seconds", 0)
        if cpu_rate_window_seconds > steady_seconds > 0:
            raise ValueError(
                f"at most {variable_of('warmup_seconds')} + {variable_of('sampling_interval_seconds')} "
                f"({steady_seconds:g} s), else the first samples reach back to before the load was steady"
            )
        return cpu_rate_window_seconds

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

    @field_validator("max_measured_seconds")
    @classmethod
    def _holds_the_planned_time(cls, max_measured_seconds: float, info: ValidationInfo) -> float:
        measured_seconds = info.data.get("measured_seconds", 0)
        if info.data.get("until_steady") and max_measured_seconds < measured_seconds:
            raise ValueError(
                f"at least {variable_of('measured_seconds')} ({measured_seconds:g} s), "
                "as an experiment is extended and never cut"
            )
        return max_measured_seconds

    @property
    def samples_per_experiment(self) -> int:
        """How many ticks an experiment's measuring phase holds."""
        return int(self.measured_seconds // self.sampling_interval_seconds)


# of these a resumed campaign takes the present ones: they say how to reach what is measured, not what
MAY_CHANGE = frozenset(
    {
        "error_budget",
        "kube_context",
        "output_directory",
        "prometheus_url",
        "request_timeout_seconds",
        "rollout_timeout_seconds",
    }
)


def setting_names() -> tuple[str, ...]:
    """The fields of `Config` that are settings."""
    return tuple(name for name in Config.__dataclass_fields__ if name != "prometheus_access")


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
    from_file = _read_file(env_file)
    settings = _merge(setting_names(), options, environment, from_file, recorded or {})
    for name in _strangers(environment):
        logger.warning("The environment variable %s is no setting of kpp and has no effect.", name)
    faults = [f"{name} in {env_file} is no setting of kpp" for name in _strangers(from_file)]
    access = {name: environment.get(name) or from_file.get(name) or "" for name in ACCESS_VARIABLES}
    try:
        check_option(options.get("prometheus_url"), environment.get(variable_of("prometheus_url")))
        settings |= connect(settings.get("prometheus_url"), access)
    except AccessFaultError as fault:
        faults.append(str(fault))
    return _check(settings, faults)


def read_some_settings(
    names: Iterable[str],
    options: Mapping[str, object],
    environment: Mapping[str, str],
    env_file: Path | None,
    recorded: Mapping[str, object] | None = None,
) -> Config:
    """As `read_config`, but only these settings; the others have their defaults, whatever was given for them.

    Raises:
        ConfigError: one of these is faulty.
    """
    return _check(_merge(names, options, environment, _read_file(env_file), recorded or {}), [])


def _read_file(env_file: Path | None) -> Mapping[str, str | None]:
    return dotenv_values(env_file) if env_file is not None else {}


def _merge(
    names: Iterable[str],
    options: Mapping[str, object],
    environment: Mapping[str, str],
    from_file: Mapping[str, str | None],
    recorded: Mapping[str, object],
) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for name in names:
        before, in_file = recorded.get(name), from_file.get(variable_of(name))
        later = (in_file, before) if name in MAY_CHANGE else (before, in_file)
        for value in (options.get(name), environment.get(variable_of(name)), *later):
            if value not in (None, ""):
                settings[name] = value
                break
    return settings


def _strangers(given: Iterable[str]) -> list[str]:
    variables = {variable_of(name) for name in setting_names()}
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
        if field == "prometheus_url":
            held = hide_password(str(held))
        texts.setdefault(str(field), f"{variable_of(str(field))} is {held!r}: {message}")
    return list(texts.values())
