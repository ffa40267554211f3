"""What is kept of an earlier training: nothing that would come out otherwise now."""

import dataclasses
from pathlib import Path

import pandas as pd
import pytest

from kpp.predictor.checkpoints import weights_path, write_model
from kpp.predictor.main import train_here
from kpp.predictor.model_config import config_path
from kpp.predictor.pipeline import PerformancesDataPipeline
from kpp.predictor.preparation.windows import ServiceDataset
from kpp.predictor.resume import find_kept
from kpp.predictor.settings import TrainingSettings
from kpp.schema import CPU_USAGE, SERVICE
from tests.measurements import as_table, make_measurements

SETTINGS = TrainingSettings(max_epochs=1)
ROWS = make_measurements(("cart", "frontend"))


def prepare(rows: pd.DataFrame = ROWS) -> dict[str, ServiceDataset]:
    return PerformancesDataPipeline().run(as_table(rows)).datasets


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Models of both services."""
    for finished in train_here([*prepare().values()], SETTINGS, lambda _service, _epoch: None):
        write_model(tmp_path, finished.network, finished.config)
    return tmp_path


def test_the_same_data_and_settings_keep_all(models: Path) -> None:
    assert sorted(find_kept(prepare(), models, SETTINGS)) == ["cart", "frontend"]
    assert sorted(find_kept(prepare(), models, dataclasses.replace(SETTINGS, device="auto"))) == [
        "cart",
        "frontend",
    ]


def test_nothing_is_kept_where_nothing_is(tmp_path: Path) -> None:
    assert find_kept(prepare(), tmp_path, SETTINGS) == {}


def test_a_service_whose_data_changed_is_trained_again(models: Path) -> None:
    changed = ROWS.copy()
    changed.loc[ROWS.index[ROWS[SERVICE] == "cart"][-1], CPU_USAGE] += 0.001

    assert list(find_kept(prepare(changed), models, SETTINGS)) == ["frontend"]


@pytest.mark.parametrize(
    "changed",
    [
        TrainingSettings(1, max_epochs=1),
        TrainingSettings(),
        TrainingSettings(max_epochs=1, learning_rate=0.01),
    ],
)
def test_other_settings_keep_nothing(models: Path, changed: TrainingSettings) -> None:
    assert find_kept(prepare(), models, changed) == {}


@pytest.mark.parametrize("spoil", ["cut weights", "no weights", "cut config", "other version"])
def test_what_is_damaged_or_of_another_kpp_is_trained_again(models: Path, spoil: str) -> None:
    weights, config = weights_path(models, "cart"), config_path(models, "cart")
    if spoil == "cut weights":
        weights.write_bytes(weights.read_bytes()[:-1])
    elif spoil == "no weights":
        weights.unlink()
    elif spoil == "cut config":
        config.write_bytes(config.read_bytes()[:-9])
    else:
        config.write_text(config.read_text().replace('"kpp_version": "', '"kpp_version": "0.0.'))

    assert list(find_kept(prepare(), models, SETTINGS)) == ["frontend"]
