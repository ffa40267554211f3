import dataclasses
import logging
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpp.collector.config import Config, read_config, setting_names, variable_of
from kpp.collector.setting_types import parse_user_counts
from kpp.errors import ConfigError


def test_options_go_before_the_environment_before_the_file_before_defaults(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("KPP_NAMESPACE=from-file\nKPP_LABEL_KEY=from-file\nKPP_LOAD_GENERATOR=from-file\n")
    environment = {"KPP_NAMESPACE": "from-environment", "KPP_LABEL_KEY": "from-environment"}

    config = read_config({"namespace": "from-option", "label_key": None}, environment, env_file)

    assert config.namespace == "from-option"
    assert config.label_key == "from-environment"
    assert config.load_generator == "from-file"
    assert config.entry_service == "frontend"


def test_every_setting_is_read_from_its_variable(tmp_path: Path) -> None:
    values = {
        "prometheus_url": ("http://prometheus.example:9090/base/", "http://prometheus.example:9090/base"),
        "kube_context": ("minikube", "minikube"),
        "namespace": ("shop", "shop"),
        "load_generator": ("locust", "locust"),
        "label_key": ("app.kubernetes.io/name", "app.kubernetes.io/name"),
        "excluded_services": ("redis-cart, cache", ("redis-cart", "cache")),
        "entry_service": ("web", "web"),
        "user_counts": ("10:50:20", (10, 30, 50)),
        "campaign": ("plan.yaml", Path("plan.yaml")),
        "load_container": ("k6", "k6"),
        "load_variables": ("K6_VUS={users}", "K6_VUS={users}"),
        "users_per_replica": ("5", 5),
        "spawn_rate": ("2", 2),
        "rate_window_seconds": ("120", 120),
        "warmup_seconds": ("150", 150.0),
        "sampling_interval_seconds": ("30", 30.0),
        "cpu_rate_window_seconds": ("180", 180),
        "measured_seconds": ("300", 300.0),
        "cooldown_seconds": ("0", 0.0),
        "evaluation_lag_seconds": ("15", 15.0),
        "request_timeout_seconds": ("5", 5.0),
        "rollout_timeout_seconds": ("60", 60.0),
        "repeat": ("3", 3),
        "until_steady": ("true", True),
        "max_measured_seconds": ("900", 900.0),
        "error_budget": ("0.05", 0.05),
        "output_directory": ("out", Path("out")),
        "profile": ("istio-ambient", "istio-ambient"),
    }
    assert set(values) == set(setting_names())
    env_file = tmp_path / ".env"
    env_file.write_text("".join(f"{variable_of(field)}='{text}'\n" for field, (text, _) in values.items()))

    config = read_config({}, {}, env_file)

    assert {name: getattr(config, name) for name in values} == {
        field: value for field, (_, value) in values.items()
    }


def test_all_faults_are_reported_at_once_with_what_they_held_and_what_is_allowed() -> None:
    options = {
        "prometheus_url": "localhost:9090",
        "user_counts": "ten",
        "spawn_rate": "0",
        "warmup_seconds": "10",
        "measured_seconds": "nan",
    }

    with pytest.raises(ConfigError) as caught:
        read_config(options, {}, None)

    message = str(caught.value)
    assert "\n" not in message
    assert "PROMETHEUS_URL is 'localhost:9090': URL scheme should be 'http' or 'https'" in message
    assert "KPP_USER_COUNTS is 'ten': a list of whole numbers like 10,20,50, or start:end:step" in message
    assert "KPP_SPAWN_RATE is '0': must be greater than or equal to 1" in message
    assert "KPP_WARMUP_SECONDS is '10': at least KPP_RATE_WINDOW_SECONDS (60 s)" in message
    assert "KPP_MEASURED_SECONDS is 'nan': must be a finite number" in message


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"rate_window_seconds": "120"},
            "KPP_WARMUP_SECONDS is 60.0: at least KPP_RATE_WINDOW_SECONDS (120 s)",
        ),
        (
            {"warmup_seconds": "90", "sampling_interval_seconds": "20"},
            "KPP_CPU_RATE_WINDOW_SECONDS is 120: at most KPP_WARMUP_SECONDS + "
            "KPP_SAMPLING_INTERVAL_SECONDS (110 s)",
        ),
        (
            {"sampling_interval_seconds": "900", "cpu_rate_window_seconds": "960"},
            "KPP_MEASURED_SECONDS is 600.0",
        ),
    ],
)
def test_a_default_that_does_not_go_with_what_was_set_is_a_fault(settings: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)):
        read_config(settings, {}, None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user_counts", "0,10"),
        ("user_counts", ""),
        ("user_counts", "10:20"),
        ("user_counts", "20:10:5"),
        ("user_counts", "10:20:0"),
        ("namespace", "../etc"),
        ("label_key", 'app"} or vector(1)'),
        ("cooldown_seconds", "-1"),
        ("measured_seconds", "30"),
        ("rate_window_seconds", "1.5"),
        ("request_timeout_seconds", "0"),
    ],
)
def test_a_wrong_value_is_refused_under_its_variable(field: str, value: str) -> None:
    with pytest.raises(ConfigError, match=variable_of(field)):
        read_config({field: value} if value else {field: ()}, {}, None)


def test_a_misspelled_variable_is_refused_in_the_file_and_pointed_out_in_the_environment(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("KPP_USERCOUNTS=1\n")

    with pytest.raises(ConfigError, match=r"KPP_USERCOUNTS in .*env is no setting"):
        read_config({}, {}, env_file)
    with caplog.at_level(logging.WARNING):
        read_config({}, {"KPP_USERCOUNTS": "1", "HOME": "/"}, None)
    assert "KPP_USERCOUNTS" in caplog.text


def test_the_config_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().namespace = "other"  # type: ignore[misc]  # what the test is about


@given(st.integers(1, 1000), st.integers(0, 1000), st.integers(1, 100))
def test_a_range_includes_its_end_when_a_step_meets_it(start: int, length: int, step: int) -> None:
    counts = parse_user_counts(f"{start}:{start + length}:{step}")

    assert counts == tuple(start + step * index for index in range(length // step + 1))


def test_an_experiment_is_not_extended_to_less_than_was_planned() -> None:
    settings = {"until_steady": "yes", "measured_seconds": "600", "max_measured_seconds": "300"}
    with pytest.raises(
        ConfigError, match=r"KPP_MAX_MEASURED_SECONDS is '300': at least KPP_MEASURED_SECONDS"
    ):
        read_config(settings, {}, None)
    assert read_config({**settings, "until_steady": "no"}, {}, None).max_measured_seconds == 300


@pytest.mark.parametrize("share", ["5", "-0.1", "5%"])
def test_an_error_budget_is_a_share(share: str) -> None:
    with pytest.raises(ConfigError, match="KPP_ERROR_BUDGET is"):
        read_config({"error_budget": share}, {}, None)
