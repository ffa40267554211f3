import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from kpp.errors import InputError
from kpp.predictor.checkpoints import read_model, weights_path, write_model
from kpp.predictor.model import PerformancesGRU
from kpp.predictor.model_config import ModelConfig, config_path, read_config
from tests.predictor.configs import make_config


def make_network(seed: int = 4) -> PerformancesGRU:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return PerformancesGRU()


@pytest.fixture
def written(tmp_path: Path) -> ModelConfig:
    return write_model(tmp_path, make_network(), make_config("frontend"))


def test_the_weights_load_as_a_plain_state_dict(tmp_path: Path, written: ModelConfig) -> None:
    network = PerformancesGRU()
    network.load_state_dict(torch.load(tmp_path / "gru_frontend.pth", weights_only=True))

    inputs = torch.rand(3, 5, 4)
    torch.testing.assert_close(network(inputs), make_network()(inputs), rtol=0, atol=0)


def test_a_model_that_was_read_predicts_as_the_one_that_was_written(
    tmp_path: Path, written: ModelConfig
) -> None:
    minima, maxima = np.array(written.minima), np.array(written.maxima)
    rows = np.random.default_rng(0).uniform(minima, maxima, (7, 5, 4))

    predicted = read_model(tmp_path, "frontend").predict(rows)

    inputs = torch.tensor((rows - minima) / (maxima - minima), dtype=torch.float32)
    outputs = make_network()(inputs).detach().numpy()
    expected = minima[1:] + outputs * (maxima - minima)[1:]
    np.testing.assert_allclose(predicted, expected.clip(min=0), rtol=1e-5)


def test_unlearned_targets_stay_unlearned(tmp_path: Path) -> None:
    config = make_config("frontend").model_copy(update={"unlearned_targets": ("CPU Usage",)})
    write_model(tmp_path, make_network(), config)

    predicted = read_model(tmp_path, "frontend").predict(np.full((1, 5, 4), 0.5))

    assert np.isnan(predicted).tolist() == [[False, False, True]]


def test_the_same_weights_give_the_same_files(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        write_model(tmp_path / name, make_network(), make_config("frontend"))

    for file in ("gru_frontend.pth", "config_frontend.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes()


def test_the_config_on_the_disk_is_the_one_that_is_returned(tmp_path: Path, written: ModelConfig) -> None:
    assert read_config(config_path(tmp_path, "frontend")) == written


def test_weights_and_config_of_different_trainings_are_noticed(tmp_path: Path, written: ModelConfig) -> None:
    config = config_path(tmp_path, "frontend")
    old_config = config.read_bytes()
    write_model(tmp_path, make_network(seed=5), make_config("frontend"))
    config.write_bytes(old_config)

    with pytest.raises(
        InputError, match=r"gru_frontend\.pth: is damaged, or of another training than config_frontend\.json"
    ):
        read_model(tmp_path, "frontend")


@pytest.mark.parametrize("spoil", [lambda data: data[:-100], lambda data: b"", lambda data: b"x" + data[1:]])
def test_damaged_weights_are_refused(tmp_path: Path, written: ModelConfig, spoil: object) -> None:
    assert callable(spoil)
    path = weights_path(tmp_path, "frontend")
    path.write_bytes(spoil(path.read_bytes()))

    with pytest.raises(InputError, match=r"is damaged, .*; train again with `kpp train`"):
        read_model(tmp_path, "frontend")


def test_missing_weights_are_named(tmp_path: Path, written: ModelConfig) -> None:
    weights_path(tmp_path, "frontend").unlink()

    with pytest.raises(InputError, match=r"gru_frontend\.pth: cannot be read: No such file.*; train again"):
        read_model(tmp_path, "frontend")


def test_weights_of_another_size_than_the_config_says_are_refused(tmp_path: Path) -> None:
    write_model(tmp_path, PerformancesGRU(hidden_size=8), make_config("frontend"))

    with pytest.raises(InputError, match=r"does not fit config_frontend\.json; train again"):
        read_model(tmp_path, "frontend")


def test_a_model_of_other_columns_is_refused(tmp_path: Path, written: ModelConfig) -> None:
    path = config_path(tmp_path, "frontend")
    fields = json.loads(path.read_text())
    path.write_text(json.dumps({**fields, "targets": ["Memory"]}))

    with pytest.raises(InputError, match="predicts Memory from User Count"):
        read_model(tmp_path, "frontend")


def test_a_config_that_asks_for_a_giant_network_is_refused(tmp_path: Path, written: ModelConfig) -> None:
    path = config_path(tmp_path, "frontend")
    fields = json.loads(path.read_text())
    fields["hyperparameters"]["hidden_size"] = 10**9
    path.write_text(json.dumps(fields))

    with pytest.raises(InputError, match="hidden_size"):
        read_model(tmp_path, "frontend")


@pytest.mark.parametrize("service", ["../evil", "a/b", ""])
def test_a_name_that_is_no_dns_label_writes_and_reads_nothing(tmp_path: Path, service: str) -> None:
    models = tmp_path / "models"
    models.mkdir()
    with pytest.raises(InputError, match="is no name of a service"):
        write_model(models, make_network(), make_config(service))
    with pytest.raises(InputError, match="is no name of a service"):
        read_model(models, service)

    assert [*tmp_path.rglob("*")] == [models]


def test_the_model_that_was_read_is_frozen(tmp_path: Path, written: ModelConfig) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        read_model(tmp_path, "frontend").service = "other"  # type: ignore[misc]  # what it is about
