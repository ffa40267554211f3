import json
import re
from pathlib import Path

import pytest

from kpp.errors import InputError
from kpp.predictor.model_config import FORMAT_VERSION, config_path, read_config, read_configs, to_json
from tests.predictor.configs import make_config


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "config_frontend.json"
    path.write_bytes(to_json(make_config("frontend")))
    return path


def test_what_was_written_is_read(written: Path) -> None:
    assert read_config(written) == make_config("frontend")


def test_the_file_is_plain_json_with_the_fields_of_the_contract(written: Path) -> None:
    fields = json.loads(written.read_text())

    assert fields["features"] == ["User Count", "Response Time (s)", "Throughput (req/s)", "CPU Usage"]
    assert fields["targets"] == ["Response Time (s)", "Throughput (req/s)", "CPU Usage"]
    assert fields["hyperparameters"] == {
        "input_size": 4,
        "hidden_size": 64,
        "layer_count": 2,
        "output_size": 3,
    }
    assert fields["lookback_steps"] == 5
    assert len(fields["minima"]) == len(fields["maxima"]) == 4
    assert set(fields) >= {"best_test_loss", "scores", "seed", "kpp_version", "data_digest", "format_version"}
    assert set(fields["scores"]["CPU Usage"]) == {"rows", "model", "last_observed", "training_mean"}


def test_unknown_fields_of_a_later_kpp_are_left_alone(written: Path) -> None:
    fields = json.loads(written.read_text())
    written.write_text(json.dumps({**fields, "mood": "good"}))

    assert read_config(written) == make_config("frontend")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": FORMAT_VERSION + 1}, "newer than .*; update kpp, or train again"),
        ({"format_version": 0}, "is no config of a kpp model; train again with `kpp train`"),
        ({"format_version": None}, "is no config of a kpp model"),
        ({"minima": "low"}, "is damaged: minima: .*; train again with `kpp train`"),
        ({"hyperparameters": {}}, "is damaged: hyperparameters.input_size: Field required"),
        ({"lookback_steps": 0}, "is damaged: lookback_steps"),
        ({"service": "cartservice"}, "holds the model of cartservice"),
        ({"service": "../../etc/passwd"}, "is no name of a service"),
    ],
)
def test_a_config_that_cannot_be_used_is_refused(
    written: Path, change: dict[str, object], message: str
) -> None:
    fields = json.loads(written.read_text())
    written.write_text(json.dumps({**fields, **change}))

    with pytest.raises(InputError, match=message):
        read_config(written)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is damaged"),
        (b"{", "is damaged"),
        (b"\xff\xfe", "is damaged"),
        (b"[1, 2]", "is no config of a kpp model"),
        (b'"text"', "is no config of a kpp model"),
    ],
)
def test_a_damaged_file_is_named_with_the_mend(written: Path, content: bytes, message: str) -> None:
    written.write_bytes(content)

    with pytest.raises(InputError, match=rf"^{re.escape(str(written))}: {message}.*; train again") as raised:
        read_config(written)

    assert "\n" not in str(raised.value)


def test_a_missing_file_is_named_with_the_mend(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file or directory; train again"):
        read_config(tmp_path / "config_frontend.json")


@pytest.mark.parametrize("service", ["", "../cart", "a/b", "Cart", "cart\n", "-cart", "x" * 64, "cärt"])
def test_a_name_that_is_no_dns_label_never_becomes_a_path(tmp_path: Path, service: str) -> None:
    with pytest.raises(InputError, match="is no name of a service"):
        config_path(tmp_path, service)


def test_all_models_of_a_folder_are_read_by_service(tmp_path: Path) -> None:
    for service in ("shipping", "ad", "frontend"):
        config_path(tmp_path, service).write_bytes(to_json(make_config(service)))
    (tmp_path / "gru_ad.pth").touch()
    (tmp_path / "notes.json").write_text("{}")

    assert [config.service for config in read_configs(tmp_path)] == ["ad", "frontend", "shipping"]


def test_a_folder_without_models_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no trained models; train some with `kpp train`"):
        read_configs(tmp_path)
    with pytest.raises(InputError, match="is no folder; train some with `kpp train`"):
        read_configs(tmp_path / "models")
