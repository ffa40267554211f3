"""What an earlier training left that need not be trained again."""

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path

from kpp import __version__
from kpp.errors import InputError
from kpp.predictor.checkpoints import weights_path
from kpp.predictor.model_config import ModelConfig, config_path, read_config
from kpp.predictor.preparation.windows import ServiceDataset
from kpp.predictor.settings import TrainingSettings


def find_kept(
    datasets: Mapping[str, ServiceDataset], models: Path, settings: TrainingSettings
) -> dict[str, ModelConfig]:
    """The configs of the services whose models would come out the same again.

    That is where both files are whole and data, settings, seed and kpp's version are those of now. The device
    may be another: it changes weights by rounding only.
    """
    kept = {}
    for service, dataset in datasets.items():
        try:
            config = read_config(config_path(models, service))
        except InputError:  # missing, damaged, of another format: it is trained again
            continue
        if _is_current(config, dataset, settings) and _has_its_weights(config, models):
            kept[service] = config
    return kept


def _is_current(config: ModelConfig, dataset: ServiceDataset, settings: TrainingSettings) -> bool:
    here = dataclasses.replace(settings, device="")
    return (
        config.kpp_version == __version__
        and config.data_digest == dataset.digest
        and config.lookback_steps == dataset.fit.lookback_steps
        and {**config.training.settings, "device": ""} == dataclasses.asdict(here)
    )


def _has_its_weights(config: ModelConfig, models: Path) -> bool:
    try:
        weights = weights_path(models, config.service).read_bytes()
    except OSError:
        return False
    return hashlib.sha256(weights).hexdigest() == config.weights_digest
